"""Records that contradict each other, listed together: to operators, and to the sources whose records are in it."""

from typing import Any

import pytest

from services.core.unsettled import Unsettled
from tests.integration.intake.conftest import Intake
from tests.integration.intake.test_identities import IDENTITIES, ON_MATCH_KEY, OTHER_BSN, OTHERS, upload
from tests.integration.intake.test_problems import hold
from tests.unit.intake.builders import a_record

APART = Unsettled.TOLD_APART


async def conflicts(intake: Intake, query: str = "") -> list[Any]:
    """Return the conflicts of a page: of each the memberRefs and reasons, and how many records are not shown."""
    status, answer = await intake.get(IDENTITIES + query)
    assert 200 == status
    return [
        (sorted((record["memberRef"], record["reason"]) for record in one["records"]), one["others"])
        for one in answer["conflicts"]
    ]


async def test_records_of_one_number_stand_together(intake: Intake) -> None:
    """With whoever of them is held for another reason; who contradicts nobody is not there."""
    people = [a_record(memberRef=f"m-{at}") for at in range(3)]
    await upload(intake, *people, *(a_record(memberRef=f"n-{at}", bsn=OTHER_BSN) for at in range(2)))
    for ref, reason in (("m-0", APART), ("m-1", Unsettled.IDENTITY_CONFLICT), ("m-2", Unsettled.UNREACHABLE)):
        await hold(intake, ref, reason)
    await hold(intake, "n-0", Unsettled.UNREACHABLE)

    said = [("m-0", "identity-conflict"), ("m-1", "identity-conflict"), ("m-2", "unreachable")]
    assert [(said, 0)] == await conflicts(intake)
    await hold(intake, "n-1", Unsettled.DECEASED_CONFLICT)
    others = [("n-0", "unreachable"), ("n-1", "deceased-conflict")]
    assert sorted([(said, 0), (others, 0)]) == sorted(await conflicts(intake))


async def test_who_has_one_home_stands_together(intake: Intake) -> None:
    """Once, though it is under two identities, until these are parted."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", **ON_MATCH_KEY))
    for ref in ("m-1", "m-2"):
        await hold(intake, ref, Unsettled.DECEASED_CONFLICT)
    tied = await conflicts(intake)
    _, listed = await intake.get(IDENTITIES)
    await intake.post(IDENTITIES, {"action": "untie", "tie": listed["ties"][0]["tie"]})

    assert [([("m-1", "deceased-conflict"), ("m-2", "deceased-conflict")], 0)] == tied
    assert 2 == len(await conflicts(intake))


async def test_what_is_old_is_not_there(intake: Intake) -> None:
    """Who was corrected or withdrawn is off the list at once; who was corrected comes back under the other number."""
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2"), a_record(memberRef="m-3"))
    for ref in ("m-1", "m-2", "m-3"):
        await hold(intake, ref, APART)
    await upload(intake, a_record(memberRef="m-2", bsn=OTHER_BSN))
    await intake.post(f"{IDENTITIES.removesuffix('identities')}cohorts/wave-1/withdrawals", {"memberRef": "m-3"})
    assert [([("m-1", "identity-conflict")], 0)] == await conflicts(intake)

    await hold(intake, "m-2", APART, version=2)
    assert 2 == len(await conflicts(intake))


async def test_a_source_sees_its_own_records(intake: Intake) -> None:
    """Of a conflict with another source's record it sees that there is one; of those that it is not in, nothing."""
    await intake.put(OTHERS, {"source": "other"})
    await upload(intake, a_record(memberRef="m-1"), a_record(memberRef="m-2", bsn=OTHER_BSN))
    await upload(intake, a_record(memberRef="o-1"), cohort=OTHERS)
    for ref in ("m-1", "m-2"):
        await hold(intake, ref, APART)
    await hold(intake, "o-1", APART, cohort="others")
    async with intake.as_principal("other") as theirs:
        seen = await conflicts(theirs)
        _, answer = await theirs.get(IDENTITIES)
        refused = {(await theirs.get(IDENTITIES + query))[0] for query in ("?after=0", "?state=made")}
    _, acts = await intake.get("/v1/incidents/lab/acts")

    assert [([("o-1", "identity-conflict")], 1)] == seen
    shown = {"incidentId", "conflicts", "nextConflict", "judgements", "nextJudgement"}
    assert (shown, {403}) == (set(answer), refused)
    assert ["other"] * 2 == [act["principal"] for act in acts["acts"] if act["act"] == "identities-shown"]
    assert 2 == len(await conflicts(intake))


async def test_pages_have_every_conflict_once(intake: Intake) -> None:
    """One page after the other; the records of a number that thousands share are counted, and a few shown."""
    keys = [f"{at:064x}" for at in range(25)]
    records = [(f"{key[-2:]}-{at}", key) for key in keys for at in range(2)]
    many = [(f"many-{at}", keys[0]) for at in range(30)]
    await upload(intake, *(a_record(memberRef=ref, bsn=None, personKey=key) for ref, key in records + many))
    for ref, _ in records + many:
        await hold(intake, ref, APART)
    found, query = [], ""
    while True:
        found += await conflicts(intake, query)
        _, page = await intake.get(IDENTITIES + query)
        if page["nextConflict"] is None:
            break
        query = f"?afterConflict={page['nextConflict']}"

    assert [(2, 0)] * 24 + [(10, 22)] == sorted((len(records), others) for records, others in found)
    assert 25 == len({records[0][0] for records, _ in found})


@pytest.mark.parametrize("query", ["?afterConflict=1", "?afterConflict=" + "g" * 32])
async def test_bad_questions_are_answered(intake: Intake, query: str) -> None:
    """A cursor that is none."""
    status, _ = await intake.get(IDENTITIES + query)

    assert 400 == status
