"""A real Kafka broker for the tests that need one, started by the checkout's own script."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from notification.topics import COHORT

from deploy.kafka import broker
from services.kit.eventlog.kafka import KafkaAdmin, KafkaSettings, ensure_topics, new_admin

# Few enough to be made anew for every test within a tenth of a second.
PARTITIONS = 8


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a broker of this test run; skips where none can be had, which CI does not accept."""
    directory = tmp_path_factory.mktemp("kafka")
    yield started_broker(directory, outlives_us=False)
    broker.stop(directory)


@pytest.fixture
async def kafka(kafka_bootstrap: str) -> AsyncIterator[KafkaSettings]:
    """Return the settings of a broker whose topics are all there and all empty."""
    kafka_settings = KafkaSettings(bootstrap_servers=kafka_bootstrap)
    admin = new_admin(kafka_settings)
    await admin.start()
    try:
        await delete_topics(admin)
        await ensure_topics(kafka_settings, PARTITIONS, 1, (COHORT,))
        yield kafka_settings
    finally:
        await admin.stop()


@pytest.fixture
def kafka_servers(kafka: KafkaSettings) -> str:
    """Return the address of a broker whose topics are all there and all empty."""
    return kafka.bootstrap_servers


def started_broker(directory: Path, *, outlives_us: bool = True) -> str:
    """Start a broker on a directory, or skip with the reason; the caller stops it."""
    try:
        return broker.start(directory, outlives_us=outlives_us)
    except broker.BrokerUnavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Kafka broker in CI: {error.reason}")
        pytest.skip(f"no Kafka broker: {error.reason}")


async def delete_topics(admin: KafkaAdmin) -> None:
    """Delete what an earlier test left, and wait until the broker has noticed."""
    names = {name for name in await admin.list_topics() if name.startswith("heraut.")}
    await admin.delete_topics(sorted(names))
    async with asyncio.timeout(30):
        while names & set(await admin.list_topics()):  # noqa: ASYNC110 - it says when by no other means
            await asyncio.sleep(0.02)
