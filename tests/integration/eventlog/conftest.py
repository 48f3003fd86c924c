"""The logs under test. `tests/conftest.py` has the table of them."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.eventlog.bench import Bench, bench_on


@pytest.fixture
async def bench(database_url: str, log_settings: dict[str, str]) -> AsyncIterator[Bench]:
    """Return each log in turn, beside an empty, migrated database."""
    async with bench_on(database_url, log_settings) as made:
        yield made


@pytest.fixture
async def postgres_bench(database_url: str) -> AsyncIterator[Bench]:
    """Return the embedded log alone."""
    async with bench_on(database_url, {"HERAUT_LOG": "postgres"}) as made:
        yield made


@pytest.fixture
async def kafka_bench(database_url: str, kafka_servers: str) -> AsyncIterator[Bench]:
    """Return a real Kafka with empty topics alone."""
    settings = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": kafka_servers}
    async with bench_on(database_url, settings) as made:
        yield made
