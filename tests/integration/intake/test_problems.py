"""Rejected, held and conflicting records, listed to their source by its own memberRefs."""

import csv
import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from notification.topics import MEMBERS_HELD, NOTICES_EXHAUSTED
from notification.v1 import deduplication_pb2, routing_pb2

from services.core.ids import member_id
from services.core.notices import Notices
from services.core.status import unprintable
from services.core.unsettled import Unsettled
from services.intake.codec import read_given_up, read_held
from services.kit.eventlog import Record
from services.wire.notices import notices_to_wire
from tests.integration.intake.conftest import COHORT, Intake
from tests.integration.intake.test_withdrawals import WITHDRAWALS, upload
from tests.unit.intake.builders import a_record

PROBLEMS = f"{COHORT}/problems"
BSN = "999990020"  # a source may use it as its memberRef
ACCEPTED = a_record()
REJECTED = a_record(memberRef=BSN, bsn="1", birthDate="1980-13-01")


def record_of(intake: Intake, ref: str, cohort: str = "wave-1") -> bytes:
    """Return the id of a record."""
    _, key = intake.keys.pepper("member")
    return member_id(key, "lab", cohort, ref)


async def hold(
    intake: Intake, ref: str, reason: Unsettled, *, version: int = 1, sequence: int = 1, cohort: str = "wave-1"
) -> None:
    """Have intake hear of a member what deduplication says."""
    member = record_of(intake, ref, cohort)
    block = deduplication_pb2.MembersHeld(
        incident_id="lab", sequence=sequence, members=member, versions=[version], reasons=bytes([reason])
    )
    record = Record(MEMBERS_HELD, 0, 0, "deduplication", sequence, 0, block.SerializeToString())
    held, now = read_held(record), intake.context.clock.now()
    async with intake.pool.acquire() as connection:
        await intake.context.store.note_unsettled(connection, held.sequence, held.rows, now)


async def listed(intake: Intake, **query: str) -> list[tuple[Any, ...]]:
    """Return kind, memberRef, line, reason and fields of each problem."""
    async with intake.session.get(PROBLEMS, params=query) as response:
        assert (200, "no-store") == (response.status, response.headers["Cache-Control"])
        return [tuple(p.values())[:5] for p in (await response.json())["problems"]]


async def test_rejected_records_are_listed_by_their_own_refs(intake: Intake) -> None:
    """Whole, as the source wrote them, with line, reason and fields; accepted ones are not there."""
    await upload(intake, ACCEPTED, REJECTED)

    assert [
        ("rejected", BSN, 2, "invalid-bsn", ["bsn"]),
        ("rejected", BSN, 2, "invalid-date", ["birthDate"]),
    ] == await listed(intake)


async def test_refs_stand_nowhere_in_the_open(intake: Intake) -> None:
    """Neither of accepted nor of rejected records: all that is stored of them is hashed or sealed."""
    await upload(intake, a_record(memberRef=f"{BSN}-1"), REJECTED)
    tables = {row[0] for row in await intake.pool.fetch("select tablename from pg_tables where schemaname = 'intake'")}
    assert {"members", "rejections", "reference_blocks"} <= tables
    for table in tables:
        out = io.BytesIO()
        async with intake.pool.acquire() as connection:
            await connection.copy_from_table(table, output=out, format="binary")

        assert BSN.encode() not in out.getvalue(), table


async def test_mended_after_sealing(intake: Intake) -> None:
    """An upload of nothing but the corrected lines takes them off the list; other mistakes replace the old ones."""
    await upload(intake, ACCEPTED, REJECTED, a_record(memberRef="m-3", bsn="2"))
    await intake.post(f"{COHORT}/seal")
    await upload(intake, a_record(memberRef="m-3", dataCategories=["no"]), a_record(memberRef=BSN, bsn=BSN))

    assert [("rejected", "m-3", 1, "unknown-category", ["dataCategories"])] == await listed(intake)
    assert (3, 1, 2) == await intake.counts()


async def test_withdrawn_records_are_nobodys_work(intake: Intake) -> None:
    """A rejected record that is taken back is off the list, and so is a held member, at once."""
    await upload(intake, ACCEPTED, REJECTED)
    await hold(intake, "m-1", Unsettled.UNREACHABLE)
    for ref in ("m-1", BSN):
        await intake.post(WITHDRAWALS, {"memberRef": ref})

    assert [] == await listed(intake)


