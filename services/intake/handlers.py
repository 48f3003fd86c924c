"""Events from upstream: the stage reads them, this decides what each comes to."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from notification.topics import COHORT

from services.core.clock import Clock
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.control.control import add_cohort, change_cohort, find
from services.intake.errors import ConflictError, InvalidEventError, NotFoundError, NotKnownYetError
from services.intake.events.cloudevents import CohortOpened, Event, MembersAffected, read_event
from services.intake.members.acceptance import Part, Taker
from services.intake.members.chunks import CHUNK_RECORDS, ChunkBuilder, Hashes
from services.intake.metrics import IntakeMetrics
from services.intake.reading.ndjson import read_object
from services.intake.store import Store
from services.kit.errors import HerautError, InvalidMessage
from services.kit.eventlog import Output, Record, dead_letter
from services.kit.postgres import Connection, Pool

__all__ = ["EVENTS_AT_ONCE", "EventHandler", "Means"]

STAGE = "intake"
# Among so many, what opens a cohort may stand behind what was sent for it. At 64 KB each they fit in memory.
EVENTS_AT_ONCE = 512
_PATIENCE = 60.0  # seconds that an event waits for its incident and cohort to be known; the interface's
_LOOK_EVERY, _LOOKS = 0.25, 2  # seconds and times within one call: then other partitions get their turn
# Answers and events are remembered for longer than anybody repeats them: retries stop within hours, and the
# topic keeps what can be read again for a day.
_REMEMBERED = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 1_000  # rows a tick: some milliseconds


class Means(NamedTuple):
    """What events are taken with."""

    store: Store
    taker: Taker
    hashes: Hashes
    metrics: IntakeMetrics


class EventHandler:
    """The handler of intake's stage."""

    def __init__(self, pool: Pool, means: Means, clock: Clock) -> None:
        self._pool, self._means, self._clock = pool, means, clock
        self._store = means.store
        self._first_seen: dict[tuple[int, int], float] = {}  # partition and offset of events that wait

    def decode(self, record: Record) -> Event:
        """Read an event. Raises InvalidEventError."""
        if record.topic != COHORT:
            raise InvalidEventError("unsupported-topic")
        return read_event(record)

    async def ready(self, work: Sequence[Event]) -> None:
        """Wait for incidents and cohorts that are not known yet, each event for a minute at most.

        Raises NotKnownYetError where the wait is not over: what opens the cohort may come with what is read next.
        """
        for look in range(_LOOKS):
            if not await self._waiting(work):
                for event in work:
                    self._first_seen.pop(_place(event), None)
                return
            if look < _LOOKS - 1:
                await asyncio.sleep(_LOOK_EVERY)
        raise NotKnownYetError("an event names a cohort that is not known yet", after=_LOOK_EVERY)

    async def apply(self, connection: Connection, work: Sequence[Event]) -> Sequence[Output]:
        """Take events; those that cannot be are set aside. What opens a cohort goes first, wherever it stands."""
        now = self._clock.now()
        batch = _Batch(self._means, connection, now)
        for event in sorted(work, key=lambda e: not isinstance(e.data, CohortOpened)):
            try:
                await batch.take(event)
            except (NotFoundError, ConflictError, InvalidEventError) as error:
                batch.set_aside(event, error)
        await batch.flush()
        return batch.outputs

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Forget answers and events that nobody will repeat any more; one replica's work is enough."""
        if 0 in partitions:
            await self._store.forget(connection, self._clock.now() - _REMEMBERED, _FORGOTTEN_AT_ONCE)
        return ()

    async def _waiting(self, work: Sequence[Event]) -> bool:
        """Tell whether an event's incident or cohort is not known, and its minute is not over.

        All such events are looked for each time: their minutes run side by side, not one after the other.
        """
        opening = {_scope(e) for e in work if isinstance(e.data, CohortOpened)}
        now = self._clock.monotonic()
        waiting = False
        async with self._pool.acquire() as db:
            for event in work:
                place = _place(event)
                overdue = now - self._first_seen.get(place, now) >= _PATIENCE
                if not overdue and not await self._is_known(db, event, opening):
                    self._first_seen.setdefault(place, now)
                    waiting = True
        return waiting

    async def _is_known(self, db: Connection, event: Event, opening: set[tuple[str, str]]) -> bool:
        if isinstance(event.data, CohortOpened):
            return await self._store.show_incident(db, event.data.incident_id) is not None
        return _scope(event) in opening or await self._store.show_cohort(db, *_scope(event)) is not None


