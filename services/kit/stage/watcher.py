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
    """Measures the oldest block that waits, and asks the log once a second whether it is there."""

    def __init__(self, context: StageContext, oldest: Callable[[], int | None]) -> None:
        """Make a watcher; `oldest` gives the time of the oldest block that waits, in ms since 1970."""
        self._context = context
        self._oldest = oldest

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`; a log that is away is asked again next time."""
        while not stop.is_set():
            self._measure()
            try:
                await self._report()
            except RetryableError as error:
                logger.warning("the log is away: %s", error, extra={"stage": self._context.stage})
            await pause_until(stop, _EVERY_SECONDS)

    def _measure(self) -> None:
        oldest = self._oldest()
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
        self._context.metrics.oldest_unprocessed_seconds.set(age)

    async def _report(self) -> None:
        context = self._context
        await context.log.backlog()
        context.liveness.log_answered()
        await context.log.note_progress(context.assignment.cursors)
