"""Real parts for tests: a PostgreSQL of the session's own, a migrated database for each test."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import settings

from services.kit.config import LOGS
from services.kit.postgres import Pool
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.postgres.logins import password_of
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import connect_pool
from tests.databases import Databases, named
from tests.logins import own_login, own_logins

pytest_plugins = ["tests.kafka_fixtures"]

# No example has a time to keep: how fast code is, `loadtests` measures, and a busy machine is slow, not wrong.
settings.register_profile("heraut", deadline=None)
settings.load_profile("heraut")

RoomPool = Callable[[str], Awaitable[Pool]]
# Every log that is tested, by the word of HERAUT_LOG: the fixture that gives the value of its setting, if it has one.
TESTED_LOGS = {"postgres": None, "kafka": "kafka_servers"}
_MARKS = {"kafka": pytest.mark.kafka}
EACH_LOG = [pytest.param(word, marks=_MARKS.get(word, ())) for word in TESTED_LOGS]  # for `parametrize`
TEMPLATE = "heraut_template"


def pytest_collection_finish() -> None:
    """Look no more for garbage among what was loaded, modules and tests, which stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the embedded PostgreSQL for the whole session; returns its owner's URL, with a migrated template in it."""
    data: Path = tmp_path_factory.mktemp("data")
    server = EmbeddedPostgres(data, durable=False)

    async def start() -> str:
        url = await server.ensure_running()
        owner = await asyncpg.connect(url)
        await owner.execute(f"create database {TEMPLATE}")
        await migrate(named(url, TEMPLATE), room_urls=own_logins(url))
        # 4,096 rounds a login are for passwords that could be guessed by somebody else (RFC 7677).
        await owner.execute("set scram_iterations to 1")
        for login in (url, *own_logins(url).values()):
            await owner.execute(f"alter role {urlsplit(login).username} password '{password_of(login)}'")
        await owner.close()
        return url

    url = asyncio.run(start())
    yield url
    asyncio.run(server.destroy())


@pytest.fixture(params=EACH_LOG)
def log_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of each event log in turn, its servers running and its topics empty."""
    variable, fixture = LOGS[request.param], TESTED_LOGS[request.param]
    servers = {variable: request.getfixturevalue(fixture)} if variable and fixture else {}
    return {"HERAUT_LOG": request.param, **servers}


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[Databases]:
    """Return what lends the tests their databases."""
    lender = Databases(postgres_server, TEMPLATE)
    yield lender
    lender.close()


@pytest.fixture
def database_url(databases: Databases) -> str:
    """Return a migrated database of the test's own, with nothing in it."""
    return databases.lend()


@pytest.fixture
async def owner_pool(database_url: str) -> AsyncIterator[Pool]:
    """Return a pool of the database's owner, who writes to the log as any source and reads all of it."""
    async with asyncpg.create_pool(database_url, min_size=1) as pool:
        yield pool


@pytest.fixture
async def room_pool(database_url: str) -> AsyncIterator[RoomPool]:
    """Return a function that opens a pool, logged in as a room; all are closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_pool(room: str) -> Pool:
            pool = await connect_pool(own_login(database_url, room), room)
            stack.push_async_callback(pool.close)
            return pool

        yield open_pool
