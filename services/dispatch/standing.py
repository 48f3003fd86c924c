"""Shows what waits on a channel, and since when: a queue is seen while nothing moves in it."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry

from services.dispatch.metrics import StandingMetrics
from services.dispatch.provider import Traits
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.run_store import RunStore
from services.dispatch.store import Store
from services.kit.postgres import Connection, Pool, is_retryable
from services.kit.retry import pause_until

__all__ = ["Standing", "first_seen"]

logger = logging.getLogger(__name__)

_EVERY: Final = 10.0  # seconds: a look goes over all open batches, which are as many as thousands of people
_OLDEST: Final = 256  # batches whose age is followed; the oldest of them is what an alert asks for


class Standing:
    """Looks at the queue of one channel again and again."""

    def __init__(self, pool: Pool, store: Store, registry: CollectorRegistry, traits: Traits) -> None:
        """Make it; nothing is looked up until `run`."""
        self._pool, self._store = pool, store
        self._metrics = StandingMetrics(registry, store.channel)
        self._runs = RunStore() if traits.makes_files else None
        self._rejected = RejectedStore(store.channel)
        self._seen: dict[int, datetime] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`; while the database is away, what was seen last goes on to age."""
        while not stop.is_set():
            try:
                await self.look()
            except Exception as error:
                if not is_retryable(error):
                    raise
                logger.warning("the queue cannot be looked at", extra={"error_class": type(error).__name__})
            await pause_until(stop, _EVERY)

    async def look(self) -> None:
        """Look once."""
        async with self._pool.acquire() as connection:
            standing = await self._store.standing(connection)
            since = await self.waits_since(connection)
            runs = await self._runs.unclosed(connection) if self._runs else None
            decided = await self._rejected.standing_decided(connection)
        self._metrics.show(standing, since)
        self._metrics.show_decided(*decided)
        if runs:
            self._metrics.show_runs(*runs)

    async def waits_since(self, connection: Connection) -> datetime | None:
        """Return since when the first waits who is not handed over, however often it was put off since."""
        self._seen = first_seen(self._seen, await self._store.oldest_open(connection, _OLDEST))
        return min(self._seen.values(), default=None)


def first_seen(before: Mapping[int, datetime], now: Mapping[int, datetime]) -> dict[int, datetime]:
    """Return since when batches are open: one that is put off again and again does not become younger by that."""
    return {batch: min(at, before.get(batch, at)) for batch, at in now.items()}
