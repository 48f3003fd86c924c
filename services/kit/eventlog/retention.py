"""Keeps the log table small: a block goes after its retention, once every reader or the log outside has it."""

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path

from notification.topics import TOPICS

from services.kit.eventlog.port import EventLog, TopicPartition
from services.kit.eventlog.topics import DLQ_SOURCE, dead_letter_topics, readers_of, retention_of
from services.kit.postgres import Connection, Pool, Queries, is_retryable
from services.kit.retry import pause_until

__all__ = ["Retention", "prune_published", "prune_read"]

logger = logging.getLogger(__name__)

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_EVERY = 60.0  # blocks are kept for days: a minute more or less is nothing
_LIMIT = 5000  # rows a statement: it holds back neither vacuum nor writers


class Retention:
    """One stage's part. The owner of its partition 0 does it, so that replicas do not delete side by side.

    Where the log is the table itself, a block of this stage goes once every stage has read it. Where the log lies
    outside the database, the table is the outbox, and a block goes once the log has acknowledged it.
    """

    def __init__(
        self, pool: Pool, log: EventLog, stage: str, owned: Callable[[], Collection[int]], keep: timedelta
    ) -> None:
        self._pool = pool
        self._log = log
        self._stage = stage
        self._owned = owned
        self._keep = keep

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
        return await (self._prune_published() if self._log.outside_database else self._prune_read())

    async def _prune_read(self) -> int:
        deleted = 0
        while True:
            async with self._pool.acquire() as connection:
                now = await prune_read(connection, self._stage, self._keep)
            deleted += now
            if now < _LIMIT:
                return deleted

    async def _prune_published(self) -> int:
        deleted = 0
        for topic, partition, published in await self._pool.fetch(_QUERIES["published"], self._stage):
            at, now = TopicPartition(topic, partition), _LIMIT
            while now == _LIMIT:
                async with self._pool.acquire() as connection:
                    now = await prune_published(connection, self._stage, at, published, retention=self._keep)
                deleted += now
        return deleted


async def prune_read(connection: Connection, stage: str, retention: timedelta, limit: int = _LIMIT) -> int:
    """Delete at most `limit` blocks of `stage` older than `retention` that all have taken; returns how many.

    Who wrote a block prunes it, and nobody else may; dead letters that were sent back are pruned by who reads them. For
    a log inside the database only. Topics that are kept for ever stay; dead letters are kept for their own time. Call
    it again while it returns `limit`: a bounded delete holds back neither vacuum nor writers.
    """
    names = [spec.name for spec in TOPICS]
    kept = {name: retention_of(name, retention) for name in (*names, *dead_letter_topics())}
    rules = {name: keep for name, keep in kept.items() if keep is not None}
    readers = [(name, stage) for name in names for stage in readers_of(name)]
    status = await connection.execute(
        _QUERIES["prune_read"],
        list(rules),
        list(rules.values()),
        [name for name, _ in readers],
        [stage for _, stage in readers],
        limit,
        stage,
        DLQ_SOURCE,
    )
    return _count(status)


async def prune_published(
    connection: Connection,
    source: str,
    at: TopicPartition,
    published: int,
    *,
    retention: timedelta,
    limit: int = _LIMIT,
) -> int:
    """Delete at most `limit` blocks of one source and partition that the log has acknowledged; returns how many.

    `published` is the stage's own mark (`publisher.published`): a block above it is never deleted.
    """
    status = await connection.execute(
        _QUERIES["prune_published"], at.topic, at.partition, source, published, retention, limit
    )
    return _count(status)


def _count(status: str) -> int:
    """Read the number of rows out of a command's status, `DELETE 12`."""
    return int(status.rpartition(" ")[2])
