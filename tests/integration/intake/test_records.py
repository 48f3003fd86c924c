"""What sources send, from their file to the answer and the ledger: what is taken, what is left out, what is told."""

import gzip
import json
from typing import Any

import pytest

from tests.integration.intake.conftest import Intake

HEADER = "memberRef,bsn,initials,familyName,birthDate,street,houseNumber,postcode,city,email,dataCategories\n"
NDJSON = "application/x-ndjson"


def a_row(ref: str, bsn: str, **changed: str) -> str:
    """Return a line of CSV."""
    said = {
        "initials": "A.", "familyName": "Proef", "birthDate": "1950-01-02", "street": "Kerkstraat", "houseNumber": "1",
        "postcode": "1234AB", "city": "Rijswijk", "email": "", "dataCategories": "name",
    }  # fmt: skip
    return ",".join([ref, bsn, *(said | changed).values()]) + "\n"


def told(answer: Any) -> list[tuple[Any, ...]]:
    """Return the problems of an answer."""
    return [(p["line"], p["memberRef"], p["field"], p["problem"], p.get("severity")) for p in answer["problems"]]


def counted(answer: Any) -> tuple[Any, ...]:
    """Return the counts of an answer: received, accepted, rejected, unreadable, with warnings."""
    return tuple(answer.get(name) for name in ("received", "accepted", "rejected", "unreadable", "warnings"))


async def test_flaw_in_what_is_not_needed_is_a_warning(intake: Intake) -> None:
    """Who is named by a BSN is taken without the field that is flawed; who is named by that field is not."""
    body = HEADER + "".join(
        [
            a_row("u1", "100490001", birthDate="1950-00-00"),
            a_row("u2", "", birthDate="1950-00-00"),
            a_row("u3", "", birthDate=""),
            a_row("u4", "100490074", email="onbekend"),
            a_row("u5", "100490141", houseNumber="12A", email="e@example.org"),
            a_row("u6", "100490219", houseNumber="achter", email="e@example.org"),
        ]
    )
    _, answer = await intake.upload(body)

    assert (6, 4, 2, 0, 2) == counted(answer)
    assert [
        (3, "u2", "birthDate", "incomplete-date", "error"),
        (4, "u3", "identity", "required", "error"),
        (5, "u4", "email", "invalid-email", "warning"),
        (7, "u6", "houseNumber", "invalid-house-number", "warning"),
    ] == told(answer)
    assert (6, 2, 4) == await intake.counts()


async def test_whoever_can_be_told_nowhere_is_held_and_not_refused(intake: Intake) -> None:
    """A flawed e-mail address that was the only way to a person leaves the person accepted, and told as unreachable."""
    _, answer = await intake.upload(HEADER + a_row("u1", "100490001", email="onbekend", street="", city=""))

    assert (1, 1, 0, 0, 1) == counted(answer)
    assert [
        (2, "u1", "email", "invalid-email", "warning"),
        (2, "u1", None, "unreachable", "warning"),
    ] == told(answer)


async def test_spreadsheets_numbers_are_nobodys(intake: Intake) -> None:
    """A decimal tail, a minus sign, a row number and a placeholder are no BSN, and never become somebody else's."""
    given = ["11535842.0", "115358420", "111222333.0", "-115358420", "12", "999990019.00", "1.15358E+08", "999999990"]
    _, answer = await intake.upload(HEADER + "".join(a_row(f"p{at}", bsn) for at, bsn in enumerate(given, 1)))

    assert (8, 1, 7, 0, 0) == counted(answer)
    assert {("bsn", "invalid-bsn")} == {(field, problem) for _, _, field, problem, _ in told(answer)}


async def test_lines_of_rubbish_are_not_people(intake: Intake) -> None:
    """Six people and four lines of rubbish are six that came; nothing of the rubbish is stored."""
    people = ["100490001", "100490074", "100490141", "100490219", "100427005", "100427078"]
    rubbish = [",,,,,,,,,,\n", "Totaal: 6\n", ",,,Totaal 6,,,,,,,\n", "\x1a\n"]
    _, answer = await intake.upload(HEADER + "".join([*(a_row(f"m{n}", n) for n in people), *rubbish]))

    assert (6, 6, 0, 2, 0) == counted(answer)
    assert [(9, None, None, "column-count"), (10, None, "memberRef", "required")] == [
        problem[:4] for problem in told(answer) if problem[2] != "dataCategories" and problem[2] != "identity"
    ]
    assert (6, 0, 6) == await intake.counts()
    assert 0 == await intake.pool.fetchval("select count(*) from rejections")


