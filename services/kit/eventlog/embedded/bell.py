"""Wakes those of a process who wait for blocks of the embedded log: one connection listens for all of them.

Who writes rings where a topic was silent for a while (`outbox.py`), in its transaction: so a bell is heard once the
blocks are there to be read. That is a kindness and no promise. A bell that nobody hears, because the connection was
lost or a pooler kept it, costs the wait until the next look.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection
from typing import Any

from services.kit.eventlog.outbox import BELL
from services.kit.postgres import Connection, Pool, is_retryable
from services.kit.retry import backoff

__all__ = ["Bell"]

logger = logging.getLogger(__name__)

_BACKOFF_BASE, _BACKOFF_CAP = 0.1, 5.0


class Bell:
    """One for a pool. It holds one of its connections as long as somebody listens."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._listeners: dict[object, tuple[Collection[str], Callable[[], None]]] = {}
        self._listening: asyncio.Task[None] | None = None

    def listen(self, who: object, topics: Collection[str], rung: Callable[[], None]) -> None:
        """Call `rung` when there may be new blocks of these topics, in place of those that `who` asked for before."""
        self._listeners[who] = topics, rung
        if self._listening is None:
            self._listening = asyncio.create_task(self._run(), name="bell")

    async def leave(self, who: object) -> None:
        """Call nobody any more; the connection goes with the last one."""
        self._listeners.pop(who, None)
        if not self._listeners and (listening := self._listening):
            self._listening = None
            listening.cancel()
            await asyncio.wait({listening})

    async def _run(self) -> None:
        """Listen for ever; a connection that is lost is replaced."""
        attempt = 0
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._listen_on(connection)
                attempt = 0
            except Exception as error:
                # Nobody waits for this task, so a bug that ended it would be seen nowhere; readers look by themselves.
                if is_retryable(error):
                    logger.warning("nobody listens for new blocks", extra={"error_class": type(error).__name__})
                else:
                    logger.exception("listening for new blocks broke")
            await asyncio.sleep(backoff(attempt, base=_BACKOFF_BASE, cap=_BACKOFF_CAP, random=random.random))
            attempt += 1

    async def _listen_on(self, connection: Connection) -> None:
        """Listen until the connection ends."""
        ended = asyncio.Event()

        def end(_connection: Any) -> None:
            ended.set()

        connection.add_termination_listener(end)
        await connection.add_listener(BELL, self._heard)
        try:
            self._ring(lambda _: True)  # what came while nobody listened
            await ended.wait()
        finally:
            if not connection.is_closed():
                connection.remove_termination_listener(end)
                await connection.remove_listener(BELL, self._heard)

    def _heard(self, _connection: Any, _pid: int, _channel: str, topic: object) -> None:
        self._ring(lambda topics: topic in topics)

    def _ring(self, concerns: Callable[[Collection[str]], bool]) -> None:
        for topics, rung in [*self._listeners.values()]:
            if concerns(topics):
                rung()
