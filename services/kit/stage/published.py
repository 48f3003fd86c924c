"""Whether what was committed has reached a log outside the database: for answers that must not come before that."""

import asyncio
import time
from pathlib import Path

from services.kit.eventlog import read_heads
from services.kit.postgres import Pool, Queries

__all__ = ["wait_published"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_LOOK_EVERY = 0.02  # seconds: a block takes a few times as long to be published


async def wait_published(pool: Pool, stage: str, topic: str, *, partition: int = 0, within: float) -> bool:
    """Wait until all that was committed so far to a partition of a topic is published; tell whether it is.

    It waits no longer than `within` seconds: a log that is away may stay away for long.
    """
    give_up_at = time.monotonic() + within
    async with pool.acquire() as connection:
        *_, last = await read_heads(connection, stage, topic, partition + 1)
    while True:
        async with pool.acquire() as connection:
            published = await connection.fetchval(_QUERIES["read_published_of"], stage, topic, partition)
        if (published or 0) >= last:
            return True
        if time.monotonic() >= give_up_at:
            return False
        await asyncio.sleep(_LOOK_EVERY)
