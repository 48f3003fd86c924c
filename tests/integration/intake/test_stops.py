"""Stops that tracking raises: the cohort is paused by its rule, once for each thing found; figures that people post."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from notification.topics import STOPS_RAISED

from services.intake.context import SOURCE
from services.intake.handlers import IntakeHandler
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Record, append_outputs
from services.wire.stops import Raised, encode_stops
from tests.integration.intake.conftest import COHORT, Intake

INCIDENT = "/v1/incidents/lab"
FOUND = Raised("lab", "wave-1", 0, "refused", "letter", 12, 100, 0.1)
AS_JSON = {"rule": "refused", "channel": "letter", "count": 12, "of": 100, "above": 0.1}


def _record(*found: Raised, offset: int = 7) -> Record:
    value = encode_stops(found).value
    return Record(STOPS_RAISED, 0, offset, "tracking", offset + 1, 1_767_258_000_000, value)


async def _hear(intake: Intake, *found: Raised) -> None:
    handler = IntakeHandler(intake.context, intake.principals, timedelta(days=44))
    async with intake.pool.acquire() as connection, connection.transaction():
        outputs = await handler.apply(connection, [handler.decode(_record(*found))])
        await append_outputs(connection, SOURCE, outputs)


async def _pauses(intake: Intake) -> list[tuple[str, str, Any]]:
    _, answer = await intake.get(f"{INCIDENT}/acts")
    pauses = {"cohort-paused", "cohort-resumed"}
    return [(one["act"], one["principal"], one["detail"]) for one in answer["acts"] if one["act"] in pauses]


async def test_a_stop_pauses_its_cohort(intake: Intake, caplog: pytest.LogCaptureFixture) -> None:
    """By the rule, under a pause's id like any other; with what was found in the act, and an audit line."""
    await intake.post(f"{COHORT}/release", {"canary": 500})
    with caplog.at_level(logging.INFO, "heraut.audit"):
        await _hear(intake, FOUND)
    _, shown = await intake.get(COHORT)
    told = (await intake.changes())[-1].cohorts[0]
    lines = [line.__dict__ for line in caplog.records if line.__dict__.get("principal") == "rule:refused"]

    assert (True, "wave-1.3", "rule:refused", AS_JSON) == tuple(
        shown[key] for key in ("paused", "pauseId", "pausedBy", "stopped")
    )
    assert (3, 3, 0, 500) == (told.version, told.paused_since, told.counted_from, told.canary)
    assert [("cohort-paused", "rule:refused", AS_JSON)] == await _pauses(intake)
    assert [("cohort-paused", "lab", "wave-1", "heraut.stops.raised.v1/0/7")] == [
        tuple(line[key] for key in ("act", "incident_id", "cohort_id", "request_id")) for line in lines
    ]


async def test_heard_again_it_changes_nothing(intake: Intake) -> None:
    """Neither while it is paused, nor after an operator let it go on; what is found from there on stops it anew."""
    await _hear(intake, FOUND, FOUND)
    await _hear(intake, FOUND)
    _, resumed = await intake.post(f"{COHORT}/resume")
    await _hear(intake, FOUND)
    _, shown = await intake.get(COHORT)
    told = (await intake.changes())[-1].cohorts[0]
    await _hear(intake, Raised("lab", "wave-1", 3, "bounced", None, 90, 1000, 0.05))
    _, again = await intake.get(COHORT)

    assert (False, None, None) == (resumed["paused"], resumed["pausedBy"], resumed["stopped"])
    assert (False, 3, 3) == (shown["paused"], told.version, told.counted_from)
    assert (True, "rule:bounced") == (again["paused"], again["pausedBy"])
    assert ["rule:refused", "operator", "rule:bounced"] == [who for _, who, _ in await _pauses(intake)]


async def test_somebodys_own_pause_stays_theirs(intake: Intake) -> None:
    """What was found stands beside it, for whoever ends the pause; only that end makes rules count anew."""
    await intake.post(f"{COHORT}/pause")
    await intake.post(f"{COHORT}/resume")
    plain = (await intake.changes())[-1].cohorts[0].counted_from
    await intake.post(f"{COHORT}/pause")
    await _hear(intake, FOUND)
    _, shown = await intake.get(COHORT)
    await intake.post(f"{COHORT}/resume")

    assert 0 == plain
    assert ("operator", AS_JSON, "wave-1.4") == (shown["pausedBy"], shown["stopped"], shown["pauseId"])
    assert 5 == (await intake.changes())[-1].cohorts[0].counted_from


async def test_a_stop_outlasts_the_pause_of_its_incident(intake: Intake) -> None:
    """Found while everything is paused, it holds its cohort when the incident goes on."""
    await intake.post(f"{INCIDENT}/pause")
    await _hear(intake, FOUND)
    _, resumed = await intake.post(f"{INCIDENT}/resume")

    assert [{"cohortId": "wave-1", "pauseId": "wave-1.2", "pausedBy": "rule:refused"}] == resumed["pauses"]


async def test_what_is_cancelled_or_not_known_is_not_stopped(intake: Intake) -> None:
    """A cohort that is taken back has nothing left to stop."""
    await intake.post(f"{COHORT}/cancel")
    await _hear(intake, FOUND, Raised("lab", "none", 0, "refused", "letter", 12, 100, 0.1))

    assert [] == await _pauses(intake)


@pytest.mark.parametrize(
    "found", [Raised("lab", "", 0, "refused", None, 1, 2, 0.1), Raised("lab", "c", 0, "x", None, 1, 2, 0.1)]
)
async def test_what_names_no_cohort_or_rule_is_set_aside(intake: Intake, found: Raised) -> None:
    """Such a block is a dead letter."""
    handler = IntakeHandler(intake.context, intake.principals, timedelta(days=44))
    with pytest.raises(InvalidMessage):
        handler.decode(_record(found))


async def test_figures_are_told_with_who_said_them(intake: Intake) -> None:
    """In all so far: the same again changes nothing, a lower one mends it; a cancelled cohort has them too."""
    answers = [
        await intake.post(f"{COHORT}/figures", body)
        for body in ({"complaints": 3}, {"complaints": 3}, {"returned": 40, "complaints": 2})
    ]
    await intake.post(f"{COHORT}/cancel")
    status, last = await intake.post(f"{COHORT}/figures", {"bounced": 5})
    told = (await intake.changes())[-1].cohorts[0]
    _, acts = await intake.get(f"{INCIDENT}/acts")

    assert [200] * 4 == [*(each for each, _ in answers), status]
    assert [2, 2, 3] == [answer["version"] for _, answer in answers]
    assert (2, 5, 40) == (last["complaints"], last["bounced"], last["returned"])
    assert (2, 5, 40) == (told.figures.complaints, told.figures.bounced, told.figures.returned)
    assert [{"complaints": 3}, {"returned": 40, "complaints": 2}, {"bounced": 5}] == [
        one["detail"] for one in acts["acts"] if one["act"] == "figures-posted"
    ]


@pytest.mark.parametrize("body", [{}, [], {"complaints": -1}, {"complaints": True}, {"told": 3}, {"bounced": 10**10}])
async def test_what_is_no_figure_is_refused(intake: Intake, body: Any) -> None:
    """400, and nothing of it stands."""
    status, _ = await intake.post(f"{COHORT}/figures", body)

    assert (400, 0) == (status, (await intake.get(COHORT))[1]["complaints"])


async def test_figures_are_an_operators(intake: Intake) -> None:
    """A source does not say how its own people took it."""
    async with intake.as_principal("lab") as source:
        assert 403 == (await source.post(f"{COHORT}/figures", {"complaints": 1}))[0]
