"""One process of intake for all tests of a module: each test has a cohort of its own in it."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.integration.intake.conftest import a_document
from tests.integration.malformed.process import Intake, intake_process

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shared_database(postgres_server: str) -> Iterator[str]:
    """Return a fresh, migrated database for the tests of a module."""
    name = f"malformed_{next(_numbers)}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(postgres_server)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(execute(f'create database "{name}" template heraut_template'))
    yield postgres_server.replace("/heraut?", f"/{name}?")
    asyncio.run(execute(f'drop database "{name}" with (force)'))


@pytest.fixture(scope="module")
def intake(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    """Run intake on the embedded log; its incident is there."""
    folder: Path = tmp_path_factory.mktemp("intake")
    with intake_process(shared_database, folder, HERAUT_LOG="postgres") as process:
        asyncio.run(put_incident(process))
        yield process


async def put_incident(process: Intake) -> None:
    """Put the incident that all cohorts belong to."""
    async with process.session() as session, session.put("/v1/incidents/lab", json=a_document()) as response:
        assert response.status == 201
