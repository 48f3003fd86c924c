"""Pause, resume, canary and pace over HTTP: every answer, what rooms hear of it, and who did it."""

from typing import Any

import orjson
import pytest
from notification.topics import MEMBERS_ACCEPTED

from services.core.access import Act
from services.intake.context import SOURCE
from services.kit.eventlog import Output, append_outputs
from tests.integration.intake.conftest import COHORT, Intake, a_document
from tests.unit.intake.builders import a_record

INCIDENT = "/v1/incidents/lab"
ALL = {"all": True}


async def _members_come(intake: Intake, partition: int) -> None:
    async with intake.pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, SOURCE, [Output(MEMBERS_ACCEPTED, partition, b"members")])


async def _acts(intake: Intake) -> list[tuple[str, Any]]:
    acts = {Act.COHORT_RELEASED, Act.COHORT_PAUSED, Act.COHORT_RESUMED, Act.RELEASE_ASKED, Act.COHORT_APPROVED}
    _, answer = await intake.get(f"{INCIDENT}/acts")
    return [(one["act"], one["detail"]) for one in answer["acts"] if one["act"] in acts]


async def _as(intake: Intake, name: str, action: str, body: Any = None) -> tuple[int, Any]:
    async with intake.as_principal(name) as somebody:
        return await somebody.post(f"{COHORT}/{action}", body)


async def test_a_pause_is_taken_and_told(intake: Intake) -> None:
    """202 with its id, of an open cohort that is not released as well; twice is one pause, told and noted once."""
    status, answer = await intake.post(f"{COHORT}/pause")
    again = await intake.post(f"{COHORT}/pause")
    change = (await intake.changes())[-1].cohorts[0]

    assert (202, True, "wave-1.2") == (status, answer["paused"], answer["pauseId"])
    assert (202, answer) == again
    assert (2, 2, []) == (change.version, change.paused_since, list(change.resumed_after))
    assert [("cohort-paused", None)] == await _acts(intake)


async def test_a_resume_comes_after_all_that_was_taken_before_it(intake: Intake) -> None:
    """It carries the heads of that moment, through later versions; the release keeps its own."""
    await _members_come(intake, 1)
    await intake.post(f"{COHORT}/release", ALL)
    await intake.post(f"{COHORT}/pause")
    await _members_come(intake, 1)
    status, answer = await intake.post(f"{COHORT}/resume")
    await _members_come(intake, 1)
    await intake.post(f"{COHORT}/seal")
    heads = [
        (list(one.release_after), list(one.resumed_after)) for b in (await intake.changes())[-3:] for one in b.cohorts
    ]

    assert (200, False, None) == (status, answer["paused"], answer["pauseId"])
    assert [([0, 1, 0, 0], []), ([0, 1, 0, 0], [0, 2, 0, 0]), ([0, 1, 0, 0], [0, 2, 0, 0])] == heads


async def test_what_is_not_paused_is_resumed_without_a_change(intake: Intake) -> None:
    """The answer to a resume may be lost: repeated, it says how things stand."""
    status, answer = await intake.post(f"{COHORT}/resume")

    assert (200, 1, False) == (status, answer["version"], answer["paused"])
    assert [] == await _acts(intake)


async def test_each_pause_has_its_own_id(intake: Intake) -> None:
    """A second pause is not taken for the first."""
    ids = []
    for _ in range(2):
        ids.append((await intake.post(f"{COHORT}/pause"))[1]["pauseId"])
        await intake.post(f"{COHORT}/resume")

    assert ["wave-1.2", "wave-1.4"] == ids


async def test_cancelling_ends_a_pause_and_allows_no_other(intake: Intake) -> None:
    """What is taken back for good is neither paused nor resumed nor released."""
    await intake.post(f"{COHORT}/pause")
    status, answer = await intake.post(f"{COHORT}/cancel")
    later = [await intake.post(f"{COHORT}/{act}") for act in ("pause", "resume")]
    later.append(await intake.post(f"{COHORT}/release", {"canary": 5}))

    assert (200, True, False) == (status, answer["cancelled"], answer["paused"])
    assert [409] * 3 == [status for status, _ in later]
    assert {"the cohort is cancelled, for good"} == {problem["detail"] for _, problem in later}


@pytest.mark.parametrize("name", ["lab", "auditor", "approver"])
@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_pauses_are_an_operators(intake: Intake, name: str, action: str) -> None:
    """Others are refused; what is not there is not found."""
    assert 403 == (await _as(intake, name, action))[0]
    assert 404 == (await intake.post(f"{INCIDENT}/cohorts/none/{action}"))[0]


async def test_nothing_more_is_let_go_while_paused(intake: Intake) -> None:
    """409, with what to do; less may be said, so that a flood goes on as a pace."""
    await intake.post(f"{COHORT}/release", ALL)
    await intake.post(f"{COHORT}/pause")
    slower, answer = await intake.post(f"{COHORT}/release", {"perDay": 50})
    faster, problem = await intake.post(f"{COHORT}/release", ALL)

    assert (200, 50, True) == (slower, answer["perDay"], answer["paused"])
    assert (409, "the cohort is paused: resume it first, then let more go") == (faster, problem["detail"])