@pytest.mark.parametrize("kind", [NDJSON, "text/csv"])
async def test_body_that_cannot_be_read_counts_nothing(intake: Intake, kind: str) -> None:
    """A pretty-printed JSON, or a file with another separator, is a fault of the request; the right file then fits."""
    member = {"memberRef": "j1", "bsn": "100427005", "dataCategories": ["bsn"]}
    bodies = {NDJSON: json.dumps([member, member], indent=2), "text/csv": HEADER + a_row("j", "1").replace(",", ";")}
    status, answer = await intake.upload(bodies[kind], Content_Type=kind)

    assert (400, 0) == (status, answer["received"])
    assert answer["unreadable"] == len(answer["problems"]) > 0
    assert (0, 0, 0) == await intake.counts()
    assert 0 == await intake.pool.fetchval("select count(*) from rejections")


async def test_member_refs_that_may_name_somebody_are_repeated_nowhere(intake: Intake) -> None:
    """BSNs, names and whole lines in a memberRef come back in no answer and stand in no table."""
    rows = [
        a_row("m0", "100427005", houseNumber="0"),
        "m1;100427078;A.;Qxkanariea;Kerkstraat;1\n",
        a_row("PAT-100427145", "100427146"),
        a_row("Qxkanarieb Jan 12-03-1961", "100427213"),
        a_row("qxkanarieb-61", "100427213", familyName="Qxkanarieb"),
        a_row("1004.27.145", "1"),
        a_row("m6", "1"),
    ]
    _, answer = await intake.upload(HEADER + "".join(rows))
    stored = await intake.pool.fetch("select line, r::text from rejections as r order by line")

    assert (6, 1, 5, 1, 1) == counted(answer)
    assert {2: "m0", 3: None, 4: None, 5: None, 6: None, 7: None, 8: "m6"} == {
        line: ref for line, ref, *_ in told(answer)
    }
    assert [4, 5, 6, 7, 8] == [line for line, _ in stored]
    assert not [row for _, row in stored if "1004" in row or "xkanarie" in row.lower() or "m6" in row]


async def test_member_ref_of_an_accepted_record_is_looked_at_as_well(intake: Intake) -> None:
    """Also where the database finds the fault, a memberRef with the name of its record is left out of the answer."""
    body = HEADER + a_row("proef-1", "100427005") + a_row("m-2", "100427078")
    await intake.upload(body)
    await intake.post("/v1/incidents/lab/cohorts/wave-1/seal")
    _, answer = await intake.upload(HEADER + a_row("proef-3", "100427145") + a_row("m-4", "100427212"))

    assert [(2, None, "cohort-sealed"), (3, "m-4", "cohort-sealed")] == [
        (line, ref, problem) for line, ref, _, problem, _ in told(answer)
    ]


async def test_key_is_compared_by_content_and_not_by_compression(intake: Intake) -> None:
    """The same file, packed otherwise or not at all, is the same upload; another file under the key is refused."""
    body = (HEADER + a_row("m-1", "100427005") + a_row("m-2", "12")).encode()
    first = await intake.upload(body, Idempotency_Key="k")
    packed = await intake.upload(gzip.compress(body, 1), Idempotency_Key="k", Content_Encoding="gzip")
    better = await intake.upload(gzip.compress(body, 9), Idempotency_Key="k", Content_Encoding="gzip")
    other, _ = await intake.upload(gzip.compress(body + b"\n", 9), Idempotency_Key="k", Content_Encoding="gzip")
    broken, _ = await intake.upload(gzip.compress(body)[:-4], Idempotency_Key="k", Content_Encoding="gzip")

    assert first == packed == better
    assert (202, 409, 400) == (first[0], other, broken)


async def test_letters_of_all_scripts_are_taken(intake: Intake) -> None:
    """Names from right to left and with combining marks are names; a name of 300 characters is left out, and told."""
    names = ["\u05db\u05d4\u05df", "\u062d\u0633\u064a\u0646", "Ze\u0301lie", "x" * 300, "Jan\u202esen"]
    numbers = ["100490001", "100490074", "100490141", "100490219", "100427005"]
    rows = [a_row(f"m{at}", bsn, familyName=name) for at, (bsn, name) in enumerate(zip(numbers, names, strict=True))]
    _, answer = await intake.upload(HEADER + "".join(rows))

    assert (5, 5, 0, 0, 2) == counted(answer)
    assert [
        (5, None, "familyName", "too-long", "warning"),
        (5, None, None, "unreachable", "warning"),
        (6, None, "familyName", "control-characters", "warning"),
        (6, None, None, "unreachable", "warning"),
    ] == told(answer)