async def test_who_is_settled_is_forgotten_in_time_and_nobody_else(intake: Intake) -> None:
    """Long after the last word nothing older can come; who is held, or was settled just now, is remembered."""
    await upload(intake, ACCEPTED, a_record(memberRef="m-2"), a_record(memberRef="m-3"))
    for ref, sequence, reason in (
        ("m-1", 1, Unsettled.UNREACHABLE), ("m-2", 2, Unsettled.UNREACHABLE), ("m-2", 3, Unsettled.NOTHING),
    ):  # fmt: skip
        await hold(intake, ref, reason, sequence=sequence)
    now = intake.context.clock.now()
    async with intake.pool.acquire() as connection:
        none = await intake.context.store.forget_settled(connection, now - timedelta(days=1), 9)
        one = await intake.context.store.forget_settled(connection, now + timedelta(days=1), 9)
        rest = await connection.fetchval("select count(*) from unsettled")

    assert (0, 1, 1) == (none, one, rest)
    assert [("held", "m-1", 1, "unreachable", [])] == await listed(intake)


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (Unsettled.UNREACHABLE, ("held", "m-1", 1, "unreachable", [])),
        (Unsettled.NOT_AT_ADDRESS, ("held", "m-1", 1, "not-at-address", ["notAtAddress"])),
        (Unsettled.IDENTITY_CONFLICT, ("held", "m-1", 1, "identity-conflict", [])),
        (Unsettled.TOLD_APART, ("conflicting", "m-1", 1, "identity-conflict", [])),
        (Unsettled.UNCORRECTED, ("uncorrected", "m-1", 1, "told-in-error", [])),
    ],
)
async def test_held_members_are_listed(intake: Intake, reason: Unsettled, shown: tuple[Any, ...]) -> None:
    """By memberRef, and by the line that said this last."""
    await upload(intake, ACCEPTED)
    await hold(intake, "m-1", reason)

    assert [shown] == await listed(intake)


async def test_the_latest_word_holds_in_any_order(intake: Intake) -> None:
    """Highest version, then highest sequence; what comes late or twice changes nothing."""
    await upload(intake, ACCEPTED)
    await upload(intake, ACCEPTED | {"city": "Zeist"})
    await hold(intake, "m-1", Unsettled.UNREACHABLE, version=2, sequence=3)
    await hold(intake, "m-1", Unsettled.NOTHING, version=1, sequence=9)
    await hold(intake, "m-1", Unsettled.NOT_AT_ADDRESS, version=2, sequence=2)

    assert ["unreachable"] == [problem[3] for problem in await listed(intake)]
    await hold(intake, "m-1", Unsettled.NOTHING, version=2, sequence=4)
    await hold(intake, "m-1", Unsettled.UNREACHABLE, version=2, sequence=3)
    assert [] == await listed(intake)


async def test_corrected_and_sent_again_members_find_their_refs(intake: Intake) -> None:
    """A correction has a block of its own; the same record again leaves the one that is there, and writes none."""
    await upload(intake, ACCEPTED, a_record(memberRef="m-2"))
    await upload(intake, ACCEPTED | {"city": "Zeist"}, a_record(memberRef="m-2"))
    await hold(intake, "m-1", Unsettled.UNREACHABLE, version=2)
    await hold(intake, "m-2", Unsettled.UNREACHABLE)
    await upload(intake, a_record(memberRef="m-2"))

    assert [("m-1", 1), ("m-2", 2)] == [problem[1:3] for problem in await listed(intake)]
    assert 2 == await intake.pool.fetchval("select count(*) from reference_blocks")


async def test_a_corrected_member_is_off_the_list_until_it_was_looked_at(intake: Intake) -> None:
    """What was said of the version before is old."""
    await upload(intake, ACCEPTED)
    await hold(intake, "m-1", Unsettled.UNREACHABLE)
    await upload(intake, ACCEPTED | {"city": "Zeist"})

    assert [] == await listed(intake)


async def test_pages_have_everybody_once(intake: Intake) -> None:
    """Page after page, over rejected and held records; CSV has the same in one answer."""
    refs = [f"m-{at}" for at in range(7)]
    await upload(intake, *(a_record(memberRef=ref, bsn=None if at % 2 else "1") for at, ref in enumerate(refs)))
    for ref in refs[1::2]:
        await hold(intake, ref, Unsettled.UNREACHABLE)
    found, after = [], {"limit": "2"}
    while True:
        async with intake.session.get(PROBLEMS, params=after) as response:
            page = await response.json()
        found += [p["memberRef"] for p in page["problems"]]
        if page["next"] is None:
            break
        after = {"limit": "2", "after": page["next"]}
    async with intake.session.get(PROBLEMS, headers={"Accept": "text/csv"}) as response:
        rows = list(csv.DictReader(io.StringIO(await response.text(), newline="")))

    assert sorted(refs) == sorted(found) == sorted(row["memberRef"] for row in rows)
    assert ("text/csv", "utf-8", "no-store") == (
        response.content_type, response.charset, response.headers["Cache-Control"],
    )  # fmt: skip


