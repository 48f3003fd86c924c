"""Events from upstream, from the record to the rows and blocks."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest

from services.core.notices import FLAG_RETRACTED
from services.intake.errors import InvalidEventError, NotKnownYetError
from services.intake.handlers import EventHandler
from services.kit.eventlog import outbox
from services.kit.eventlog.port import Output, Record
from services.kit.testing import FakeClock
from tests.integration.intake.conftest import Intake
from tests.unit.intake.builders import a_record

IDS = {"incidentId": "lab", "cohortId": "wave-1"}
NEW = {"incidentId": "lab", "cohortId": "wave-9"}


class Upstream:
    """Sends events to intake's handler as its stage would: ready, then apply in a transaction."""

    def __init__(self, intake: Intake) -> None:
        self.clock = FakeClock()
        self.handler = EventHandler(replace(intake.context, clock=self.clock), intake.principals)
        self._pool, self._offset = intake.pool, 0

    def event(self, kind: str, data: Any, ident: str | None = None) -> Record:
        """Make an event."""
        self._offset += 1
        given = {
            "ce_specversion": "1.0",
            "ce_id": ident or str(self._offset),
            "ce_source": "urn:nld:kvknr:12345678:systeem:lab",
            "ce_type": f"eu.breachnotice.{kind}.v1",
        }
        headers = tuple((name, text.encode()) for name, text in given.items())
        return Record("heraut.cohort.v1", 0, self._offset, "", 0, 0, orjson.dumps(data), headers)

    def members(self, *members: Any, ids: dict[str, str] = IDS, ident: str | None = None) -> Record:
        """Make an event of members."""
        return self.event("members-affected", {**ids, "members": members}, ident)

    async def send(self, *records: Record) -> list[str]:
        """Have a batch of events taken; returns the reasons of its dead letters."""
        work = [self.handler.decode(record) for record in records]
        await self.handler.ready(work)
        async with self._pool.acquire() as connection, connection.transaction():
            outputs = await self.handler.apply(connection, work)
            await outbox.append_outputs(connection, "intake", [o for o in outputs if not o.headers])
        return _reasons(outputs)


def _reasons(outputs: Sequence[Output]) -> list[str]:
    return [dict(output.headers)["reason"].decode() for output in outputs if output.headers]


async def test_events_open_fill_and_seal_a_cohort(intake: Intake) -> None:
    """A cohort comes to the same over Kafka as over HTTP; what opens it may come after its members."""
    upstream = Upstream(intake)
    reasons = await upstream.send(
        upstream.members(a_record(), ids=NEW),
        upstream.event("cohort-opened", {**NEW, "source": "lab", "declaredCount": 1}),
        upstream.event("cohort-sealed", NEW),
    )
    _, shown = await intake.get("/v1/incidents/lab/cohorts/wave-9")

    assert [] == reasons
    assert (1, 1, 1, True) == tuple(shown[name] for name in ("declared", "received", "accepted", "sealed"))


async def test_bad_member_is_rejected_alone(intake: Intake) -> None:
    """A member that cannot be taken hurts none of its neighbours; without a memberRef it is set aside to be seen."""
    upstream = Upstream(intake)
    bad = a_record(memberRef="m-2", bsn="1")

    assert [] == await upstream.send(upstream.members(a_record(), bad))
    assert ["members-without-ref"] == await upstream.send(
        upstream.members(a_record(memberRef="m-3"), {"shoeSize": 43}, 7)
    )
    assert (3, 1, 2) == await intake.counts()


async def test_event_that_comes_again_is_ignored(intake: Intake) -> None:
    """The same source and id is taken once, whatever it holds the second time."""
    upstream = Upstream(intake)
    await upstream.send(upstream.members(a_record(), ident="e1"))
    await upstream.send(upstream.members(a_record(city="Breda"), a_record(memberRef="m-2"), ident="e1"))

    assert (1, 0, 1) == await intake.counts()


async def test_later_event_corrects_a_member(intake: Intake) -> None:
    """Two events of one batch are two uploads: the later one corrects, also to another person."""
    upstream = Upstream(intake)
    await upstream.send(upstream.members(a_record()), upstream.members(a_record(bsn="999990342")))
    flags = sorted((list(block.versions), block.flags[0]) for block in await intake.accepted())

    assert [([1], 0), ([2], 0), ([2], FLAG_RETRACTED)] == flags
    assert (1, 0, 1) == await intake.counts()


