"""The sender: intent, hand-over, outcome. The one place where a provider is spoken to.

Between the two transactions no database connection is held. A round that a crash cut off is found by whoever
owns its partition next: a provider that knows our ids gets the same again; at a blind one it is `unknown`.
"""

import asyncio
import logging
import random
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.status import AttemptState
from services.dispatch.domain import (
    Contact,
    Ending,
    HandOver,
    Pace,
    Result,
    Round,
    Settled,
    Work,
    reopened,
    rounds_of,
    settled,
)
from services.dispatch.handlers import Incidents, Outcomes
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.store import Store
from services.kit.errors import LostOwnershipError, RetryableError
from services.kit.postgres import Pool, is_retryable
from services.kit.retry import backoff
from services.kit.stage import StageHandle

__all__ = ["Payloads", "Provider", "Sender"]

logger = logging.getLogger(__name__)


_POLL = 0.1  # seconds between two looks at an empty queue: far below what a person notices
_SETTLE_EVERY = 2.0  # seconds between looks for open intents that nobody here is busy with: one index probe a partition
# How long an outcome is tried to be written: past some leases, somebody else has the partition and settles it.
_OUTCOME_PATIENCE = 30.0
_LONGEST_PAUSE = 3600.0  # a provider that asks for more is asked again after an hour

_NO_PAYLOAD = Result(Ending.REFUSED, "no-payload")
_NOT_SENT = Result(Ending.NOT_SENT)
_REPEAT = Result(Ending.REPEAT)


