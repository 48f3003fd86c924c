"""What operators say of records: taken, told to deduplication, listed and undone."""

import asyncio
import logging
from typing import Any

import pytest
from notification.v1 import intake_pb2

from services.core.witnesses import NO_WITNESSES
from services.intake.records.likeness import LIKENESS_BYTES
from tests.integration.intake.conftest import COHORT, Intake
from tests.integration.intake.test_identities import IDENTITIES, ON_MATCH_KEY, OTHER_BSN, OTHERS, upload
from tests.integration.intake.test_problems import record_of
from tests.unit.intake.builders import a_record

SWAPPED = {"birthDate": "1970-05-03"}


def ref(name: str, cohort: str = "wave-1", **more: Any) -> dict[str, Any]:
    """Return how a record is named."""
    return {"cohortId": cohort, "memberRef": name, **more}


async def settle(intake: Intake, people: str, *records: dict[str, Any], **more: Any) -> tuple[int, Any]:
    """Say whose records are."""
    said = {"action": "settle", "people": people, "records": list(records), "evidence": "register"}
    return await intake.post(IDENTITIES, said | more)


async def unsettle(intake: Intake, number: int) -> tuple[int, Any]:
    """Say it no more."""
    return await intake.post(IDENTITIES, {"action": "unsettle", "judgement": number})


async def told(intake: Intake) -> list[intake_pb2.Judgement]:
    """Return what deduplication was told."""
    return [block.judgement for block in await intake.accepted() if block.HasField("judgement")]


async def listed(intake: Intake) -> list[tuple[Any, ...]]:
    """Return the judgements as they are listed, with the memberRefs that they are about and whether they hold."""
    _, answer = await intake.get(IDENTITIES + "?afterJudgement=0")
    assert {"incidentId", "judgements", "nextJudgement"} == set(answer)
    return [
        (one["people"], [(record["memberRef"], record["holds"]) for record in one["records"]], one["others"])
        for one in answer["judgements"]
    ]


async def test_what_is_said_goes_where_the_records_are_at_home(intake: Intake) -> None:
    """With the versions and witnesses that were seen, and nothing personal; the act is stored with who did it."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **SWAPPED))
    status, answer = await settle(intake, "one", ref("m-1", version=1), ref("m-2"), reference="case-17")
    (judgement,) = await told(intake)
    likenesses = await intake.pool.fetch("select likeness from members order by member")
    _, acts = await intake.get("/v1/incidents/lab/acts")

    number = answer.pop("judgement")
    expected = {"incidentId": "lab", "people": "one", "undone": False, "changed": True, "told": "no"}
    assert (200, expected) == (status, answer)
    assert (number, True, False, [1, 1]) == (
        judgement.number, judgement.are_one, judgement.undone, list(judgement.versions),
    )  # fmt: skip
    assert b"".join(sorted((record_of(intake, "m-1"), record_of(intake, "m-2")))) == judgement.members
    assert b"".join(row["likeness"][LIKENESS_BYTES:] for row in likenesses) == judgement.witnesses
    assert [("operator", {"judgement": number, "people": "one"})] * 2 == [
        (act["principal"], act["detail"]) for act in acts["acts"] if act["act"] == "identity-settled"
    ]


async def test_the_same_again_is_the_same(intake: Intake) -> None:
    """In another order, by ids, at the same time; once something else was said of them it is said anew."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **SWAPPED))
    records = [ref("m-1"), ref("m-2")]
    ids = [{"record": record_of(intake, name).hex()} for name in ("m-2", "m-1")]
    answers = await asyncio.gather(*(settle(intake, "one", *named) for named in (records, ids)))
    other = await settle(intake, "different", *records)
    again = await settle(intake, "one", *records)

    assert [False, True] == sorted(answer["changed"] for _, answer in answers)
    assert [True, True] == [other[1]["changed"], again[1]["changed"]]
    assert 3 == len({answer["judgement"] for _, answer in (*answers, other, again)}) == len(await told(intake))


async def test_a_record_without_a_whole_match_key_is_meant_in_its_version_alone(intake: Intake) -> None:
    """Intake does not know what it says of whom it is about."""
    await upload(intake, a_record(memberRef="m-1", postcode=None), a_record(memberRef="m-2", familyName=None))
    await settle(intake, "different", ref("m-1"), ref("m-2"))
    (judgement,) = await told(intake)

    assert NO_WITNESSES * 2 == judgement.witnesses


