"""Closes print runs: the total is fixed first, then handed over, then noted as handed over.

A process that dies in between leaves a run whose total stays as it is: the partition's next owner hands the same over.
"""

import logging
from collections.abc import Callable, Collection
from datetime import timedelta

from services.core.clock import Clock
from services.dispatch.provider import FileProvider, Provider
from services.dispatch.run_store import RunStore
from services.kit.postgres import Pool
from services.kit.stage import StageHandle
from services.rendering.letters.print_job import letter_date

__all__ = ["Closing", "closing_of"]

logger = logging.getLogger(__name__)

_LOOK = 1.0  # seconds between two looks; a run is closed once a day
_AGAIN = 10.0  # seconds after which a total is handed over again that the print house could not be given
_NEVER = timedelta(days=3650)


class Closing:
    """Closes the print runs of owned partitions when their day is over, or when nothing was added for a while."""

    def __init__(
        self,
        *,
        provider: FileProvider,
        stage: StageHandle,
        pool: Pool,
        clock: Clock,
    ) -> None:
        self._provider = provider
        self._stage = stage
        self._pool = pool
        self._runs = RunStore()
        self._clock = clock
        close_after = provider.traits.close_after
        self._quiet = _NEVER if close_after is None else close_after
        self._look_at = 0.0

    async def look(self, partitions: Collection[int], go: Callable[[], bool]) -> None:
        """Close what is due, unless somebody looked just now. Raises LostOwnershipError, and what databases raise."""
        if self._clock.monotonic() < self._look_at:
            return
        self._look_at = self._clock.monotonic() + _LOOK
        now = self._clock.now()
        async with self._pool.acquire() as connection:
            due = await self._runs.due(connection, partitions, letter_date(now), now - self._quiet)
        for run, partition in due:
            if go():
                with self._stage.hold([partition]):
                    await self._close(run, partition)

    async def _close(self, run: str, partition: int) -> None:
        async with self._stage.fenced([partition]) as transaction:
            total = await self._runs.begin_closing(transaction.connection, run, self._clock.now())
        if total is None:
            return
        if not await self._provider.close_run(total):
            self._look_at = self._clock.monotonic() + _AGAIN
            return
        async with self._stage.fenced([partition]) as transaction:
            await self._runs.close(transaction.connection, run, self._clock.now())
        about = {"run": run, "files": len(total.files), "count": total.letters}
        logger.info("a print run is closed", extra=about)


def closing_of(provider: Provider, stage: StageHandle, pool: Pool, clock: Clock) -> Closing | None:
    """Return what closes the print runs of a provider; None where it is given no files."""
    if not isinstance(provider, FileProvider):
        return None
    return Closing(provider=provider, stage=stage, pool=pool, clock=clock)
