"""Keeps the log table small: what everybody has read, or Kafka has acknowledged, goes after its retention."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import timedelta

from services.kit.eventlog.embedded.log import prune, prune_published
from services.kit.eventlog.port import TopicPartition
from services.kit.postgres import Pool, is_retryable
from services.kit.retry import pause_until

__all__ = ["Retention"]


logger = logging.getLogger(__name__)

_EVERY = 60.0  # blocks are kept for days: a minute more or less is nothing
_LIMIT = 5000  # rows a statement: it holds back neither vacuum nor writers


class Retention:
    """One stage's part: whoever owns its partition 0 does it, so that replicas do not delete side by side."""

    def __init__(
        self, pool: Pool, stage: str, owned: Callable[[], Collection[int]], keep: timedelta, *, relayed: bool
    ) -> None:
        """`relayed`: the log is Kafka, the table is outbox and journal; else it is the log itself."""
        self._pool = pool
        self._stage = stage
        self._owned = owned
        self._keep = keep
        self._relayed = relayed

    async def run(self, stop: asyncio.Event) -> None:
        """Delete what is due once a minute until `stop`; a database that is away is tried again next time."""
        while not stop.is_set():
            await pause_until(stop, _EVERY)
            try:
                if not stop.is_set() and 0 in self._owned():
                    await self.prune_once()
            except Exception as error:
                if not is_retryable(error):
                    raise
                logger.warning("old blocks were not deleted", extra={"stage": self._stage}, exc_info=True)

    async def prune_once(self) -> int:
        """Delete all that is due now; returns how many blocks went."""
        return await (self._prune_published() if self._relayed else self._prune_read())

    async def _prune_read(self) -> int:
        deleted = 0
        while True:
            async with self._pool.acquire() as connection:
                now = await prune(connection, self._keep, _LIMIT)
            deleted += now
            if now < _LIMIT:
                return deleted

    async def _prune_published(self) -> int:
        rows = await self._pool.fetch("select topic, partition, published from relay where stage = $1", self._stage)
        deleted = 0
        for topic, partition, published in rows:
            at, now = TopicPartition(topic, partition), _LIMIT
            while now == _LIMIT:
                async with self._pool.acquire() as connection:
                    now = await prune_published(
                        connection,
                        self._stage,
                        at,
                        published,
                        retention=self._keep,
                        limit=_LIMIT,
                    )
                deleted += now
        return deleted
