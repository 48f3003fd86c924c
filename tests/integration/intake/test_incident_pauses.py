"""The pause of a whole incident: one act for all its cohorts, those that come meanwhile included."""

import asyncio
from typing import Any

import pytest

from services.core.access import Act
from tests.integration.intake.conftest import COHORT, Intake, a_document

INCIDENT = "/v1/incidents/lab"
SECOND, THIRD = (COHORT.replace("wave-1", other) for other in ("wave-2", "wave-3"))
ALL = {"all": True}


async def _open(intake: Intake, cohort: str, **more: Any) -> Any:
    return (await intake.put(cohort, {"source": "lab", **more}))[1]


async def _acts(intake: Intake) -> list[tuple[str, str | None, str]]:
    acts = {Act.COHORT_PAUSED, Act.COHORT_RESUMED, Act.INCIDENT_PAUSED, Act.INCIDENT_RESUMED}
    _, answer = await intake.get(f"{INCIDENT}/acts")
    return [(one["act"], one["cohortId"], one["principal"]) for one in answer["acts"] if one["act"] in acts]


async def test_one_act_pauses_all_cohorts(intake: Intake) -> None:
    """202 with the pause of each, which rooms hear of; repeated, it is the same one, told and noted once."""
    await _open(intake, SECOND)
    await intake.post(f"{SECOND}/cancel")
    await _open(intake, THIRD)
    before = len(await intake.changes())
    answers = [await intake.post(f"{INCIDENT}/pause") for _ in range(2)]
    told = [(one.cohort_id, one.paused_since) for b in (await intake.changes())[before:] for one in b.cohorts]

    pauses = [
        {"cohortId": "wave-1", "pauseId": "wave-1.2", "pausedBy": None},
        {"cohortId": "wave-3", "pauseId": "wave-3.2", "pausedBy": None},
    ]
    assert [(202, {"incidentId": "lab", "paused": True, "pausedBy": "operator", "pauses": pauses})] * 2 == answers
    assert [("wave-1", 2), ("wave-3", 2)] == told
    assert [("incident-paused", None, "operator")] == await _acts(intake)


async def test_what_is_opened_meanwhile_is_paused_too(intake: Intake) -> None:
    """A cohort that lets itself go as well; with the incident it goes on."""
    await intake.post(f"{INCIDENT}/pause")
    opened = await _open(intake, SECOND, autoRelease=True)
    told = (await intake.changes())[-1].cohorts[0]
    await _open(intake, THIRD)
    _, problem = await intake.post(f"{THIRD}/release", ALL)
    _, resumed = await intake.post(f"{INCIDENT}/resume")
    _, shown = await intake.get(SECOND)

    assert (True, "wave-2.1", None, 1) == (opened["paused"], opened["pauseId"], opened["pausedBy"], told.paused_since)
    assert "the cohort is paused: resume it first, then let more go" == problem["detail"]
    assert ({"incidentId": "lab", "paused": False, "pausedBy": None, "pauses": []}, False) == (resumed, shown["paused"])
    assert not (await _open(intake, COHORT.replace("wave-1", "wave-4")))["paused"]


async def test_own_pauses_outlast_the_incidents(intake: Intake) -> None:
    """Whether they began before it or during it; and none of its cohorts goes on alone while it lasts."""
    await _open(intake, SECOND)
    await _open(intake, THIRD)
    _, own = await intake.post(f"{COHORT}/pause")
    await intake.post(f"{INCIDENT}/pause")
    _, during = await intake.post(f"{SECOND}/pause")
    alone = [await intake.post(f"{cohort}/resume") for cohort in (COHORT, THIRD)]
    _, resumed = await intake.post(f"{INCIDENT}/resume")

    assert ("wave-1.2", "wave-2.2", "operator") == (own["pauseId"], during["pauseId"], during["pausedBy"])
    assert [(409, "the incident is paused: resume that")] * 2 == [(status, one["detail"]) for status, one in alone]
    assert [("wave-1", "operator"), ("wave-2", "operator")] == [
        (one["cohortId"], one["pausedBy"]) for one in resumed["pauses"]
    ]
    assert [False, False] == [(await intake.post(f"{cohort}/resume"))[1]["paused"] for cohort in (COHORT, SECOND)]


async def test_a_release_in_the_same_second_is_before_the_pause_or_refused(intake: Intake) -> None:
    """However they meet: in the end every cohort is paused, and one that was opened meanwhile as well."""
    cohorts = [COHORT.replace("wave-1", f"wave-{number}") for number in range(1, 9)]
    for cohort in cohorts[:4]:
        await _open(intake, cohort)
    *others, (paused, _) = await asyncio.gather(
        *(intake.post(f"{cohort}/release", ALL) for cohort in cohorts[:4]),
        *(intake.put(cohort, {"source": "lab", "autoRelease": True}) for cohort in cohorts[4:]),
        intake.post(f"{INCIDENT}/pause"),
    )
    newest: dict[str, Any] = {}
    for block in await intake.changes():
        for one in block.cohorts:
            newest[one.cohort_id] = max(one, newest.get(one.cohort_id, one), key=lambda c: c.version)

    assert 202 == paused
    assert {200, 201, 409} >= {status for status, _ in others}
    assert [True] * 8 == [one.paused_since > 0 for one in newest.values()]


async def test_four_eyes_approve_nothing_while_it_is_paused(intake: Intake) -> None:
    """What was asked for waits; the pause and its end take one operator alone, as those of a cohort."""
    await intake.put(INCIDENT, a_document(fourEyes=True))
    await intake.post(f"{COHORT}/seal")
    await intake.post(f"{COHORT}/release", ALL)
    await intake.post(f"{INCIDENT}/pause")
    async with intake.as_principal("approver") as approver:
        refused, _ = await approver.post(f"{COHORT}/approve")
        await intake.post(f"{INCIDENT}/resume")
        approved, _ = await approver.post(f"{COHORT}/approve")

    assert (409, 200) == (refused, approved)


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_it_is_an_operators_to_pause(intake: Intake, action: str) -> None:
    """Others are refused; what is not there is not found."""
    for name in ("lab", "auditor", "approver"):
        async with intake.as_principal(name) as somebody:
            assert 403 == (await somebody.post(f"{INCIDENT}/{action}"))[0]

    assert 404 == (await intake.post(f"/v1/incidents/none/{action}"))[0]
