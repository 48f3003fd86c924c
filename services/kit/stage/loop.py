"""The loop that turns blocks into effects: take over, read, decide, commit, while the next are being read."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import asyncpg

from services.kit.errors import HerautError, InvalidMessage, LostOwnershipError, RetryableError
from services.kit.eventlog import (
    DlqTally,
    EventLog,
    Output,
    Record,
    dead_letter,
    is_dead_letter_topic,
    is_foreign,
    original_of,
)
from services.kit.postgres import Pool, Queries, is_retryable
from services.kit.retry import backoff, pause_until
from services.kit.stage.assignment import Territory, Transaction
from services.kit.stage.failpoints import Steps
from services.kit.stage.leases import take_epochs
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.plan import Plan, Read, over_limit, plan_batch
from services.kit.stage.port import Handler, StagePolicy
from services.kit.stage.publisher import Relay
from services.kit.stage.takeover import (
    ahead_of_heads,
    ahead_of_sources,
    assign_those_that_fit,
    input_places,
    last_sequences,
    output_places,
    read_standing,
)

__all__ = ["BlockLoop", "is_passing"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
# Two transactions in each other's way: one was told to come again. A sixth time in a row is no coincidence.
_IN_EACH_OTHERS_WAY = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_COLLISIONS = 5


def is_passing(error: Exception) -> bool:
    """Tell whether a fault passes by itself."""
    return isinstance(error, RetryableError) or is_retryable(error)


@runtime_checkable
class Forwards(Protocol):
    """A log that takes dead letters past the outbox."""

    async def forward(self, output: Output) -> None:
        """Write a dead letter of a topic that is not ours, durably."""
        ...


class _Interrupted(HerautError):  # noqa: N818 - nothing is wrong
    """What is read is wanted no more: partitions came or went, or the stage stops."""


class _NotReadyError(HerautError):
    """What some blocks refer to is not known here yet; `error` says when to come again."""

    def __init__(self, error: RetryableError) -> None:
        super().__init__(str(error))
        self.error = error


class BlockLoop:
    """Takes over what is wanted, and works through its blocks in batches, one transaction at a time."""

    def __init__(
        self,
        *,
        stage: str,
        topics: Sequence[str],
        partitions: int,
        holder: str,
        pool: Pool,
        event_log: EventLog,
        handler: Handler[Any],
        territory: Territory,
        relay: Relay | None,
        policy: StagePolicy,
        metrics: StageMetrics,
        steps: Steps,
        turn: asyncio.Lock,
    ) -> None:
        self._stage = stage
        self._topics = topics
        self._partitions = partitions
        self._holder = holder
        self._pool = pool
        self._log = event_log
        self._handler = handler
        self._territory = territory
        self._relay = relay
        self._policy = policy
        self._metrics = metrics
        self._steps = steps
        self._turn = turn  # held during a transaction, so that a tick and a batch never run at the same time
        self._tallies: dict[int, DlqTally] = {}
        self._failures = 0  # in a row
        self._in_hand: int | None = None  # ms since 1970 of the oldest block read and not committed
        self._fetched: int | None = None  # the same of the batch read ahead
        self.heard_log = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; a fault that passes makes it begin again from what the database says."""
        while not stop.is_set():
            try:
                await self._settle()
                await self._work()
            except _Interrupted:
                continue
            except LostOwnershipError as error:
                after = 0.0
                logger.warning("taking over afresh: %s", error, extra={"stage": self._stage})
                self._territory.forget_all()
            except Exception as error:
                if not is_passing(error):
                    raise
                logger.warning(
                    "a passing fault", extra={"stage": self._stage, "attempt": self._failures}, exc_info=True
                )
                after = error.after or 0.0 if isinstance(error, RetryableError) else 0.0
                if not isinstance(error, RetryableError):
                    self._territory.forget_all()
            await self._pause(stop, at_least=after)

    def oldest(self) -> int | None:
        """Return the time of the oldest block that waits here, in ms since 1970; None where none does."""
        waiting = [at for at in (self._in_hand, self._fetched) if at is not None]
        waiting += [still.at for still in self._territory.stopped.values() if still.at]
        return min(waiting, default=None)

    async def _pause(self, stop: asyncio.Event, *, at_least: float) -> None:
        """Wait before beginning again, longer each time, and as long as was asked for."""
        policy = self._policy
        seconds = backoff(self._failures, base=policy.backoff_base, cap=policy.backoff_cap, random=random.random)
        self._failures += 1
        await pause_until(stop, max(seconds, at_least))

    async def _settle(self) -> None:
        """Take over what is wanted and not ours yet, and read on from what the database says of all of it."""
        territory = self._territory
        territory.changed.clear()
        self._in_hand = self._fetched = None
        wanted = territory.wanted
        territory.begun &= wanted
        fresh = sorted(wanted - territory.epochs.keys())
        began = time.monotonic()
        if fresh:
            await self._steps.reached("take-over: begun")
            territory.epochs.update(await take_epochs(self._pool, self._stage, self._holder, fresh))
            await self._steps.reached("take-over: epochs committed")
        epochs = {p: territory.epochs[p] for p in sorted(wanted & territory.epochs.keys())}
        ours = list(epochs)
        places = input_places(self._topics, ours, self._partitions)
        if self._relay:
            written = output_places(self._stage, self._topics, ours, self._partitions)
            last = await last_sequences(self._log, self._stage, written)
            standing = await read_standing(self._pool, self._stage, places, ours)
            wrong = ahead_of_heads(last, standing)
        else:
            standing = await read_standing(self._pool, self._stage, places, ours)
            wrong = await ahead_of_sources(self._pool, standing)
        sound = {at: cursor for at, cursor in standing.cursors.items() if at.partition not in wrong}
        wrong |= await assign_those_that_fit(self._log, sound)
        self.heard_log = time.monotonic()
        if self._relay:
            self._relay.begin({p: epoch for p, epoch in epochs.items() if p not in wrong}, standing.published)
            await self._relay.publish_once()
        if not epochs.items() <= territory.epochs.items():
            raise _Interrupted  # lost while we read
        territory.begin(ours, {at: cursor for at, cursor in sound.items() if at.partition not in wrong})
        for partition, reason in wrong.items():
            self._stop_partition(partition, reason)
        if fresh and epochs:
            count = len(epochs.keys() & set(fresh))
            seconds = round(time.monotonic() - began, 3)
            logger.info(
                "took over",
                extra={"stage": self._stage, "count": count, "holder": self._holder, "seconds": seconds},
            )
        await self._steps.reached("take-over: done")

    async def _work(self) -> None:
        """Work through blocks until something changes; the next are read while these are committed."""
        reading = asyncio.create_task(self._read(), name="read ahead")
        try:
            while True:
                reads = await self._unless_changed(reading)
                self._in_hand, self._fetched = self._fetched, None
                reading = asyncio.create_task(self._read(), name="read ahead")
                if reads:
                    await self._process(reads)
                self._in_hand = None
                self._failures = 0
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _unless_changed(self, task: "asyncio.Task[T]") -> T:
        """Wait for a task. Raises _Interrupted, the task cancelled, when partitions come or go or the stage stops."""
        if self._territory.changed.is_set() or not task.done():
            changed = asyncio.create_task(self._territory.changed.wait(), name="wait for a change")
            try:
                await asyncio.wait({task, changed}, return_when=asyncio.FIRST_COMPLETED)
                if self._territory.changed.is_set():
                    raise _Interrupted
            finally:
                changed.cancel()
                if not task.done():
                    task.cancel()
        return task.result()

    async def _read(self) -> list[Read]:
        records = await self._log.fetch(self._policy.max_blocks, self._policy.fetch_wait)
        self.heard_log = time.monotonic()
        if records:
            self._fetched = min(record.at for record in records)
        return [self._decode(record) for record in records]

    def _decode(self, record: Record) -> Read:
        if record.value is None:
            return Read(record, invalid=InvalidMessage("tombstone"))
        if not record.source and not is_foreign(record.topic):
            return Read(record, invalid=InvalidMessage("no-source"))
        try:
            return Read(record, work=self._handler.decode(record))
        except InvalidMessage as error:
            return Read(record, invalid=error)
        except Exception as error:  # noqa: BLE001 - it is raised again where it is known what else would suffer
            return Read(record, bug=error)

    async def _process(self, reads: Sequence[Read]) -> None:
        """Commit a batch. One that our code cannot digest is cut in halves until the block is found.

        Raises RetryableError where a partition has to wait for something, once the others are done.
        """
        began = time.monotonic()
        tallies, over = over_limit(reads, self._tallies, self._policy.dlq_limit)
        for partition, reason in over.items():
            self._stop_partition(partition, reason, next(r.record for r in reads if r.record.partition == partition))
        parts, collisions = [reads], 0
        late: dict[int, RetryableError] = {}  # partition -> what it has to wait for
        while parts:
            # What follows in a partition that stands still, or has to wait, must not overtake.
            halted = {*self._territory.stopped, *late}
            part = [read for read in parts.pop() if read.record.partition not in halted]
            try:
                await self._attempt(part)
            except _IN_EACH_OTHERS_WAY:
                collisions += 1
                if collisions > _COLLISIONS:
                    raise
                parts.append(part)
            except _NotReadyError as waiting:
                apart = _by_partition(part)
                if len(apart) > 1:
                    parts += apart
                else:
                    late[part[0].record.partition] = waiting.error
            except Exception as error:
                if isinstance(error, LostOwnershipError | _Interrupted) or is_passing(error):
                    raise
                parts += self._cut(part, error)
        # What is late is read again, and counted then.
        self._tallies |= {partition: tally for partition, tally in tallies.items() if partition not in late}
        self._metrics.batch_seconds.observe(time.monotonic() - began)
        if late:
            raise next(iter(late.values()))

    def _cut(self, part: Sequence[Read], error: Exception) -> list[Sequence[Read]]:
        """Return the halves of a batch that failed, the later one first; a single block stops its partition."""
        if len(part) == 1:
            record = part[0].record
            logger.error("our code cannot digest a block", extra=_place(self._stage, record), exc_info=error)
            self._stop_partition(record.partition, f"a block raised {type(error).__name__}", record)
            return []
        return [part[len(part) // 2 :], part[: len(part) // 2]]

    async def _attempt(self, part: Sequence[Read]) -> None:
        """Commit these blocks in one transaction."""
        for read in part:
            if read.bug is not None:
                raise read.bug
        plan = plan_batch(part, self._territory.cursors, offsets=self._relay is not None)
        work = [read.work for read in plan.taken if read.invalid is None]
        if work:
            await self._unless_changed(asyncio.create_task(self._until_ready(work), name="wait until ready"))
        if plan.moves:
            async with self._turn:
                await self._commit(plan, work)
        for partition, record in plan.gaps.items():
            self._stop_partition(partition, f"sequence {record.seq} of {record.source} came too early", record)

    async def _until_ready(self, work: Sequence[Any]) -> None:
        try:
            await self._handler.ready(work)
        except RetryableError as error:
            raise _NotReadyError(error) from error

    async def _commit(self, plan: Plan, work: Sequence[Any]) -> None:
        territory = self._territory
        async with territory.transaction({move.at.partition for move in plan.moves}, "batch") as fenced:
            await self._move(fenced, plan)
            await self._steps.reached("batch: moved")
            outputs = list(await self._handler.apply(fenced.connection, work)) if work else []
            outputs += [
                dead_letter(read.record, self._stage, type(read.invalid).__name__, read.invalid.reason)
                for read in plan.taken
                if read.invalid is not None
            ]
            fenced.emit(await self._less_foreign(outputs))
        territory.cursors.update((move.at, move.after) for move in plan.moves)
        self._failures = 0
        self._count(plan)

    async def _move(self, fenced: Transaction, plan: Plan) -> None:
        """Compare and swap positions. Raises LostOwnershipError where one of them is not where we left it."""
        moves = plan.moves
        status = await fenced.connection.execute(
            _QUERIES["move_input"],
            self._stage,
            [move.at.topic for move in moves],
            [move.at.partition for move in moves],
            [move.before.next_offset for move in moves],
            [move.before.taken for move in moves],
            [move.after.next_offset for move in moves],
            [move.after.taken for move in moves],
        )
        if status != f"UPDATE {len(moves)}":
            raise LostOwnershipError(f"{self._stage}: of {len(moves)} positions some moved under us ({status})")

    async def _less_foreign(self, outputs: Sequence[Output]) -> list[Output]:
        """Send dead letters of topics that are not ours straight to the log: the database must not hold them."""
        kept: list[Output] = []
        for output in outputs:
            if isinstance(self._log, Forwards) and _is_foreign_dead_letter(output.topic):
                await self._log.forward(output)
            else:
                kept.append(output)
        return kept

    def _count(self, plan: Plan) -> None:
        metrics = self._metrics
        metrics.records.inc(len(plan.taken))
        metrics.repeated.inc(plan.repeated)
        for read in plan.taken:
            if read.invalid is not None:
                metrics.dead_letters(read.invalid.reason).inc()
                logger.warning(
                    "set a block aside", extra={**_place(self._stage, read.record), "reason": read.invalid.reason}
                )

    def _stop_partition(self, partition: int, reason: str, record: Record | None = None) -> None:
        """Let a partition stand still; `record` is where it stands, without one nothing of it is touched."""
        place = _place(self._stage, record) if record else {"stage": self._stage, "partition": partition}
        logger.error("partition %d stands still: %s", partition, reason, extra={**place, "reason": reason})
        self._territory.stop(partition, reason, at=record.at if record else 0, wholly=record is None)
        self._log.pause([at for at in self._territory.cursors if at.partition == partition])


def _by_partition(reads: Sequence[Read]) -> list[Sequence[Read]]:
    """Take a batch apart; the order within a partition stays."""
    found: dict[int, list[Read]] = {}
    for read in reads:
        found.setdefault(read.record.partition, []).append(read)
    return list(found.values())


def _place(stage: str, record: Record) -> dict[str, str | int]:
    return {
        "stage": stage,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "source": record.source,
        "seq": record.seq,
    }


def _is_foreign_dead_letter(topic: str) -> bool:
    return is_dead_letter_topic(topic) and is_foreign(original_of(topic)[0])
