"""The handler of intake's stage: events from upstream are applied, who is held is noted, stop rules are obeyed."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol

from notification.topics import COHORT, MEMBERS_HELD, NOTICES_EXHAUSTED, STOPS_RAISED, SYNTHETIC_ARRIVED

from services.intake.codec import HeldBlock, StopBlock, UnprintedBlock, read_given_up, read_held, read_stops
from services.intake.context import Context
from services.intake.control.stopping import Stopping
from services.intake.errors import ConflictError, InvalidEventError, NotFoundError, NotKnownYetError, NotPermittedError
from services.intake.events.batch import EventBatch, scope_of
from services.intake.events.cloudevents import CohortOpened, Event, MembersAffected, is_reserved, read_event
from services.intake.identities.matching import Matching
from services.intake.records.texts import normal_text
from services.intake.synthetic import SyntheticWaiting
from services.kit.eventlog import Output, Record, contract_of
from services.kit.forgetting import Forgetting
from services.kit.postgres import Connection
from services.kit.principals import Accounts
from services.wire.synthetic import Arrived, decode_arrived

__all__ = ["EVENTS_AT_ONCE", "TOPICS", "EventHandler", "IntakeHandler"]

TOPICS: Final = (MEMBERS_HELD, NOTICES_EXHAUSTED, STOPS_RAISED, SYNTHETIC_ARRIVED)
_Block = HeldBlock | UnprintedBlock | StopBlock | Arrived

# In so many events, the one that opens a cohort is usually found even where it stands behind the cohort's members.
# At 64 KB each they fit in memory.
EVENTS_AT_ONCE = 512
_PATIENCE = 60.0  # seconds that an event waits for its incident and cohort to be known, as the interface promises
_LOOK_EVERY, _LOOKS = 0.25, 2  # seconds, and times within one call: after them other partitions get their turn
# Answers and events are remembered for longer than anybody repeats them: retries stop within hours, and the
# topic keeps events that can be read again for a day.
_REMEMBERED = timedelta(days=7)
_FORGOTTEN_AT_ONCE = 1_000  # rows a tick: some milliseconds


class KnownAccounts(Protocol):
    """Where the accounts are found as they stand now."""

    @property
    def accounts(self) -> Accounts:
        """Return the accounts."""
        ...


class EventHandler:
    """The part of the handler that takes events."""

    def __init__(self, context: Context, principals: KnownAccounts) -> None:
        self._context, self._store, self._clock = context, context.store, context.clock
        self._principals = principals
        self._matching = Matching(context)
        self._first_seen: dict[tuple[str, int, int], float] = {}  # places of events that wait

    def decode(self, record: Record) -> Event:
        """Read an event. Raises InvalidEventError."""
        if contract_of(record.topic) != COHORT:
            raise InvalidEventError("unsupported-topic")
        event = read_event(record)
        if is_reserved(event):
            raise InvalidEventError("reserved")
        return event

    async def ready(self, work: Sequence[Event]) -> None:
        """Wait for incidents and cohorts that are not known yet, each event for a minute at most.

        Raises NotKnownYetError where the wait is not over: the event that opens the cohort may be read next.
        """
        for look in range(_LOOKS):
            if not await self._waiting(work):
                for event in work:
                    self._first_seen.pop(_place(event), None)
                for incident_id in {event.data.incident_id for event in work if _names_unnumbered(event)}:
                    await self._matching.prepare(incident_id)
                return
            if look < _LOOKS - 1:
                await asyncio.sleep(_LOOK_EVERY)
        raise NotKnownYetError("an event names a cohort that is not known yet", after=_LOOK_EVERY)

    async def apply(self, connection: Connection, work: Sequence[Event]) -> Sequence[Output]:
        """Take events, and set aside those that cannot be taken. Events that open a cohort go first."""
        batch = EventBatch(self._context, self._principals.accounts, connection, self._clock.now())
        for event in sorted(work, key=lambda e: not isinstance(e.data, CohortOpened)):
            try:
                await batch.take(event)
            except (NotFoundError, NotPermittedError, ConflictError, InvalidEventError) as error:
                batch.set_aside(event, error)
        await batch.flush()
        return batch.outputs

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Forget answers and events that nobody will repeat any more; the owner of partition 0 does it for all."""
        if 0 in partitions:
            await self._store.forget(connection, self._clock.now() - _REMEMBERED, _FORGOTTEN_AT_ONCE)
        return ()

    async def _waiting(self, work: Sequence[Event]) -> bool:
        """Tell whether some event's incident or cohort is not known and the event's minute is not over.

        Every event is looked at each time: their minutes run side by side, not one after the other.
        """
        opening = {scope_of(e) for e in work if isinstance(e.data, CohortOpened)}
        now = self._clock.monotonic()
        waiting = False
        async with self._context.pool.acquire() as connection:
            for event in work:
                place = _place(event)
                overdue = now - self._first_seen.get(place, now) >= _PATIENCE
                if not overdue and not await self._is_known(connection, event, opening):
                    self._first_seen.setdefault(place, now)
                    waiting = True
        return waiting

    async def _is_known(self, connection: Connection, event: Event, opening: set[tuple[str, str]]) -> bool:
        if isinstance(event.data, CohortOpened):
            return await self._store.show_incident(connection, event.data.incident_id) is not None
        return scope_of(event) in opening or await self._store.show_cohort(connection, *scope_of(event)) is not None


