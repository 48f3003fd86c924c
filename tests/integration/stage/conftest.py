"""A database with the made-up room in it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from services.kit.postgres import Pool
from services.kit.postgres.pool import connect_pool
from services.kit.testing import MemoryTopics
from tests.conftest import TEMPLATE
from tests.databases import Databases
from tests.integration.stage.room import SOURCE, STAGE, World
from tests.logins import own_login

# No key on `block`: that it came twice has to show, not to fail.
_EFFECTS = "create table routing.effect (block bytea); grant select, insert on routing.effect to heraut_routing"


@pytest.fixture(scope="session")
def stage_databases(postgres_server: str) -> Iterator[Databases]:
    """Return what lends the tests their databases, with the made-up room's table of effects."""
    lender = Databases(postgres_server, TEMPLATE, and_then=_EFFECTS)
    yield lender
    lender.close()


@pytest.fixture
def stage_database(stage_databases: Databases) -> str:
    """Return the URL of an empty, migrated database with the made-up room's table of effects."""
    return stage_databases.lend()


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
