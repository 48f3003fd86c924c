"""A database with the made-up room in it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from tests.integration.stage.room import SOURCE, STAGE, Pool, World


@pytest.fixture
async def world(room_pool: "Callable[[str], Awaitable[Pool]]", database_url: str) -> AsyncIterator[World]:
    """Give a database with the made-up room's table of effects, which bears a block twice so that it shows."""
    admin = await asyncpg.connect(database_url)
    await admin.execute("create table routing.effect (number bigint generated always as identity, block bytea)")
    await admin.execute("grant select, insert on routing.effect to heraut_routing")
    await admin.close()
    yield World(await room_pool(STAGE), await room_pool(SOURCE), room_pool)
