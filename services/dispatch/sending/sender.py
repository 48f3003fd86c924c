"""The sender: intent, hand-over, outcome. It finds rounds that are due and sees each through.

Between the two transactions no database connection is held. A round that a crash cut off is found by the next owner
of its partition. A provider that knows our ids is given the same round again; at a blind one the round is `unknown`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, nullcontext
from datetime import UTC, datetime

from services.core.clock import Clock
from services.core.notices import Notices
from services.core.status import AttemptState
from services.core.synthetic import is_synthetic
from services.dispatch.breaker import Breaker
from services.dispatch.closures import Closures
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch, Round
from services.dispatch.found_letters import FoundLetters
from services.dispatch.found_store import FoundStore
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.moving_on import MovingOn
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.pauses import FRESH_SECONDS, Pauses
from services.dispatch.pausing import Pausing
from services.dispatch.provider import Provider
from services.dispatch.rounds import BEFORE_ALL, reopened, rounds_of
from services.dispatch.run_store import RunStore
from services.dispatch.sending.closing import closing_of
from services.dispatch.sending.handing_over import HandingOver, Payloads
from services.dispatch.sending.rechecks import Rechecks
from services.dispatch.sending.recording import Recording
from services.dispatch.sending.references import ReferencesByIncident
from services.dispatch.sending.rewording import Rewording
from services.dispatch.sending.sink import Sink
from services.dispatch.sending.tracing import HandOverSpans
from services.dispatch.sending.turns import ProviderTurns
from services.dispatch.sending.watching import Watching
from services.dispatch.store import Store
from services.dispatch.turn_store import TurnStore
from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Output
from services.kit.postgres import Connection, Pool, is_retryable
from services.kit.retry import Wait, pause_until
from services.kit.stage import StageHandle
from services.kit.tracing import NOT_TRACED, Tracing
from services.wire.incidents import Incidents

__all__ = ["Sender"]

logger = logging.getLogger(__name__)

_SET_ASIDE = 2048  # attempts that are looked through at once where some may not begin
_EVER = datetime.min.replace(tzinfo=UTC)
# Seconds between two looks at a queue: at least; at most where somebody waits for his turn, as who goes before all may
# come; and at most where nobody does, as what is committed here ends that wait.
_POLL, _BUSY_POLL, _QUIET_POLL = 0.1, 0.3, 1.0


class Sender:
    """Works off the queue of one channel, for the partitions that the stage owns."""

    _next_due: datetime | None = None  # the first turn to come, as the last look found

    def __init__(
        self,
        *,
        stage: StageHandle,
        pool: Pool,
        store: Store,
        payloads: Payloads,
        incidents: Incidents,
        references: ReferencesByIncident,
        provider: Provider,
        clock: Clock,
        metrics: DispatchMetrics,
        breaker: Breaker,
        busy: set[int] | None = None,
        turns: TurnStore | None = None,
        may_go: Callable[[], bool] = lambda: True,
        found: Callable[[], bool] = lambda: False,
        beat: Callable[[], None] = lambda: None,
        since: datetime = _EVER,
        tracing: Tracing = NOT_TRACED,
        partitions: int = 1,
    ) -> None:
        """Make a sender of a channel of so many `partitions` that hands over to `provider` since then.

        `busy` is kept up as the batches that it is handing over. `may_go`: whether the channel goes on. `found`:
        whether letters may come that stand in print files of before the database was set back.
        """
        self._traits = provider.traits
        self._stage, self._pool, self._store, self._runs = stage, pool, store, RunStore()
        self._clock, self._beat, self._may_go, self._found = clock, beat, may_go, found
        self._mine = set[int]() if busy is None else busy  # batches that this process is busy with
        self._incidents, self._closures = incidents, Closures(incidents, provider.traits.channel)
        self._moving_on = MovingOn(store, self._closures, provider.traits, metrics)
        self._pauses = Pauses(incidents, self._closures)
        self._pausing = Pausing(store, self._pauses, provider.traits, self._mine)
        watching = Watching(breaker, provider.traits, clock, metrics)
        self._rewording = Rewording(store, incidents, watching)
        self._handing_over = HandingOver(
            provider=provider, payloads=payloads, incidents=incidents, references=references, clock=clock,
            watching=watching, metrics=metrics, since=since, turns=ProviderTurns(pool, clock, turns),
            share=lambda: max(1, len(stage.owned())) / partitions,
        )  # fmt: skip
        self._found_letters = FoundLetters(FoundStore(provider.traits.channel), provider.traits)
        self._recording = self._recorder(metrics, breaker.policy.window)
        self._sink = Sink(stage, payloads, incidents, self._traits, clock)
        self._closing = closing_of(provider, stage, pool, clock)
        self._rechecks, self._stop, self._news = Rechecks(), asyncio.Event(), stage.news()
        self._spans = HandOverSpans(tracing, pool, store, self._traits) if tracing.is_on else None
        self._slots = asyncio.Semaphore(provider.traits.rounds_at_once)
        self._unsent: set[int] = set()  # batches whose intent may stand, and that surely were not handed over

    def _recorder(self, metrics: DispatchMetrics, window: float) -> Recording:
        return Recording(
            traits=self._traits,
            stage=self._stage,
            store=self._store,
            clock=self._clock,
            metrics=metrics,
            window=window,
            pauses=self._pauses,
        )

    @property
    def rests(self) -> float:
        """For how many seconds nothing is handed over here, as the provider's caps are used up."""
        return self._handing_over.rests

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then begin nothing more and write down how the rounds on their way end."""
        self._stop = stop
        idle = Wait(_POLL, _QUIET_POLL)
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                self._beat()
                self._news.clear()
                if await self._look(group):
                    idle.reset()
                else:
                    await self._sleep(stop, idle)

    async def _sleep(self, stop: asyncio.Event, idle: Wait) -> None:
        """Wait for news, or until it is somebody's turn; that the stage stops is news, too."""
        await pause_until(stop, _POLL)
        wait = (self._next_due - self._clock.now()).total_seconds() if self._next_due else 0.0
        if wait > 0:
            idle.reset()
            await pause_until(stop, min(wait, _BUSY_POLL - _POLL))
        elif not stop.is_set():
            await pause_until(self._news, idle.next() - _POLL)

    def _go(self) -> bool:
        """Tell whether a hand-over may begin: not when others may take us for dead, nor unaware of a pause."""
        heard = self._stage.healthy() and self._incidents.heard_within(FRESH_SECONDS)
        return heard and self._may_go() and not self._stop.is_set()

    def _go_of(self, one: Round) -> Callable[[], bool]:
        """Return what tells whether a hand-over of this round may begin."""
        return lambda: self._go() and not self._stays(one.notices, one.partition)

    def _stays(self, notices: Notices, partition: int) -> bool:
        """Tell whether some of these may not begin: as something is paused, or the channel is closed for them."""
        return self._closures.holds(notices) or self._pauses.holds(notices, partition)

    def _may_begin(self) -> bool:
        return self._go() and not self._handing_over.paused

    async def _look(self, group: asyncio.TaskGroup) -> bool:
        """Begin what is due; tells whether there was anything."""
        self._rechecks.follow(self._stage.epochs())
        if not self._may_begin():
            return False
        try:
            if self._closing:
                await self._closing.look(self._rechecks.epochs, self._go)
            again = not self.rests and await self._reopen_due(group)
            return await self._claim_due(group) or again
        except LostOwnershipError:
            return False
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("the queue cannot be read", extra={"error_class": type(error).__name__})
            return False

    async def _reopen_due(self, group: asyncio.TaskGroup) -> bool:
        """Begin the open intents again of partitions that are due for a look."""
        if not (due := self._rechecks.due(self._clock.monotonic())):
            return False
        async with self._pool.acquire() as connection:
            begun = await self._store.partitions_begun(connection, due, self._clock.now())
        found = False
        for partition in due:
            self._rechecks.looked(partition, self._clock.monotonic())
            if partition in begun:
                found = await self._begin(group, partition, self._reopen) or found
        return found

    async def _claim_due(self, group: asyncio.TaskGroup) -> bool:
        """Begin the batches in the queue whose turn has come."""
        async with self._pool.acquire() as connection:
            first = await self._store.first_due(connection, self._rechecks.epochs)
        until = self._due()
        self._next_due = min((at for at in first.values() if at > until), default=None)
        found = False
        for partition in [one for one, at in first.items() if at <= until]:
            found = await self._begin(group, partition, self._intend) or found
        return found

    def _due(self) -> datetime:
        """Return until when those are due who are next: while caps are used up only synthetic people, who need none."""
        return BEFORE_ALL if self.rests else self._clock.now()

    async def _begin(
        self, group: asyncio.TaskGroup, partition: int, find: Callable[[int], Awaitable[list[Round]]]
    ) -> bool:
        """Find rounds and set out with them, once there is room; tells whether there were any.

        The partition is held from before the search until the last outcome is written. If it were given away in
        between, the outcome of an e-mail would be known here and `unknown` there.
        """
        async with AsyncExitStack() as stack:
            await self._slots.acquire()  # before the intent is written: an intent covers messages that are sent at once
            stack.callback(self._slots.release)
            if not self._may_begin():
                return False
            stack.enter_context(self._stage.hold([partition]))
            rounds = await find(partition)
            for one in rounds:
                self._mine.update(one.numbers)
            if rounds:
                group.create_task(self._carry(rounds, stack.pop_all()))
            return bool(rounds)

    async def _reopen(self, partition: int) -> list[Round]:
        """Return the open intents of a partition that nobody here is busy with."""
        async with self._pool.acquire() as connection:
            begun = await self._store.open_intents(connection, partition, self._clock.now())
        return reopened(partition, begun, self._mine)

    async def _intend(self, partition: int) -> list[Round]:
        """Write the intent of the batches that are next in a partition's queue, and return them as rounds."""
        limit, now = self._handing_over.limit, self._clock.now()
        rounds: list[Round] = []
        moved = Moved()
        try:
            async with self._stage.fenced([partition]) as transaction:
                queued, given_back = await self._queue(transaction.connection, partition, limit, moved)
                rounds = rounds_of(self._traits, partition, queued, now)
                for one in rounds:
                    self._mine.update(one.numbers)  # before anybody can see the intent
                await self._runs.assign(transaction.connection, rounds, now)
                await self._store.intend(transaction.connection, rounds, now)
                counted = await moved.written(transaction.connection, self._traits.channel)
                transaction.emit([*given_back, *counted])
        except BaseException:
            # The intent may have been committed or not. Nothing was handed over, and that is sure.
            for one in rounds:
                self._unsent.update(one.numbers)
                self._mine.difference_update(one.numbers)
            self._rechecks.at_once(partition)
            raise
        return rounds

    async def _queue(
        self, connection: Connection, partition: int, limit: int, moved: Moved
    ) -> tuple[list[Batch], list[Output]]:
        """Return the batches that are next; those that may not begin are set aside, or given back with these blocks."""
        now, due = self._clock.now(), self._due()
        queued = await self._store.queue(connection, partition, due, limit)
        if any(self._pauses.holds(batch.notices, partition) for batch in queued):
            await self._pausing.learn(connection, [partition])
        given_back: list[Output] = []
        while queued and any(self._stays(batch.notices, partition) for batch in queued):
            more = await self._store.queue(connection, partition, due, max(limit, _SET_ASIDE))
            given_back += await self._moving_on.move_on(connection, partition, more, now, moved)
            await self._pausing.set_aside(connection, partition, more, now, moved)
            queued = await self._store.queue(connection, partition, due, limit)
        if self._found() and (told := await self._found_letters.settle(connection, queued, now)):
            return [], [*given_back, *told]  # what is left of the queue is looked at again
        return await self._rewording.follow(connection, queued), given_back

    async def _carry(self, rounds: Sequence[Round], hold: AsyncExitStack) -> None:
        """See rounds through, one after the other; their slot and their attempts are free again afterwards."""
        async with hold:
            for one in rounds:
                try:
                    async with self._spans.of(one) if self._spans else nullcontext(list[AttemptOutcome]()) as ended:
                        ended.extend(await self._see_through(one))
                finally:
                    self._mine.difference_update(one.numbers)

    async def _see_through(self, one: Round) -> Sequence[AttemptOutcome]:
        """Hand a round over and write down how that ended; returns it, and nothing where it could not be written."""
        if is_synthetic(one.notices.incident_id):
            return await self._sink.take(one)
        closed = self._closures.holds(one.notices)
        results = await self._handing_over.results(one, self._unsent, self._go_of(one), closed=closed)
        outcomes = await self._recording.record(one, results)
        if outcomes:
            self._unsent.difference_update(one.numbers)
            self._look_again(one, outcomes)
        if one.bug:
            self._stage.stand_still(one.partition, one.bug)
        return outcomes

    def _look_again(self, one: Round, outcomes: Sequence[AttemptOutcome]) -> None:
        """Come back for the attempts that stay begun when their wait is over."""
        waits = [outcome.wait for outcome in set(outcomes) if outcome.state is AttemptState.INTENT]
        if waits:
            self._rechecks.no_later_than(one.partition, self._clock.monotonic() + min(waits))