class _Batch:
    """Events of one transaction. Members wait until they can be taken together."""

    def __init__(self, means: Means, connection: Connection, now: datetime) -> None:
        self._store, self._taker, self._hashes, self._metrics = means
        self._db, self._now = connection, now
        self._parts: list[tuple[Event, Part]] = []
        self._known: dict[tuple[str, str], tuple[Incident, Cohort]] = {}
        self.outputs: list[Output] = []

    async def take(self, event: Event) -> None:
        """Take one event, unless it was taken before. Raises NotFoundError, ConflictError, InvalidEventError."""
        data = event.data
        if isinstance(data, MembersAffected):
            if len(data.members) > CHUNK_RECORDS:
                raise InvalidEventError("too-many-members")
            known = await self._find(data)
            if await self._store.take_event(self._db, event.key, self._now):
                self._parts.append((event, self._part(event, data, *known)))
            return
        await self.flush()
        if isinstance(data, CohortOpened):
            request = data.request
            _, outputs = await add_cohort(
                self._db, self._store, data.incident_id, data.cohort_id, request, now=self._now
            )
        else:
            ids = data.incident_id, data.cohort_id
            _, outputs = await change_cohort(self._db, self._store, *ids, _sealed, now=self._now)
        self._known.pop(_scope(event), None)
        self.outputs += outputs

    async def flush(self) -> None:
        """Take the members that wait."""
        waiting, self._parts = self._parts, []
        if not waiting:
            return
        taken = await self._taker.take(self._db, [part for _, part in waiting], self._now)
        for (event, _), each in zip(waiting, taken, strict=True):
            self.outputs += each.outputs
            self._metrics.count(each)
            if each.settled.refused:
                # Their cohort is sealed: upstream must hear of members that nobody will write to.
                self.set_aside(event, InvalidEventError("cohort-sealed"))

    def set_aside(self, event: Event, error: HerautError) -> None:
        """Send an event to the dead letters, untouched; it may be replayed."""
        reason = error.reason if isinstance(error, InvalidMessage) else _REASONS[type(error)]
        self.outputs.append(dead_letter(event.record, STAGE, type(error).__name__, reason))

    async def _find(self, data: MembersAffected) -> tuple[Incident, Cohort]:
        scope = data.incident_id, data.cohort_id
        known = self._known.get(scope)
        if known is None:
            known = self._known[scope] = await find(self._db, self._store, *scope)
        return known

    def _part(self, event: Event, data: MembersAffected, incident: Incident, cohort: Cohort) -> Part:
        builder = ChunkBuilder(incident, cohort, self._hashes, self._now.date())
        lines = [(at, orjson.dumps(member)) for at, member in enumerate(data.members, 1)]
        builder.take(lines, [read_object(member) for member in data.members])
        upload = int.from_bytes(event.key[:8], "big") >> 1
        return Part(data.incident_id, incident.version, data.cohort_id, builder.give(), upload, likely_repeats=True)


_REASONS: dict[type[HerautError], str] = {NotFoundError: "unknown-cohort", ConflictError: "conflict"}


def _place(event: Event) -> tuple[int, int]:
    return event.record.partition, event.record.offset


def _scope(event: Event) -> tuple[str, str]:
    return event.data.incident_id, event.data.cohort_id


def _sealed(cohort: Cohort) -> Cohort:
    return replace(cohort, sealed=True)
