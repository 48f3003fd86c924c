"""A database that is set back to a backup of a moment ago, beside providers that went on."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from services.core.access import Caller
from services.core.channel import Channel
from services.dispatch.channel_pause import ChannelPause
from services.dispatch.provider import Provider
from services.dispatch.restored import Doubt, doubt_all
from services.kit.postgres import Pool
from services.kit.postgres.pool import connect_pool
from tests.integration.dispatch.bench import Bench, OwnedStage
from tests.logins import own_login
from tests.principals import OPERATOR
from tests.restoring import dump, restore

__all__ = ["SetBack", "doubted", "hands_over_to", "of"]


class SetBack:
    """The backup of a bench's database, and another database that is made of it."""

    def __init__(self, database_url: str, file: Path) -> None:
        self._before, self._file = database_url, file
        self._name = f"restored_{secrets.token_hex(4)}"
        self.url = ""  # of the database that was made of the backup
        self._pools: list[Pool] = []

    async def back_up(self) -> None:
        """Keep the database as it is now."""
        await dump(self._before, self._file)

    async def restore(self, bench: Bench) -> list[Doubt]:
        """Let a bench go on with what was kept; first do what `heraut restored` does, and return what it found."""
        self.url = await restore(self._before, self._name, self._file)
        found = await doubted(self.url)
        bench.pool, bench.intake = [await self._pool(room) for room in ("dispatch", "intake")]
        bench.stage = OwnedStage(bench.pool, bench.channel)
        return found

    async def drop(self) -> None:
        """Leave nothing behind."""
        for pool in self._pools:
            await pool.close()
        owner = await asyncpg.connect(self._before)
        await owner.execute(f'drop database if exists "{self._name}" with (force)')
        await owner.close()

    async def _pool(self, room: str) -> Pool:
        self._pools.append(await connect_pool(own_login(self.url, room), room))
        return self._pools[-1]

    @asynccontextmanager
    async def resumed(self, bench: Bench) -> AsyncIterator[str | None]:
        """Let a bench's channel go on, as an operator says; gives who had paused it."""
        pause = ChannelPause(bench.channel, bench.pool, bench.clock)
        await pause.look()
        bench.may_go, bench.found = pause.may_go, lambda: pause.standing.found
        by, stop = pause.standing.paused_by, asyncio.Event()
        await pause.resume(Caller(OPERATOR.principal, "request-2"))
        async with asyncio.TaskGroup() as group:
            group.create_task(pause.run(stop))
            yield by
            stop.set()


async def doubted(url: str) -> list[Doubt]:
    """Do what `heraut restored` does."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "dispatch"})
    try:
        async with connection.transaction():
            return await doubt_all(connection, "request-1", datetime.now(UTC))
    finally:
        await connection.close()


async def hands_over_to(bench: Bench, provider: Provider | str) -> None:
    """Note whom a bench's channel hands over to, as its process does at its start."""
    name = provider if isinstance(provider, str) else provider.traits.name
    async with bench.pool.acquire() as connection:
        await bench.store.hands_over_to(connection, name, datetime.now(UTC))


def of(found: list[Doubt], channel: Channel) -> Doubt:
    """Return what became of a channel."""
    return next(one for one in found if one.channel is channel)
