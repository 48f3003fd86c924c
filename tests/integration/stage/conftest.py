"""A database with the made-up room in it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from services.kit.postgres import Pool
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import connect_pool
from services.kit.testing import MemoryTopics
from tests.integration.stage.room import SOURCE, STAGE, World
from tests.logins import own_login

# One for all tests here: there are many of them, and emptying tables is quicker than copying a template.
DATABASE = "stage_tests"


@pytest.fixture
async def stage_database(postgres_server: str) -> str:
    """Return the URL of an empty, migrated database with the made-up room's table of effects."""
    url = postgres_server.replace("/heraut?", f"/{DATABASE}?")
    server = await asyncpg.connect(postgres_server)
    try:
        if not await server.fetchval("select 1 from pg_database where datname = $1", DATABASE):
            await server.execute(f"create database {DATABASE}")
            await migrate(url)
        # Whoever was killed in the test before is not waited for.
        await server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", DATABASE)
    finally:
        await server.close()
    admin = await asyncpg.connect(url)
    try:
        # No key on `block`: that it came twice has to show, not to fail.
        await admin.execute(
            """create table if not exists routing.effect (block bytea);
               grant select, insert on routing.effect to heraut_routing;
               truncate log.log, log.head, log.reader, routing.owner, routing.replica, routing.input, routing.publisher,
                        routing.totals, routing.effect"""
        )
    finally:
        await admin.close()
    return url


@pytest.fixture
async def embedded_world(stage_database: str) -> AsyncIterator[World]:
    """Return the database, and pools of it that are closed after the test."""
    async with AsyncExitStack() as stack:

        async def new_pool(room: str) -> Pool:
            pool = await connect_pool(own_login(stage_database, room), room)
            stack.push_async_callback(pool.close)
            return pool

        owner = await asyncpg.create_pool(stage_database, min_size=1, server_settings={"search_path": STAGE})
        stack.push_async_callback(owner.close)
        yield World(owner, await new_pool(SOURCE), new_pool)


@pytest.fixture
def kafka_world(embedded_world: World) -> World:
    """Return the same with a log outside the database, so that the stage publishes; Kafka's, but for the network."""
    embedded_world.topics = MemoryTopics()
    return embedded_world


@pytest.fixture(params=["embedded", "outside"])
def world(request: pytest.FixtureRequest, embedded_world: World) -> World:
    """Return one after the other."""
    if request.param == "outside":
        embedded_world.topics = MemoryTopics()
    return embedded_world
