"""Keeps the leases of a stage: renews them, takes partitions, gives partitions away, notices what was lost."""

import asyncio
import logging
import time
from collections.abc import Collection

from services.kit.postgres import is_retryable
from services.kit.retry import pause_until
from services.kit.stage.context import StageContext
from services.kit.stage.leases import Leases

__all__ = ["LeaseKeeper"]

logger = logging.getLogger(__name__)

# An owner that has nothing to commit learns within this time that it is one no more.
_IDLE_CHECK_SECONDS = 2.0
# Other replicas were faster at taking leases: by then they are done.
_SHORT_SECONDS = 0.2


class LeaseKeeper:
    """Tells the assignment which partitions are leased to this process."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._leases = Leases(
            context.pool, context.stage, context.partitions, holder=context.holder, seconds=context.policy.lease
        )
        self._opened = False
        self._takes_more = True
        self._surplus_since: dict[int, float] = {}

    def take_no_more(self) -> None:
        """Only renew from now on: the stage stops."""
        self._takes_more = False

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the leases until `stop`; a database that is away is asked again until they run out."""
        every = min(self._context.policy.lease / 3, _IDLE_CHECK_SECONDS)
        while not stop.is_set():
            seconds = every
            try:
                if await self._refresh():
                    seconds = _SHORT_SECONDS
            except Exception as error:
                if not is_retryable(error):
                    raise
                logger.warning("leases not renewed", extra={"stage": self._context.stage}, exc_info=True)
            await pause_until(stop, seconds)

    async def leave(self) -> None:
        """Give all leases away; where the database is away, they run out by themselves."""
        try:
            await self._leases.leave()
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("leases not given away, they run out", extra={"stage": self._context.stage})

    async def _refresh(self) -> bool:
        """Renew leases, take and give partitions; tells whether others were faster at taking them."""
        context, assignment = self._context, self._context.assignment
        if not self._opened:
            await self._leases.open()
            self._opened = True
        await context.failpoints.reached("leases: refreshing")
        asked, asked_at = dict(assignment.epochs), time.monotonic()
        holding = await self._leases.refresh(acquire=self._takes_more)
        context.liveness.database_answered(asked_at)
        lost = assignment.reconcile(asked, holding.epochs, frozenset(holding.epochs) - holding.surplus)
        if lost:
            logger.warning("partitions were lost", extra={"stage": context.stage, "count": len(lost)})
        await self._give_away(holding.surplus)
        return holding.short

    async def _give_away(self, surplus: Collection[int]) -> None:
        """Give away partitions beyond our share, each once no work on it is under way, or at the drain time-out."""
        assignment, now = self._context.assignment, time.monotonic()
        self._surplus_since = {partition: self._surplus_since.get(partition, now) for partition in surplus}
        late = now - self._context.policy.drain_timeout
        idle = [
            partition
            for partition, since in self._surplus_since.items()
            if partition not in assignment.begun and (since < late or not assignment.is_held(partition))
        ]
        if idle:
            assignment.forget(idle)
            await self._leases.release(idle)
            logger.info("gave partitions away", extra={"stage": self._context.stage, "count": len(idle)})