class Provider(Protocol):
    """Whoever takes notices of one channel off our hands."""

    channel: Channel
    name: str
    rounds_at_once: int
    batch_size: int  # a round of letters has no more; other batches have no more, and what a round has is paced

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Hand a round over. Begins no hand-over once `go()` is false. Raises nothing that is to be expected."""
        ...


class Payloads(Protocol):
    """Where the contact data of people is unsealed."""

    async def contacts(self, batch: Round) -> Sequence[Contact | None]:
        """Return one entry a row; None where the data is gone (erased) or does not open for this person."""
        ...


class Sender:
    """Works off the queue of one channel, for the partitions that the stage owns."""

    def __init__(
        self,
        *,
        stage: StageHandle,
        pool: Pool,
        store: Store,
        payloads: Payloads,
        incidents: Incidents,
        provider: Provider,
        clock: Clock,
        metrics: DispatchMetrics,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._stage = stage
        self._pool = pool
        self._store = store
        self._payloads = payloads
        self._incidents = incidents
        self._provider = provider
        self._outcomes = Outcomes(provider.channel, provider.name)
        self._clock = clock
        self._metrics = metrics
        self._beat = beat
        self._pace = Pace()
        self._slots = asyncio.Semaphore(provider.rounds_at_once)
        self._stop = asyncio.Event()
        self._mine: set[int] = set()  # batches that this process is busy with
        self._unsent: set[int] = set()  # batches whose intent may stand, and that surely were not handed over
        self._epochs: dict[int, int] = {}  # of the partitions that are owned
        self._settle_at: dict[int, float] = {}  # owned partition -> when to look for open intents
        self._outages = 0
        self._paused_until = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; then begin nothing more and write down how the rounds on their way end."""
        self._stop = stop
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                self._beat()
                if not await self._look(group):
                    await _rest(stop)

    def _go(self) -> bool:
        """Tell whether a hand-over may begin: not when others may take us for dead."""
        return self._stage.healthy() and not self._stop.is_set()

    def _may_begin(self) -> bool:
        return self._go() and self._clock.monotonic() >= self._paused_until

    async def _look(self, group: asyncio.TaskGroup) -> bool:
        """Begin what is due; tells whether there was anything."""
        self._follow(self._stage.epochs())
        if not self._may_begin():
            return False
        try:
            again = await self._settle_due(group)
            return await self._claim_due(group) or again
        except LostOwnershipError:
            return False
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("the queue cannot be read", extra={"error_class": type(error).__name__})
            return False

    def _follow(self, epochs: Mapping[int, int]) -> None:
        """Look for what others left open in the partitions that were taken over since."""
        self._settle_at = {
            partition: self._settle_at[partition] if self._epochs.get(partition) == epoch else 0.0
            for partition, epoch in epochs.items()
        }
        self._epochs = dict(epochs)

    async def _settle_due(self, group: asyncio.TaskGroup) -> bool:
        found = False
        for partition, at in list(self._settle_at.items()):
            if at <= self._clock.monotonic():
                self._settle_at[partition] = self._clock.monotonic() + _SETTLE_EVERY
                found = await self._begin(group, partition, self._reopen) or found
        return found

    async def _claim_due(self, group: asyncio.TaskGroup) -> bool:
        async with self._pool.acquire() as connection:
            due = await self._store.partitions_due(connection, self._epochs, self._clock.now())
        found = False
        for partition in due:
            found = await self._begin(group, partition, self._intend) or found
        return found

    async def _begin(
        self, group: asyncio.TaskGroup, partition: int, find: Callable[[int], Awaitable[list[Round]]]
    ) -> bool:
        """Find rounds and set out with them, once there is room; tells whether there were any.

        The partition is held from before the search until the last outcome is written: given away in between, an
        e-mail's outcome would be known here and `unknown` there.
        """
        async with AsyncExitStack() as stack:
            await self._slots.acquire()  # room first: an intent covers what is sent at once
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
        channel, size = self._provider.channel, self._provider.batch_size
        limit = size if channel is Channel.LETTER else self._pace.size
        now = self._clock.now()
        rounds: list[Round] = []
        try:
            async with self._stage.fenced([partition]) as transaction:
                queued = await self._store.queue(transaction.connection, partition, now, limit)
                rounds = rounds_of(channel, partition, queued, now, size)
                await self._store.intend(transaction.connection, rounds, now)
        except BaseException:
            # Whether it was committed may be unknown; that nothing was handed over is sure.
            for one in rounds:
                self._unsent.update(one.numbers)
            self._settle_at[partition] = 0.0
            raise
        return rounds

    async def _carry(self, rounds: Sequence[Round], hold: AsyncExitStack) -> None:
        """See rounds through, one after the other; their slot and their attempts are free again afterwards."""
        async with hold:
            for one in rounds:
                try:
                    await self._record(one, await self._results(one))
                finally:
                    self._mine.difference_update(one.numbers)

    async def _results(self, one: Round) -> Sequence[Result]:
        """Hand a round over; one that a blind provider was given before is not, for nobody can know how it ended."""
        if one.repeated and self._provider.channel is Channel.EMAIL:
            unknown = Result(Ending.UNKNOWN, "interrupted")
            return [_NOT_SENT if number in self._unsent else unknown for number, rows in one.rows() for _ in rows]
        if one.repeated:
            self._metrics.repeated.inc(len(one))
        return await self._hand_over(one)

    async def _hand_over(self, one: Round) -> Sequence[Result]:
        try:
            key = ("incident", one.notices.incident_id, str(one.notices.incident_version))
            incident = await self._incidents.wait_for(key)
            contacts = await self._payloads.contacts(one)
        except Exception as error:
            if not (isinstance(error, RetryableError) or is_retryable(error)):
                raise
            logger.warning("a round cannot be made ready", extra={"error_class": type(error).__name__})
            return [_REPEAT if one.repeated else _NOT_SENT] * len(one)
        present = [contact for contact in contacts if contact is not None]
        if len(present) == len(one):
            return await self._hand_over_work(Work(one, incident, present))
        rows = [row for row, contact in enumerate(contacts) if contact is not None]
        work = Work(one, incident, [contact or Contact() for contact in contacts]).pick(rows)
        results = [_NO_PAYLOAD] * len(one)
        for row, result in zip(rows, await self._hand_over_work(work), strict=True):
            results[row] = result
        return results

    async def _hand_over_work(self, work: Work) -> Sequence[Result]:
        if not work.contacts:
            return []
        begin = self._clock.monotonic()
        handed = await self._provider.hand_over(work, self._go)
        seconds = self._clock.monotonic() - begin
        self._metrics.round_seconds.observe(seconds)
        self._note(handed)
        if handed.outage is None:
            self._pace.took(len(work.contacts), seconds)
        if work.round.repeated:
            # It may have been taken the time before: it stays begun until it is answered.
            return [_REPEAT if result.ending is Ending.NOT_SENT else result for result in handed.results]
        return handed.results

    def _note(self, handed: HandOver) -> None:
        """Leave a provider alone for a while when it cannot take more; longer each time that nothing went through."""
        if any(result.ending is Ending.ACCEPTED for result in handed.results):
            self._outages = 0
        if handed.outage is None:
            self._metrics.paused.set(0)
            return
        pause = backoff(self._outages, base=0.5, cap=30.0, random=random.random)  # soon after it is back, never a storm
        asked = handed.outage.after
        self._outages += 1
        self._paused_until = self._clock.monotonic() + (min(asked, _LONGEST_PAUSE) if asked is not None else pause)
        self._metrics.paused.set(1)

    async def _record(self, one: Round, results: Sequence[Result]) -> None:
        """Write the outcome, as often as it takes: what it says is known to nobody else."""
        ended = _settled(one, results)
        give_up_at = self._clock.monotonic() + _OUTCOME_PATIENCE
        attempt = 0
        while True:
            try:
                done = await self._write(one, ended)
                break
            except Exception as error:
                if not (isinstance(error, LostOwnershipError) or is_retryable(error)):
                    raise
                if self._clock.monotonic() > give_up_at:
                    logger.warning("an outcome could not be written", extra={"partition": one.partition})
                    return
            await asyncio.sleep(backoff(attempt, base=0.2, cap=5.0, random=random.random))
            attempt += 1
        self._count(one, results, done)
        self._look_again(one, ended)

    async def _write(self, one: Round, ended: Sequence[Settled]) -> list[int]:
        """Settle a round's attempts; returns the rows that this settled, and not somebody else."""
        now = self._clock.now()
        async with self._stage.fenced([one.partition]) as transaction:
            done = await self._store.settle(transaction.connection, one, ended, now)
            if len(done) == len(one):
                outputs = self._outcomes.outputs(one.partition, one.notices, ended, now)
            else:
                settled_here = [ended[row] for row in done]
                outputs = self._outcomes.outputs(one.partition, one.notices.pick(done), settled_here, now)
            transaction.emit(outputs)
        self._unsent.difference_update(one.numbers)
        return done

    def _count(self, one: Round, results: Sequence[Result], rows: Sequence[int]) -> None:
        self._metrics.count(_tally(results, rows))
        accepted = [one.notices.accepted_at[row] for row in rows if results[row].ending is Ending.ACCEPTED]
        self._metrics.handed_over(accepted, int(self._clock.now().timestamp() * 1000))

    def _look_again(self, one: Round, ended: Sequence[Settled]) -> None:
        """Come back for the attempts that stay begun when their wait is over."""
        waits = [outcome.wait for outcome in set(ended) if outcome.state is AttemptState.INTENT]
        if waits and one.partition in self._settle_at:
            at = self._clock.monotonic() + min(waits)
            self._settle_at[one.partition] = min(at, self._settle_at[one.partition])