async def test_who_may_see_them(intake: Intake, caplog: pytest.LogCaptureFixture) -> None:
    """Its source, operators and auditors, each time with a stored act; another source finds no such cohort."""
    await upload(intake, REJECTED)
    seen = {}
    with caplog.at_level(logging.INFO):
        for name in ("lab", "auditor", "operator", "other", "approver", "scrape"):
            async with intake.as_principal(name) as theirs:
                seen[name] = (await theirs.get(PROBLEMS))[0]
    _, shown = await intake.get("/v1/incidents/lab/acts")
    acts = [act["principal"] for act in shown["acts"] if act["act"] == "problems-shown"]

    assert {"lab": 200, "auditor": 200, "operator": 200, "other": 404, "approver": 403, "scrape": 403} == seen
    assert ["lab", "auditor", "operator"] == acts
    assert BSN not in caplog.text + repr([vars(record) for record in caplog.records])


@pytest.mark.parametrize("query", [{"after": "somewhere"}, {"format": "xml"}, {"limit": "0"}])
async def test_bad_questions_are_answered(intake: Intake, query: dict[str, str]) -> None:
    """A cursor that is none, and a format that is none."""
    async with intake.session.get(PROBLEMS, params=query) as response:
        assert 400 == response.status


async def come_back(intake: Intake, ref: str, *fields: str, version: int = 1, why: str = "") -> None:
    """Have intake hear that a member's letter cannot be printed, or why its notice came back."""
    member = record_of(intake, ref)
    notices = Notices("lab", 1)
    row = {
        "ids": member, "members": member, "versions": version, "slots": 0, "pseudonyms": member, "revisions": 1,
        "supersedes": b"", "exposed": 1, "confirmed": 1, "told_exposed": 0, "told_confirmed": 0, "channels": 1,
        "flags": 0, "languages": "nl", "cohorts": "wave-1", "accepted_at": 0, "attempts": 1, "tried": 1,
        "carriers": ("wave-1",),
    }  # fmt: skip
    for name, value in row.items():
        getattr(notices, name).append(value)
    block = routing_pb2.NoticesExhausted(notices=notices_to_wire(notices), reason=why or unprintable(fields))
    found = read_given_up(Record(NOTICES_EXHAUSTED, 0, 0, "routing", 1, 0, block.SerializeToString()))
    async with intake.pool.acquire() as connection:
        await intake.context.store.note_unprinted(
            connection, found.why, found.fields, found.rows, intake.context.clock.now()
        )


async def test_a_letter_that_cannot_be_printed_is_its_sources_work(intake: Intake) -> None:
    """Listed with its fields beside what deduplication says, until the contact data is another."""
    await upload(intake, ACCEPTED)
    await come_back(intake, "m-1", "familyName", "city")
    await come_back(intake, "m-1", "familyName", "city")
    unprinted = ("held", "m-1", 1, "unprintable", ["familyName", "city"])
    alone = await listed(intake)
    await hold(intake, "m-1", Unsettled.TOLD_APART)
    both = await listed(intake)
    await upload(intake, a_record(dataCategories=["bsn"]))
    of_other_facts = await listed(intake)
    await upload(intake, a_record(familyName="Jansen"))

    assert [unprinted] == alone
    assert [("conflicting", "m-1", 1, "identity-conflict", []), unprinted] == both
    assert [unprinted] == of_other_facts
    assert [] == await listed(intake)


async def test_what_came_back_is_its_sources_work(intake: Intake) -> None:
    """A letter that came back and had no channel after it is listed with why, until the address is another."""
    await upload(intake, ACCEPTED)
    await come_back(intake, "m-1", "city")
    await come_back(intake, "m-1", why="returned:moved")
    fields = ["street", "houseNumber", "postcode", "city"]
    moved = await listed(intake)
    await upload(intake, a_record(familyName="Jansen"))

    assert [("exhausted", "m-1", 1, "returned:moved", fields)] == moved
    assert [] == await listed(intake)