class IntakeHandler:
    """The handler of intake's stage: events of sources, and what other rooms say of members and cohorts."""

    def __init__(
        self,
        context: Context,
        principals: KnownAccounts,
        keep_settled: timedelta,
        synthetic: SyntheticWaiting | None = None,
    ) -> None:
        """Make one; `keep_settled`: how long it is remembered that a member is nobody's work any more.

        `synthetic` is told of synthetic people who arrive, where some are sent.
        """
        self._context, self._synthetic = context, synthetic
        self._forgetting = Forgetting(context.clock, keep_settled)
        self._events = EventHandler(context, principals)
        self._stopping = Stopping(context)

    def decode(self, record: Record) -> Event | _Block:
        """Read an event or a block. Raises InvalidMessage."""
        if record.topic == NOTICES_EXHAUSTED:
            return read_given_up(record)
        if record.topic == STOPS_RAISED:
            return read_stops(record)
        if record.topic == SYNTHETIC_ARRIVED:
            return decode_arrived(record.value)
        return read_held(record) if record.topic == MEMBERS_HELD else self._events.decode(record)

    async def ready(self, work: Sequence[Event | _Block]) -> None:
        """Wait for what events name; blocks are of members that are here. Raises NotKnownYetError."""
        await self._events.ready(_events(work))

    async def apply(self, connection: Connection, work: Sequence[Event | _Block]) -> Sequence[Output]:
        """Take events and blocks."""
        now = self._context.clock.now()
        for block in work:
            if isinstance(block, HeldBlock):
                await self._context.store.note_unsettled(connection, block.sequence, block.rows, now)
            elif isinstance(block, UnprintedBlock) and block.rows:
                await self._context.store.note_unprinted(connection, block.why, block.fields, block.rows, now)
            elif isinstance(block, Arrived) and self._synthetic:
                await self._synthetic.arrived(connection, block.members)
        raised = [(one, block.place) for block in work if isinstance(block, StopBlock) for one in block.raised]
        outputs = await self._stopping.take(connection, raised) if raised else []
        events = _events(work)
        return [*outputs, *(await self._events.apply(connection, events) if events else ())]

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Do what the events' part does, and forget who is settled; the owner of partition 0 does it for all."""
        if 0 in partitions:
            await self._forgetting.look(partial(self._context.store.forget_settled, connection))
        return await self._events.tick(connection, partitions)


def _events(work: Sequence[Event | _Block]) -> list[Event]:
    return [one for one in work if not isinstance(one, _Block)]


def _place(event: Event) -> tuple[str, int, int]:
    """Return topic, partition and offset: sources have topics of their own, with the same offsets in them."""
    return event.record.topic, event.record.partition, event.record.offset


def _names_unnumbered(event: Event) -> bool:
    """Tell whether an event may have somebody in it who is known by the match key alone."""
    members = event.data.members if isinstance(event.data, MembersAffected) else ()
    return any(not (_given(member, "bsn") or _given(member, "personKey")) for member in members)


def _given(member: Any, field: str) -> bool:
    return isinstance(member, dict) and bool(normal_text(str(member.get(field) or "")))
