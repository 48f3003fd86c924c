"""Says how far behind a stage is, to people and to the retention of the log."""

import asyncio
import logging
import time
from collections.abc import Callable

from services.kit.errors import RetryableError
from services.kit.retry import pause_until
from services.kit.stage.context import StageContext

__all__ = ["Watcher"]

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0


class Watcher:
    """Shows what waits and who was heard last, and asks the log once a second whether it is there."""

    def __init__(
        self,
        context: StageContext,
        oldest: Callable[[], int | None],
        unpublished: Callable[[], int | None] | None = None,
    ) -> None:
        """Make a watcher.

        `oldest` gives the time of the oldest block that waits to be committed, `unpublished` that of the oldest one
        that is committed and waits to be published, both in ms since 1970.
        """
        self._context = context
        metrics, liveness = context.metrics, context.liveness
        metrics.expect(context.stage, context.partitions)
        metrics.hear("log", liveness.log_heard_at)
        metrics.hear("database", liveness.database_heard_at)
        # Asked at the scrape: while nothing moves here, the ages still do.
        metrics.oldest_unprocessed_seconds.set_function(lambda: _age(oldest()))
        if unpublished:
            metrics.outbox_oldest_seconds.set_function(lambda: _age(unpublished()))

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`; a log that is away is asked again next time."""
        while not stop.is_set():
            try:
                await self._report()
            except RetryableError as error:
                logger.warning("the log is away: %s", error, extra={"stage": self._context.stage})
            await pause_until(stop, _EVERY_SECONDS)

    async def _report(self) -> None:
        context = self._context
        backlog = await context.log.backlog()
        context.metrics.backlog.set(sum(backlog.values()))
        context.liveness.log_answered()
        await context.log.note_progress(context.assignment.cursors)


def _age(at: int | None) -> float:
    return 0.0 if at is None else max(0.0, time.time() - at / 1000)