async def test_who_was_not_seen_as_it_stands_is_refused(intake: Intake) -> None:
    """Corrected since, withdrawn, rejected, unknown, of another identity, or named twice: nothing is told."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2"), a_record(memberRef="m-3", bsn=OTHER_BSN))
    await upload(intake, a_record(memberRef="m-1", email="other@example.nl"), a_record(memberRef="m-4"))
    await intake.post(f"{COHORT}/withdrawals", {"memberRef": "m-4"})
    refused = [
        await settle(intake, "one", ref("m-1", version=1), ref("m-2")),
        await settle(intake, "one", ref("m-4"), ref("m-2")),
        await settle(intake, "one", ref("m-3"), ref("m-2")),
        await settle(intake, "one", ref("m-2"), {"record": record_of(intake, "m-2").hex()}),
        await settle(intake, "one", ref("m-5"), ref("m-2")),
        await unsettle(intake, 17),
    ]

    assert [409, 409, 409, 409, 404, 404] == [status for status, _ in refused]
    assert "was corrected since" in refused[0][1]["detail"]
    assert [] == await told(intake)


async def test_tied_identities_have_one_home(intake: Intake) -> None:
    """Records under two identities that are tied can be settled; it goes to the partition of their home."""
    await upload(intake, a_record(memberRef="m-1", deceased=True), a_record(memberRef="m-2", **ON_MATCH_KEY))
    status, _ = await settle(intake, "different", ref("m-1"), ref("m-2"))
    (judgement,) = await told(intake)

    assert (200, 2) == (status, len({judgement.pseudonyms[:16], judgement.pseudonyms[16:]}))


async def test_what_cannot_be_true_together_is_refused(intake: Intake) -> None:
    """Two are different, and each is one with a third; once the one is undone the other can be said."""
    await upload(intake, *(a_record(memberRef=f"m-{at}") for at in range(3)))
    _, first = await settle(intake, "one", ref("m-0"), ref("m-1"))
    _, second = await settle(intake, "one", ref("m-1"), ref("m-2"))
    status, refused = await settle(intake, "different", ref("m-0"), ref("m-2"))
    await unsettle(intake, second["judgement"])
    after, _ = await settle(intake, "different", ref("m-0"), ref("m-2"))

    assert (409, 200) == (status, after)
    assert f"together with judgement {second['judgement']}" in refused["detail"]
    assert first["judgement"] < second["judgement"]


async def test_undone_it_is_told_and_listed_as_undone(intake: Intake) -> None:
    """Once; undone again changes nothing, and who undid it is stored. The same may be said again."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **SWAPPED))
    _, made = await settle(intake, "one", ref("m-1"), ref("m-2"))
    undone = [await unsettle(intake, made["judgement"]) for _ in range(2)]
    blocks = await told(intake)
    _, again = await settle(intake, "one", ref("m-1"), ref("m-2"))

    assert [(True, True), (True, False)] == [(answer["undone"], answer["changed"]) for _, answer in undone]
    assert [(made["judgement"], False), (made["judgement"], True)] == [(one.number, one.undone) for one in blocks]
    assert again["judgement"] > made["judgement"]
    off, on = [("m-1", False), ("m-2", False)], [("m-1", True), ("m-2", True)]
    assert [("one", off, 0), ("one", on, 0)] == [(p, sorted(r), o) for p, r, o in await listed(intake)]
    _, acts = await intake.get("/v1/incidents/lab/acts")
    assert 2 == len([act for act in acts["acts"] if act["act"] == "identity-unsettled"])


async def test_it_holds_until_a_record_says_something_else_of_whom_it_is_about(intake: Intake) -> None:
    """A corrected address changes nothing; another date of birth does."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **SWAPPED))
    await settle(intake, "one", ref("m-1"), ref("m-2"))
    await upload(intake, a_record(memberRef="m-1", street="Nieuwe weg"))
    before = await listed(intake)
    await upload(intake, a_record(memberRef="m-1", birthDate="1970-05-04"))

    assert [("m-1", True), ("m-2", True)] == sorted(before[0][1])
    assert [("m-1", False), ("m-2", True)] == sorted((await listed(intake))[0][1])


async def test_a_source_sees_the_outcome_and_its_own_records(intake: Intake) -> None:
    """Not who decided by what, and nothing of others' records; it settles nothing."""
    await intake.put(OTHERS, {"source": "other"})
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2"))
    await upload(intake, a_record(memberRef="o-1", **SWAPPED), cohort=OTHERS)
    await settle(intake, "one", ref("m-1"), ref("o-1", "others"))
    await settle(intake, "one", ref("m-1"), ref("m-2"))
    async with intake.as_principal("other") as theirs:
        seen = await listed(theirs)
        _, answer = await theirs.get(IDENTITIES)
        status, _ = await settle(theirs, "different", ref("o-1", "others"), ref("m-1"))

    assert ([("one", [("o-1", True)], 1)], 403) == (seen, status)
    assert {"incidentId", "conflicts", "nextConflict", "judgements", "nextJudgement"} == set(answer)
    shown = {"judgement", "people", "decidedAt", "undoneAt", "records", "others"}
    assert shown == set(answer["judgements"][0])


@pytest.mark.parametrize(
    "said",
    [
        {"people": "both"},
        {"records": [ref("m-1")]},
        {"records": [ref("m-1"), {"record": "m-2"}]},
        {"records": [ref("m-1"), ref("m-2", version=0)]},
        {"evidence": "hearsay"},
        {"reference": "999990019"},
        {"reference": "1234.56.78"},
        {"reference": "Jan de Vries"},
        {"more": 1},
    ],
)
async def test_bad_words_are_answered_with_their_field(intake: Intake, said: dict[str, Any]) -> None:
    """All faults at once; what is wrong is not repeated."""
    whole = {"action": "settle", "people": "one", "records": [ref("m-1"), ref("m-2")], "evidence": "register"}
    status, answer = await intake.post(IDENTITIES, whole | said)

    assert 400 == status
    assert next(iter(said)) in answer["problems"][0]["field"]
    assert "999990019" not in str(answer)


async def test_the_audit_line_says_what_was_done(intake: Intake, caplog: pytest.LogCaptureFixture) -> None:
    """One route does several things, and who reads the log sees which."""
    with caplog.at_level(logging.INFO, "heraut.audit"):
        await unsettle(intake, 1)
        await intake.post(IDENTITIES, {"action": "untie", "tie": 1})

    assert ["identity-unsettled", "identity-untied"] == [
        record.__dict__["act"] for record in caplog.records if record.name == "heraut.audit"
    ]
