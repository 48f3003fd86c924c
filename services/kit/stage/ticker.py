"""Gives a room its ticks: what time or control asks for, on the partitions that this process owns."""

import asyncio
import logging
import time
from collections.abc import Sequence

from services.kit.errors import LostOwnershipError
from services.kit.postgres import is_retryable
from services.kit.retry import Wait, pause_until
from services.kit.stage.context import StageContext
from services.kit.stage.spans import traced_tick
from services.kit.stage.transaction import job_transaction

__all__ = ["Ticker"]

logger = logging.getLogger(__name__)

_QUIET = 3  # times as long as usual between two ticks without news: what waits then for a time waits for minutes


class Ticker:
    """Calls the handler's `tick` in transactions of its own."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._news = context.news.subscribe()
        self._quiet = Wait(context.policy.tick_every, (_QUIET - 1) * context.policy.tick_every)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop`: about once a second, at once again while ticks give outputs, seldom without news."""
        context, failures = self._context, 0
        while not stop.is_set():
            self._news.clear()
            seconds = context.policy.tick_every
            try:
                if (partitions := sorted(context.assignment.owned())) and await self._tick(partitions):
                    seconds = 0.0
                failures = 0
            except Exception as error:
                if not _passes(error):
                    raise
                logger.warning("a tick did not come through", extra={"stage": context.stage}, exc_info=True)
                seconds = max(seconds, context.policy.wait_after(failures))
                failures += 1
            await pause_until(stop, seconds)
            await self._until_news(stop)

    async def _until_news(self, stop: asyncio.Event) -> None:
        """Wait longer where nothing happened since the tick began; a stop is news, too."""
        if not self._news.is_set() and not stop.is_set():
            await pause_until(self._news, self._quiet.next())
        if self._news.is_set():
            self._quiet.reset()

    async def _tick(self, partitions: Sequence[int]) -> bool:
        """Tick once; tells whether there were outputs. A partition whose tick fails by itself stands still."""
        context = self._context
        try:
            async with context.turn, job_transaction(context, partitions, is_look=True) as fenced:
                began = time.time_ns()
                outputs = await context.handler.tick(fenced.connection, partitions)
                fenced.emit(traced_tick(context, outputs, began))
        except Exception as error:
            if _passes(error):
                raise
            if len(partitions) > 1:
                return any([await self._tick([partition]) for partition in partitions])
            logger.exception("our code fails in a tick", extra={"stage": context.stage, "partition": partitions[0]})
            context.assignment.stop(partitions[0], f"a tick raised {type(error).__name__}", wholly=True)
            return False
        return bool(outputs)


def _passes(error: Exception) -> bool:
    """Tell whether the next tick may succeed: after a take-over, or once the database is back."""
    return isinstance(error, LostOwnershipError) or is_retryable(error)
