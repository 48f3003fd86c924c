"""The stage of one process: its parts, and the order in which they begin and end.

Exactly-once effects on logs that deliver at least once: positions, effects and outgoing blocks move in one
transaction that first proves that this process still owns the partition. How, is in `loop` and `commit` (batches),
`lease_keeper`, `leases` and `epochs` (ownership), `takeover` (what a new owner does first) and `publisher` (a log
outside the database).
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager

from services.kit.errors import LostOwnershipError
from services.kit.postgres import is_retryable
from services.kit.stage.context import StageContext
from services.kit.stage.lease_keeper import LeaseKeeper
from services.kit.stage.loop import BlockLoop
from services.kit.stage.port import Fenced
from services.kit.stage.publisher import Publisher
from services.kit.stage.ticker import Ticker
from services.kit.stage.transaction import job_transaction
from services.kit.stage.watcher import Watcher

__all__ = ["Stage"]


logger = logging.getLogger(__name__)


class Stage:
    """Takes partitions, works on their blocks, and gives them back whole. It runs once."""

    def __init__(self, context: StageContext) -> None:
        """Make a stage; nothing happens until `run`."""
        self._context = context
        self._assignment = context.assignment
        self._publisher = Publisher(context) if context.log.outside_database else None
        self._loop = BlockLoop(context, self._publisher)
        self._lease_keeper = LeaseKeeper(context)
        self._ticker = Ticker(context)
        self._watcher = Watcher(context, self._loop.oldest, self._publisher.oldest if self._publisher else None)

    def owned(self) -> frozenset[int]:
        """Return the partitions that this process owns now."""
        return self._assignment.owned()

    def epochs(self) -> Mapping[int, int]:
        """Return the epoch of each owned partition."""
        return self._assignment.epochs_of(self.owned())

    def fenced(self, partitions: Collection[int]) -> AbstractAsyncContextManager[Fenced]:
        """Open a transaction on these owned partitions.

        Raises LostOwnershipError, with nothing written, where one of them is not ours any more.
        """
        return job_transaction(self._context, partitions)

    def hold(self, partitions: Collection[int]) -> AbstractContextManager[None]:
        """Keep these partitions here as long as the context lasts, within the drain time-out."""
        return self._assignment.hold(partitions)

    def waits_since(self) -> int | None:
        """Return when the oldest block came that was fetched and waits, in ms since 1970; None where none does."""
        return self._loop.oldest()

    def healthy(self) -> bool:
        """Tell whether log and database were heard from within a lease."""
        return self._context.liveness.both_within(self._context.policy.lease)

    def news(self) -> asyncio.Event:
        """Return an event that is set whenever something was committed here, or heard beside the blocks."""
        return self._context.news.subscribe()

    def stand_still(self, partition: int, reason: str) -> None:
        """Have nothing of a partition touched until it is taken over anew."""
        self._loop.stop_partition(partition, reason)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish: the current transaction, what jobs hold, what is to be published.

        Leases are kept until all that is done and given away last, so that the next owner begins at once where this
        one ended.
        """
        finished = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lease_keeper.run(finished), name="leases")
                group.create_task(self._watcher.run(finished), name="watch")
                if self._publisher:
                    group.create_task(self._publisher.run(finished), name="publish")
                group.create_task(self._interrupt_at(stop), name="interrupt")
                ticks = group.create_task(self._ticker.run(stop), name="ticks")
                await group.create_task(self._loop.run(stop), name="blocks")
                await ticks
                await self._drain()
                finished.set()
                self._context.committed.set()  # the publisher waits for this, and sees that all is finished
            await self._lease_keeper.leave()
        finally:
            self._assignment.forget_all()

    async def _interrupt_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._lease_keeper.take_no_more()
        self._assignment.interrupt()
        self._context.news.spread()  # nobody sleeps on

    async def _drain(self) -> None:
        """Wait for jobs that hold partitions, then publish what is left; no longer than the drain time-out."""
        try:
            async with asyncio.timeout(self._context.policy.drain_timeout):
                await self._assignment.wait_until_let_go()
                if self._publisher:
                    await self._publisher.publish_all()
        except TimeoutError:
            logger.warning("not drained in time", extra={"stage": self._context.stage})
        except Exception as error:
            if not isinstance(error, LostOwnershipError) and not is_retryable(error):
                raise
