"""A stop on a log outside the database: answered once others can hear of it, and honestly where they cannot."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from services.core.access import Caller
from services.core.cohort import Grant
from services.intake import heard
from services.intake.control.changes import CohortRequest
from services.intake.control.control import Control
from services.intake.control.withdrawals import Named
from services.intake.errors import NotPublishedError
from services.intake.identities.judgements import Evidence, NamedRecord, People, Said
from services.intake.identities.judging import Judging
from tests.integration.intake.conftest import COHORT, Intake, a_document
from tests.principals import OPERATOR

BY = Caller(OPERATOR.principal, "r-1")
LAB = "lab", "wave-1"
ONE = (
    "memberRef,personKey,birthDate,email,dataCategories\n"
    f"m-1,{'1f' * 32},1980-01-01,a@example.nl,bsn\nm-2,{'1f' * 32},1980-10-01,b@example.nl,bsn\n"
    f"m-3,{'2f' * 32},1980-01-01,c@example.nl,bsn\nm-4,{'2f' * 32},1980-10-01,d@example.nl,bsn\n"
)
Stop = Callable[[Control], Awaitable[Any]]


def _said(*refs: str) -> Said:
    """Return that records are one person's."""
    return Said(People.ONE, [NamedRecord(b"", "wave-1", ref) for ref in refs], Evidence.REGISTER, "")


# By what stops notices: what asks for it, and how an answer names it.
STOPS: dict[str, tuple[Stop, dict[str, Any]]] = {
    "pause": (lambda control: control.pause(BY, *LAB), {"pauseId": "wave-1.3"}),
    "pause of the incident": (lambda control: control.pause_incident(BY, "lab"), {"incidentId": "lab"}),
    "cancel": (lambda control: control.cancel(BY, *LAB), {"incidentId": "lab", "cohortId": "wave-1"}),
    "withdrawal": (
        lambda control: control.withdraw(BY, *LAB, Named("m-1")), {"incidentId": "lab", "cohortId": "wave-1"},
    ),
    "settle": (
        lambda control: Judging(control._context).settle(BY, "lab", _said("m-1", "m-2")),
        {"incidentId": "lab", "judgement": 2},
    ),
    "unsettle": (
        lambda control: Judging(control._context).unsettle(BY, "lab", 1), {"incidentId": "lab", "judgement": 1},
    ),
    "closed channel": (
        lambda control: control.put_incident(BY, "lab", a_document(compromisedChannels=["email"])),
        {"incidentId": "lab", "version": 2},
    ),
    "limit": (
        lambda control: control.release(BY, *LAB, Grant(per_day=5)), {"incidentId": "lab", "cohortId": "wave-1"},
    ),
    "no autoRelease": (
        lambda control: control.put_cohort(BY, *LAB, CohortRequest("lab", 3, auto_release=False)),
        {"incidentId": "lab", "cohortId": "wave-1"},
    ),
}  # fmt: skip


async def publish_all(intake: Intake) -> None:
    """Note, as the stage does, that the log has taken all that was committed."""
    query = """insert into publisher (stage, topic, partition, published)
               select source, topic, partition, last_seq from log.head where source = 'intake'
               on conflict (stage, topic, partition) do update set published = excluded.published"""
    await intake.pool.execute(query)


@pytest.fixture
async def control(intake: Intake) -> Control:
    """Return the use cases over a log outside the database; a cohort has members, and is released."""
    await intake.put(COHORT, {"source": "lab", "declaredCount": 3, "autoRelease": True})
    await intake.upload(ONE)
    await Judging(intake.context).settle(BY, "lab", _said("m-3", "m-4"))
    await publish_all(intake)
    return Control(replace(intake.context, log_outside=True))


@pytest.mark.parametrize("stop", STOPS)
async def test_a_stop_is_answered_once_it_is_published(intake: Intake, control: Control, stop: str) -> None:
    """Whoever stopped something relies on it from the answer on; the two seconds of a pause are counted from there."""
    before = await _written(intake)
    stopping = asyncio.ensure_future(STOPS[stop][0](control))
    while await _written(intake) == before:
        assert not stopping.done()
        await asyncio.sleep(0)
    early = stopping.done()
    await publish_all(intake)

    assert (False, True) == (early, await stopping is not None)


@pytest.mark.parametrize("stop", STOPS)
async def test_a_stop_that_the_log_does_not_take_says_so(
    intake: Intake, control: Control, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written: asked again, once the log is back, nothing is written anew."""
    monkeypatch.setattr(heard, "_WITHIN", 0.0)
    ask, named = STOPS[stop]
    with pytest.raises(NotPublishedError, match=r" is written, but the event log does not take it just now") as failed:
        await ask(control)
    with pytest.raises(NotPublishedError):
        await ask(control)
    written = await _written(intake)
    await publish_all(intake)
    await ask(control)

    assert (named, written) == (failed.value.named, await _written(intake))


async def _written(intake: Intake) -> int:
    return int(await intake.pool.fetchval("select count(*) from log.log where source = 'intake'"))