async def test_events_of_two_sources_wait_each_for_its_own_minute(intake: Intake) -> None:
    """Topics of two sources have the same offsets: the minute of one source's event is not the other's."""
    upstream = Upstream(intake)
    early = upstream.members(a_record(), ids=NEW)
    with pytest.raises(NotKnownYetError):
        await upstream.send(replace(early, topic="heraut.cohort.lab.v1"))
    upstream.clock.advance(61)

    with pytest.raises(NotKnownYetError):
        await upstream.send(replace(early, topic="heraut.cohort.clinic.v1"))


async def test_event_of_a_topic_that_is_not_upstreams_is_refused(intake: Intake) -> None:
    """Whatever topics the stage is given, only upstream's hold events."""
    upstream = Upstream(intake)
    event = upstream.members(a_record())

    assert upstream.handler.decode(replace(event, topic="heraut.cohort.lab.v1"))
    for topic in ("heraut.members.accepted.v1", "heraut.cohort.a.b.v1", "heraut.cohort.lab.v1.intake.dlq"):
        with pytest.raises(InvalidEventError, match="unsupported-topic"):
            upstream.handler.decode(replace(event, topic=topic))


async def test_unknown_cohort_is_waited_for_and_then_set_aside(intake: Intake) -> None:
    """Members of an unknown cohort wait a minute, and go to the dead letters then; a replay finds it known."""
    upstream = Upstream(intake)
    event = upstream.members(a_record(), ids=NEW)
    with pytest.raises(NotKnownYetError):
        await upstream.send(event)
    upstream.clock.advance(61)
    counted = partial(intake.registry.get_sample_value, "intake_dead_letters_total", {"reason": "unknown-cohort"})
    before = counted()

    assert ["unknown-cohort"] == await upstream.send(event)
    assert (0, 1) == (before, counted())
    await intake.put("/v1/incidents/lab/cohorts/wave-9", {"source": "lab"})
    assert [] == await upstream.send(event)
    assert (1, 0, 1) == await intake.counts("/v1/incidents/lab/cohorts/wave-9")


async def test_a_wait_is_not_begun_anew_by_what_goes_on_beside_it(intake: Intake) -> None:
    """Where the stage asks partition by partition, good events of the others do not prolong the minute."""
    upstream = Upstream(intake)
    event = upstream.members(a_record(), ids=NEW)
    for _ in range(2):
        with pytest.raises(NotKnownYetError):
            await upstream.send(event)
        assert [] == await upstream.send(upstream.members(a_record()))
        upstream.clock.advance(31)

    assert ["unknown-cohort"] == await upstream.send(event)


async def test_event_goes_on_once_its_cohort_is_known(intake: Intake) -> None:
    """A wait ends as soon as the cohort is there."""
    upstream = Upstream(intake)
    sending = asyncio.create_task(upstream.send(upstream.members(a_record(), ids=NEW)))
    await intake.put("/v1/incidents/lab/cohorts/wave-9", {"source": "lab"})

    assert [] == await sending


async def test_what_goes_against_the_cohort_is_set_aside(intake: Intake) -> None:
    """Another source, and new members of a sealed cohort, go to the dead letters; the rest goes on."""
    upstream = Upstream(intake)
    await intake.post("/v1/incidents/lab/cohorts/wave-1/seal")

    assert ["not-permitted", "cohort-sealed"] == await upstream.send(
        upstream.event("cohort-opened", {**IDS, "source": "somebody else"}),
        upstream.members(a_record()),
    )


async def test_old_answers_and_events_are_forgotten(intake: Intake) -> None:
    """What nobody will repeat any more is not kept."""
    upstream = Upstream(intake)
    await upstream.send(upstream.members(a_record()))
    await intake.upload("memberRef,dataCategories\n", Idempotency_Key="k")
    upstream.clock.advance(8 * 86_400)
    async with intake.pool.acquire() as connection, connection.transaction():
        await upstream.handler.tick(connection, [0])

    assert 0 == await intake.pool.fetchval("select (select count(*) from events) + (select count(*) from answers)")


async def test_unknown_cohorts_are_waited_for_together(intake: Intake) -> None:
    """Many events that nobody opens a cohort for wait one minute side by side, and hold nobody up for hours."""
    upstream = Upstream(intake)
    events = [upstream.members(a_record(), ids={"incidentId": "lab", "cohortId": f"ghost-{at}"}) for at in range(30)]
    good = upstream.members(a_record())
    with pytest.raises(NotKnownYetError):
        await upstream.send(*events, good)
    upstream.clock.advance(61)

    assert ["unknown-cohort"] * 30 == await upstream.send(*events, good)
    assert (1, 0, 1) == await intake.counts()