def _settled(one: Round, results: Sequence[Result]) -> list[Settled]:
    """Return what is stored. A round's waits share their jitter: a batch stays together."""
    spread = random.random()  # noqa: S311 - to spread waits, not to hide anything
    known: dict[tuple[int, int], Settled] = {}  # thousands of rows share a handful of results, the very same ones
    ended = []
    for result, tries in zip(results, one.tries, strict=True):
        found = known.get((id(result), tries))
        if found is None:
            found = known[id(result), tries] = settled(result, tries, _wait(result.ending, tries, spread))
        ended.append(found)
    return ended


def _tally(results: Sequence[Result], rows: Sequence[int]) -> dict[str, int]:
    """Count these rows' outcomes by their names."""
    kinds = {id(result): result.ending.value for result in results}
    tally: Tally[str] = Tally()
    for kind, number in Tally(id(results[row]) for row in rows).items():
        tally[kinds[kind]] += number
    return tally


def _wait(ending: Ending, tries: int, spread: float) -> float:
    # A mailbox that puts us off wants minutes (greylisting); an answer that did not come can be asked for again soon.
    base = 30.0 if ending is Ending.NOT_NOW else 1.0
    return backoff(tries, base=base, cap=3600.0, random=lambda: spread)


async def _rest(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), _POLL)
    except TimeoutError:
        return
