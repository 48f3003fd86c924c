"""Dispatch's part of its stage: queue attempts that come in, and do what time asks for.

Refusals that waited are told, or taken back where the provider turned out to be ill; attempts that stayed unknown for
too long are given up. Attempts are handed over by `sending/`, outside the stage's transactions.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Protocol

from notification.topics import NOTICES_RECALLED, RECEIPTS_ACCEPTED

from services.core.clock import Clock
from services.core.notices import BLOCK_ENTRIES, Notices
from services.core.receipts import Consequence
from services.core.status import UNKNOWN_FOR_TOO_LONG, AttemptState
from services.dispatch.breaker import Breaker
from services.dispatch.closures import Closures
from services.dispatch.codec import decode_routed, encode_attempted, encode_block, encode_refused
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch, Round, Taken
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.moving_on import MovingOn, MovingOnStore
from services.dispatch.outcomes import AttemptOutcome, refusal_of
from services.dispatch.pauses import Pauses
from services.dispatch.pausing import PauseStore, Pausing
from services.dispatch.provider import Traits
from services.dispatch.recalls import Recalls, RecallStore
from services.dispatch.receipts import Receipts, ReceiptStore
from services.dispatch.rounds import by_partition, cut, first_in_queue, gathered
from services.kit.eventlog import Output, Record
from services.kit.forgetting import Forgetting
from services.kit.postgres import Connection
from services.kit.tracing import NOT_TRACED, Causes, Tracing, causes_of, text_of
from services.wire.incidents import Incidents
from services.wire.recalls import Recalled, decode_recalled
from services.wire.receipts import decode_accepted

__all__ = ["Attempts", "DispatchHandler", "OutcomeBlocks"]

logger = logging.getLogger(__name__)

# Batches of unknown or refused attempts in one transaction, about a thousand people: some tens of milliseconds.
_OVERDUE_AT_ONCE = 64
# Refusals that wait are looked through together, as those to be taken back are the latest: what a minute can bring.
_WAITING_AT_ONCE = 4096
# Ticks come every second. After this gap a partition may have been somebody else's, whose answers nobody here saw.
_GAP = 15.0
Heard = Taken | Recalled | list[Consequence]  # a block, as it was understood

_FAR = datetime.max.replace(tzinfo=UTC)


class Attempts(RecallStore, PauseStore, ReceiptStore, MovingOnStore, Protocol):
    """What the handler needs of the store."""

    async def take(self, connection: Connection, batches: Sequence[Taken], now: datetime, due: datetime) -> None:
        """Queue attempts; those that are there already stay as they are."""
        ...

    async def led_to(self, connection: Connection, numbers: Collection[int]) -> Causes:
        """Return what batches follow from, as far as that was traced."""
        ...

    async def overdue_unknowns(
        self, connection: Connection, partitions: Sequence[int], since: datetime, limit: int
    ) -> list[Batch]:
        """Return batches that have been unknown since `since` or longer."""
        ...

    async def waiting_refusals(
        self, connection: Connection, partitions: Sequence[int], until: datetime, limit: int
    ) -> list[Batch]:
        """Return batches that were refused and wait to be told, until then or shorter."""
        ...

    async def wait_again(self, connection: Connection, partitions: Sequence[int], due: datetime) -> None:
        """Let the refusals of partitions wait until `due`, or longer where they do anyway."""
        ...

    async def note_taken_back(self, connection: Connection, notices: Notices, now: datetime) -> None:
        """List whose refusals were taken back."""
        ...

    async def forget_recalls(
        self, connection: Connection, partitions: Collection[int], before: datetime, limit: int
    ) -> int:
        """Drop marks that were answered before that time, up to `limit`; returns how many went."""
        ...


class Decided(Protocol):
    """What operators decided about rejected attempts."""

    async def tick(self, connection: Connection, partitions: Collection[int], moved: Moved) -> list[Output]:
        """Carry out what may be by now; returns the blocks that tell of it, or ask whether it may."""
        ...


class DispatchHandler:
    """Queues routed notices as attempts of one channel."""

    def __init__(
        self,
        *,
        traits: Traits,
        store: Attempts,
        incidents: Incidents,
        clock: Clock,
        metrics: DispatchMetrics,
        unknown_after: timedelta,
        breaker: Breaker,
        keep_recalls: timedelta,
        decided: Decided,
        busy: Collection[int] = (),
        paused: Callable[[], bool] = lambda: False,
        tracing: Tracing = NOT_TRACED,
    ) -> None:
        """Make a handler.

        `keep_recalls`: how long an answered recall is remembered; `busy`: the batches that the sender is handing over;
        `paused`: whether an operator paused the channel.
        """
        self._paused, self._tracing, self._decided = paused, tracing, decided
        self._traits = traits
        self._blocks = OutcomeBlocks(traits)
        self._store = store
        self._recalls = Recalls(store)
        self._receipts = Receipts(store, traits)
        self._forgetting = Forgetting(clock, keep_recalls)
        self._closures = Closures(incidents, traits.channel)
        self._moving_on = MovingOn(store, self._closures, traits, metrics)
        self._pauses = Pauses(incidents, self._closures)
        self._pausing = Pausing(store, self._pauses, traits, busy)
        self._incidents = incidents
        self._clock = clock
        self._metrics = metrics
        self._unknown_after = unknown_after
        self._breaker = breaker
        self._ticked: dict[int, float] = {}  # when each partition had its last tick, on a monotonic clock

    def decode(self, record: Record) -> Heard:
        """Read one block. Raises InvalidMessage."""
        if record.topic == NOTICES_RECALLED:
            return decode_recalled(record)
        if record.topic == RECEIPTS_ACCEPTED:
            return decode_accepted(record)
        return Taken(record.partition, *decode_routed(record.value), text_of(causes_of(record.headers)))

    async def ready(self, work: Sequence[Heard]) -> None:
        """Wait until the incident versions of these notices are known here."""
        taken = [one.notices for one in work if isinstance(one, Taken)]
        for incident_id, version in sorted({(n.incident_id, n.incident_version) for n in taken}):
            await self._incidents.wait_for(("incident", incident_id, str(version)))

    async def apply(self, connection: Connection, work: Sequence[Heard]) -> Sequence[Output]:
        """Queue the attempts, less those that were recalled. An attempt that a replay brings again changes nothing."""
        now, moved = self._clock.now(), Moved()
        taken = [one for one in work if isinstance(one, Taken)]
        recalled = [one for one in work if isinstance(one, Recalled)]
        if taken:
            batches = [batch for block in taken for batch in self.batches(block)]
            for due, of_it in first_in_queue(batches, now, self._traits.linger):
                await self._store.take(connection, of_it, now, due)
            await self._recalls.follow(connection, [block.notices for block in taken], now)
        arrived = [notice for block in taken for notice in block.notices.ids]
        if recalled:
            answers = await self._recalls.take(connection, recalled, arrived, now, moved)
            await self._pausing.hear(connection, recalled)
        else:
            places = {block.partition for block in taken}
            answers = await self._recalls.arrived(connection, places, arrived, now, moved)
        back = await self._receipts.take(connection, _said(work), now, moved)
        return [*answers, *back, *await moved.written(connection, self._traits.channel)]

    def batches(self, block: Taken) -> list[Taken]:
        """Cut a block into batches; nearly always it is one, and then stored as it came."""
        parts = cut(self._traits, block.notices)
        if len(parts) == 1:
            return [block]
        cuts = [block.notices.pick(rows) for rows in parts if rows]
        return [block._replace(notices=notices, block=encode_block(notices)) for notices in cuts]

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Do what time asks for: refusals that waited, taken back or told, and attempts that stayed unknown."""
        now, moved = self._clock.now(), Moved()
        await self._look_on(connection, partitions, now)
        if self._breaker.takes_back(self._clock.monotonic()):
            await self._take_back(connection, partitions, now)
        told = [] if self._breaker.paused() or self._paused() else await self._tell(connection, partitions, now)
        given_up = await self._give_up(connection, partitions, now)
        recalled = await self._recalls.look_again(connection, partitions, now, moved)
        await self._forgetting.look(partial(self._store.forget_recalls, connection, partitions))
        self._metrics.cohorts_paused(len(self._pauses.now()))
        self._metrics.closed(len(self._closures.closed()))
        observed = await self._pausing.tick(connection, partitions, now, moved)
        moved_on = await self._moving_on.tick(connection, partitions, now, moved)
        decided = await self._decided.tick(connection, partitions, moved)
        counted = await moved.written(connection, self._traits.channel)
        return [*told, *given_up, *recalled, *observed, *moved_on, *decided, *counted]

    async def _look_on(self, connection: Connection, partitions: Sequence[int], now: datetime) -> None:
        """Let refusals wait for a window of our own where somebody else saw them, or the one before us was killed."""
        at = self._clock.monotonic()
        new = [one for one in partitions if at - self._ticked.get(one, float("-inf")) > _GAP]
        self._ticked.update(dict.fromkeys(partitions, at))
        if new:
            await self._store.wait_again(connection, new, now + timedelta(seconds=self._breaker.policy.window))

    async def _take_back(self, connection: Connection, partitions: Sequence[int], now: datetime) -> None:
        """Put refusals that the provider's illness brought about back into the queue, and list whom it hit."""
        found = await self._store.waiting_refusals(connection, partitions, _FAR, _WAITING_AT_ONCE)
        for one in _together(found, now):
            back = [row for row, taken in enumerate(self._breaker.taken_back(one.keys)) if taken]
            if back:
                ended = [_STAYS] * len(one)
                for row in back:
                    ended[row] = _again(one.tries[row])
                await self._store.record(connection, one, ended, now, AttemptState.REFUSED_WAITING)
                await self._store.note_taken_back(connection, one.notices.pick(back), now)
                self._metrics.taken_back.inc(len(back))
                about = {"people": len(back), "incident_id": one.notices.incident_id}
                logger.error("refusals are taken back", extra=about)

    async def _tell(self, connection: Connection, partitions: Sequence[int], now: datetime) -> list[Output]:
        """Tell refusals that waited for the breaker's window, so that routing tries the next channel."""
        outputs: list[Output] = []
        found = await self._store.waiting_refusals(connection, partitions, now, _OVERDUE_AT_ONCE)
        for one in _together(found, now):
            ended = [refusal_of(tries) for tries in one.tries]
            outputs += await self._refuse(connection, one, ended, now, AttemptState.REFUSED_WAITING)
        return outputs

    async def _give_up(self, connection: Connection, partitions: Sequence[int], now: datetime) -> list[Output]:
        """Refuse attempts that stayed unknown for HERAUT_UNKNOWN_AFTER, so that routing tries the next channel."""
        since = now - self._unknown_after
        found = await self._store.overdue_unknowns(connection, partitions, since, _OVERDUE_AT_ONCE)
        outputs: list[Output] = []
        for one in _together(found, now):
            refused = [AttemptOutcome(AttemptState.REFUSED, reason=UNKNOWN_FOR_TOO_LONG)] * len(one)
            outputs += await self._refuse(connection, one, refused, now, AttemptState.UNKNOWN)
        return outputs

    async def _refuse(
        self,
        connection: Connection,
        one: Round,
        refused: Sequence[AttemptOutcome],
        now: datetime,
        waiting: AttemptState,
    ) -> list[Output]:
        await self._store.record(connection, one, refused, now, waiting)
        self._metrics.count({"refused": len(one)})
        outputs = self._blocks.of(one.partition, one.notices, refused, now)
        if not self._tracing.is_on:
            return outputs
        causes = await self._store.led_to(connection, one.numbers)
        return [output.caused_by(causes) for output in outputs]


