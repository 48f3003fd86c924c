"""The loop that turns blocks into effects: take over, read, decide, commit, while the next blocks are being read."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from services.kit.errors import InvalidMessage, LostOwnershipError, RetryableError
from services.kit.eventlog import DlqTally, Record, is_foreign
from services.kit.postgres import is_retryable
from services.kit.retry import backoff, pause_until
from services.kit.stage.commit import commit
from services.kit.stage.context import StageContext
from services.kit.stage.faults import Interrupted, NotReadyError, Remedy, remedy_for
from services.kit.stage.plan import Read, by_partition, over_limit, plan_batch
from services.kit.stage.publisher import Publisher
from services.kit.stage.takeover import TakenOver, take_over

__all__ = ["BlockLoop"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class BlockLoop:
    """Takes over what is wanted, and works through its blocks in batches, one transaction at a time."""

    def __init__(self, context: StageContext, publisher: Publisher | None) -> None:
        """Make the loop; `publisher` is there where the log lies outside the database."""
        self._context = context
        self._publisher = publisher
        self._tallies: dict[int, DlqTally] = {}
        self._failures = 0  # in a row
        self._in_hand: int | None = None  # ms since 1970 of the oldest block read and not committed
        self._fetched: int | None = None  # the same of the batch read ahead
        self._set_back: int | None = None  # the same of what was read and has to be read again

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`; after a fault that passes, begin again from what the database says."""
        while not stop.is_set():
            try:
                await self._take_over()
                await self._work()
            except Interrupted:
                continue
            except LostOwnershipError as error:
                after = 0.0
                logger.warning("taking over afresh: %s", error, extra={"stage": self._context.stage})
                self._context.assignment.forget_all()
            except Exception as error:
                if not is_retryable(error):
                    raise
                after = self._note_passing(error)
            await self._pause(stop, at_least=after)

    def oldest(self) -> int | None:
        """Return the time of the oldest block that waits here, in ms since 1970; None where none does."""
        waiting = [at for at in (self._in_hand, self._fetched, self._set_back) if at is not None]
        waiting += [still.at for still in self._context.assignment.stopped.values() if still.at]
        return min(waiting, default=None)

    def _note_passing(self, error: Exception) -> float:
        """Forget what a fault of the database may have made wrong; returns the seconds that the fault asks to wait."""
        logger.warning(
            "a passing fault", extra={"stage": self._context.stage, "attempt": self._failures}, exc_info=error
        )
        if isinstance(error, RetryableError):
            return error.after or 0.0
        self._context.assignment.forget_all()
        return 0.0

    async def _pause(self, stop: asyncio.Event, *, at_least: float) -> None:
        """Wait before beginning again, longer each time, and as long as was asked for."""
        policy = self._context.policy
        seconds = backoff(self._failures, base=policy.backoff_base, cap=policy.backoff_cap, random=random.random)
        self._failures += 1
        await pause_until(stop, max(seconds, at_least))

    async def _take_over(self) -> None:
        """Take over what is wanted; what was left unpublished goes out before the work begins."""
        began = time.monotonic()
        waiting = [at for at in (self._in_hand, self._fetched, self._set_back) if at is not None]
        self._set_back = min(waiting, default=None)
        self._in_hand = self._fetched = None
        taken = await take_over(self._context)
        if self._publisher:
            self._publisher.begin(taken.sound_epochs(), taken.published)
            await self._publisher.publish_once()
        if not self._context.assignment.begin(taken.epochs, taken.cursors):
            raise Interrupted
        for partition, reason in taken.faults.items():
            self.stop_partition(partition, reason)
        self._context.news.spread()
        self._log_take_over(taken, time.monotonic() - began)
        await self._context.failpoints.reached("take-over: done")

    def _log_take_over(self, taken: TakenOver, seconds: float) -> None:
        self._context.metrics.takeovers.inc(len(taken.fresh))
        if taken.fresh:
            context, count = self._context, len(taken.fresh)
            extra = {"stage": context.stage, "count": count, "holder": context.holder, "seconds": round(seconds, 3)}
            logger.info("took over", extra=extra)

    async def _work(self) -> None:
        """Work through blocks until something changes; the next are read while these are committed."""
        reading = asyncio.create_task(self._read(), name="read ahead")
        try:
            while True:
                reads = await self._unless_interrupted(reading)
                self._in_hand, self._fetched, self._set_back = self._fetched, None, None
                reading = asyncio.create_task(self._read(), name="read ahead")
                if reads:
                    await self._process(reads)
                self._in_hand = None
                self._failures = 0
        finally:
            reading.cancel()
            await asyncio.wait({reading})

    async def _unless_interrupted(self, task: "asyncio.Task[T]") -> T:
        """Wait for a task. Raises Interrupted, the task cancelled, when partitions come or go or the stage stops."""
        assignment = self._context.assignment
        if assignment.is_interrupted() or not task.done():
            interruption = asyncio.create_task(assignment.wait_for_interruption(), name="wait for a change")
            try:
                await asyncio.wait({task, interruption}, return_when=asyncio.FIRST_COMPLETED)
                if assignment.is_interrupted():
                    raise Interrupted
            finally:
                interruption.cancel()
                if not task.done():
                    task.cancel()
        return task.result()

    async def _read(self) -> list[Read]:
        context = self._context
        records = await context.log.fetch(context.policy.max_blocks, context.policy.fetch_wait)
        if records:  # without any the log may not have been asked: the watcher asks it each second
            context.liveness.log_answered()
            self._fetched = min(record.at for record in records)
        return [self._decode(record) for record in records]

    def _decode(self, record: Record) -> Read:
        if record.value is None:
            return Read(record, invalid=InvalidMessage("tombstone"))
        if not record.source and not is_foreign(record.topic):
            return Read(record, invalid=InvalidMessage("no-source"))
        try:
            return Read(record, work=self._context.handler.decode(record))
        except InvalidMessage as error:
            return Read(record, invalid=error)
        except Exception as error:  # noqa: BLE001 - it is raised again where it is known what else would suffer
            return Read(record, bug=error)

    async def _process(self, reads: Sequence[Read]) -> None:
        """Commit a batch.

        Raises the fault of a partition that has to wait for something, once the others are done.
        """
        began = time.monotonic()
        tallies, over = over_limit(reads, self._tallies, self._context.policy.dlq_limit)
        for partition, reason in over.items():
            self.stop_partition(partition, reason, next(r.record for r in reads if r.record.partition == partition))
        late = await self._commit_in_parts(reads)
        # What is late is read again, and counted then.
        self._tallies |= {partition: tally for partition, tally in tallies.items() if partition not in late}
        self._context.metrics.batch_seconds.observe(time.monotonic() - began)
        if late:
            raise next(iter(late.values()))

    async def _commit_in_parts(self, reads: Sequence[Read]) -> dict[int, Exception]:
        """Commit a batch, cut in parts where a fault asks for it; returns the partitions that wait, and for what."""
        parts, collisions = [reads], 0
        late: dict[int, Exception] = {}
        while parts:
            # What follows in a partition that stands still, or has to wait, must not overtake.
            halted = {*self._context.assignment.stopped, *late}
            part = [read for read in parts.pop() if read.record.partition not in halted]
            try:
                await self._attempt(part)
            except Exception as error:
                match remedy_for(error, collisions):
                    case Remedy.RETRY:
                        collisions += 1
                        parts.append(part)
                    case Remedy.WAIT if len(apart := by_partition(part)) > 1:
                        parts += apart
                    case Remedy.WAIT:
                        late[part[0].record.partition] = error
                    case Remedy.CUT:
                        parts += self._cut(part, error)
                    case Remedy.RAISE:
                        raise
        return late

    def _cut(self, part: Sequence[Read], error: Exception) -> list[Sequence[Read]]:
        """Return the halves of a batch that failed, the later one first; a single block stops its partition."""
        if len(part) == 1:
            record = part[0].record
            logger.error("our code cannot digest a block", extra=self._context.place_of(record), exc_info=error)
            self.stop_partition(record.partition, f"a block raised {type(error).__name__}", record)
            return []
        return [part[len(part) // 2 :], part[: len(part) // 2]]

    async def _attempt(self, part: Sequence[Read]) -> None:
        """Commit these blocks in one transaction."""
        for read in part:
            if read.bug is not None:
                raise read.bug
        context = self._context
        plan = plan_batch(part, context.assignment.cursors, offsets=context.log.outside_database)
        work = [read.work for read in plan.taken if read.invalid is None]
        if work:
            await self._unless_interrupted(asyncio.create_task(self._until_ready(work), name="wait until ready"))
        if plan.moves:
            async with context.turn:
                await commit(context, plan, work)
                self._failures = 0
        for partition, record in plan.gaps.items():
            self.stop_partition(partition, f"sequence {record.seq} of {record.source} came too early", record)

    async def _until_ready(self, work: Sequence[Any]) -> None:
        try:
            await self._context.handler.ready(work)
        except RetryableError as error:
            raise NotReadyError(error) from error

    def stop_partition(self, partition: int, reason: str, record: Record | None = None) -> None:
        """Let a partition stand still; `record` is where it stands, without one nothing of it is touched."""
        context = self._context
        place = context.place_of(record) if record else {"stage": context.stage, "partition": partition}
        logger.error("partition %d stands still: %s", partition, reason, extra={**place, "reason": reason})
        context.assignment.stop(partition, reason, at=record.at if record else 0, wholly=record is None)
        context.log.pause([at for at in context.assignment.cursors if at.partition == partition])