async def test_a_canary_and_then_everything(intake: Intake) -> None:
    """Each step is an act that says how much; rooms hear the numbers, a wider step comes after what was taken."""
    asked = [{"canary": 500}, {"canary": 500}, {"canary": 100}, {"perDay": 50_000}, ALL, ALL]
    answers = []
    for body in asked:
        answers.append(await intake.post(f"{COHORT}/release", body))
        await _members_come(intake, 0)
    changes = [
        (one.canary, one.per_day, one.release_after[0]) for b in (await intake.changes())[-4:] for one in b.cohorts
    ]

    assert [200] * 6 == [status for status, _ in answers]
    assert [2, 2, 3, 4, 5, 5] == [answer["version"] for _, answer in answers]
    assert [(500, 0, 0), (100, 0, 0), (0, 50_000, 3), (0, 0, 4)] == changes
    assert [("cohort-released", asked[at]) for at in (0, 2, 3, 4)] == await _acts(intake)


async def test_no_canary_after_everything(intake: Intake) -> None:
    """Nothing pretends that those who went already were few."""
    await intake.post(f"{COHORT}/release", ALL)
    status, problem = await intake.post(f"{COHORT}/release", {"canary": 5})

    assert (409, True) == (status, "everything goes already" in problem["detail"])


async def _four_eyes(intake: Intake) -> None:
    await intake.put(INCIDENT, a_document(fourEyes=True))
    await intake.post(f"{COHORT}/seal")


async def test_four_eyes_look_at_all_that_lets_more_go(intake: Intake) -> None:
    """A canary is asked for and approved, and so is what comes after it; less, a pause and its end take one alone."""
    await _four_eyes(intake)
    asked = await intake.post(f"{COHORT}/release", {"canary": 10})
    approved = await _as(intake, "approver", "approve", {"canary": 10})
    less = await intake.post(f"{COHORT}/release", {"canary": 5})
    paused, resumed = [(await intake.post(f"{COHORT}/{act}"))[0] for act in ("pause", "resume")]
    more = await intake.post(f"{COHORT}/release", ALL)
    _, shown = await intake.get(COHORT)
    last = await _as(intake, "approver", "approve", {})

    assert (202, {"canary": 10}, False) == (asked[0], asked[1]["releaseAsked"], asked[1]["released"])
    assert (200, None, 10) == (approved[0], approved[1]["releaseAsked"], approved[1]["canary"])
    assert (200, 5, 202, 200) == (less[0], less[1]["canary"], paused, resumed)
    assert (202, ALL, 5, None) == (more[0], shown["releaseAsked"], shown["canary"], shown["releaseApprovedBy"])
    assert (200, None, "approver") == (last[0], last[1]["canary"], last[1]["releaseApprovedBy"])
    assert ["release-asked", "cohort-approved", "cohort-released", "cohort-paused", "cohort-resumed", "release-asked",
            "cohort-approved"] == [act for act, _ in await _acts(intake)]  # fmt: skip


async def test_nobody_approves_something_else_than_they_saw(intake: Intake) -> None:
    """Whoever asked may ask for something else, nobody else may; an approval that names what it saw is held to it."""
    await _four_eyes(intake)
    await intake.post(f"{COHORT}/release", {"canary": 10})
    others, _ = await _as(intake, "colleague", "release", ALL)
    own, _ = await intake.post(f"{COHORT}/release", ALL)
    seen, problem = await _as(intake, "approver", "approve", {"canary": 10})

    assert (409, 202, 409) == (others, own, seen)
    assert "another release was asked for than the one that is approved" == problem["detail"]
    assert not (await intake.get(COHORT))[1]["released"]


async def test_a_paused_cohort_is_not_approved(intake: Intake) -> None:
    """Whoever approves learns that somebody stopped it."""
    await _four_eyes(intake)
    await intake.post(f"{COHORT}/release", ALL)
    await intake.post(f"{COHORT}/pause")
    paused, _ = await _as(intake, "approver", "approve")
    await intake.post(f"{COHORT}/resume")

    assert (409, 200) == (paused, (await _as(intake, "approver", "approve"))[0])


async def test_what_was_approved_may_have_been_told(intake: Intake) -> None:
    """A withdrawal after an approval says so, as after a release by one alone."""
    await intake.upload(orjson.dumps(a_record(memberRef="m-1")), Content_Type="application/x-ndjson")
    await _four_eyes(intake)
    await intake.post(f"{COHORT}/release", {"canary": 1})
    await _as(intake, "approver", "approve")
    _, answer = await intake.post(f"{COHORT}/withdrawals", {"memberRef": "m-1"})

    assert "maybe" == answer["told"]