def _said(work: Sequence[Heard]) -> list[Consequence]:
    return [one for said in work if isinstance(said, list) for one in said]


def _together(batches: Iterable[Batch], now: datetime) -> list[Round]:
    """Put batches of several partitions together, as far as they may share a transaction's statements and blocks."""
    return [one for partition, of_it in by_partition(batches).items() for one in gathered(partition, of_it, now)]


_STAYS = AttemptOutcome(AttemptState.REFUSED_WAITING)


@cache
def _again(tries: int) -> AttemptOutcome:
    """Return how a refusal ends that is taken back, of an attempt that was put off so often."""
    return AttemptOutcome(AttemptState.TAKEN, tries=tries)


_TOLD = frozenset({AttemptState.ACCEPTED, AttemptState.REFUSED, AttemptState.UNKNOWN})


class OutcomeBlocks:
    """Makes the blocks that tell the other rooms how hand-overs of one provider ended."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits

    def of(self, partition: int, notices: Notices, outcomes: Sequence[AttemptOutcome], now: datetime) -> list[Output]:
        """Return the blocks for attempts that are settled for good or unknown; refused ones also go back to routing."""
        told = [row for row, outcome in enumerate(outcomes) if outcome.state in _TOLD]
        refused: defaultdict[str, list[int]] = defaultdict(list)
        for row in told:
            if outcomes[row].state is AttemptState.REFUSED:
                refused[outcomes[row].reason].append(row)
        return [
            *(self._attempted(partition, notices, rows, outcomes, now) for rows in _cut(told)),
            *(
                encode_refused(self._tried(notices.pick(rows)), reason, partition)
                for reason, of_reason in refused.items()
                for rows in _cut(of_reason)
            ),
        ]

    def _attempted(
        self, partition: int, notices: Notices, rows: list[int], outcomes: Sequence[AttemptOutcome], now: datetime
    ) -> Output:
        return encode_attempted(
            notices if len(rows) == len(notices) else notices.pick(rows),
            [outcomes[row].state for row in rows],
            channel=self._traits.channel,
            provider=self._traits.name,
            partition=partition,
            at=int(now.timestamp() * 1000),
        )

    def _tried(self, notices: Notices) -> Notices:
        notices.tried = [tried | self._traits.channel for tried in notices.tried]
        return notices


def _cut(rows: list[int]) -> list[list[int]]:
    """Return rows in parts of the size of a block."""
    return [rows[at : at + BLOCK_ENTRIES] for at in range(0, len(rows), BLOCK_ENTRIES)]
