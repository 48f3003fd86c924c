"""A pause on a log outside the database: answered once others can hear of it, and honestly where they cannot."""

import asyncio
from dataclasses import replace

import pytest
from notification.topics import INCIDENTS_CHANGED

from services.core.access import Caller
from services.intake.control.control import Control
from services.intake.errors import NotPublishedError
from tests.integration.intake.conftest import Intake
from tests.principals import OPERATOR

BY = Caller(OPERATOR.principal, "r-1")


async def publish_all(intake: Intake) -> None:
    """Note, as the stage does, that the log has taken all that was committed."""
    query = """insert into publisher (stage, topic, partition, published)
               select source, topic, partition, last_seq from log.head where source = 'intake' and topic = $1
               on conflict (stage, topic, partition) do update set published = excluded.published"""
    await intake.pool.execute(query, INCIDENTS_CHANGED)


async def test_a_pause_is_answered_once_it_is_published(intake: Intake) -> None:
    """The two seconds after which nothing begins any more are counted from the answer."""
    await publish_all(intake)
    control = Control(replace(intake.context, log_outside=True))
    pausing = asyncio.create_task(control.pause(BY, "lab", "wave-1"))
    while not (await intake.get("/v1/incidents/lab/cohorts/wave-1"))[1]["paused"]:
        assert not pausing.done()
    early = pausing.done()
    await publish_all(intake)

    assert (False, True) == (early, (await pausing).cohort.paused)


async def test_a_pause_that_the_log_does_not_take_says_so(intake: Intake) -> None:
    """It is written: asked again, once the log is back, it is the same pause."""
    await publish_all(intake)
    control = Control(replace(intake.context, log_outside=True))
    with pytest.raises(NotPublishedError, match=r"the pause wave-1\.2 is written") as failed:
        await control.pause(BY, "lab", "wave-1")
    await publish_all(intake)
    again = await control.pause(BY, "lab", "wave-1")

    assert failed.value.pause_id == again.cohort.pause_id
