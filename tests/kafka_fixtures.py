"""Real Kafka brokers for the tests that need one, started by the checkout's own scripts."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from notification.topics import COHORT

from deploy.compose import kafka as compose
from deploy.kafka import broker, enforcing
from services.core.rooms import ROOMS
from services.kit.eventlog.kafka import KafkaAdmin, KafkaSettings, ensure_topics, new_admin
from tests.certificates import made_certificates

# Few enough to be made anew for every test within a tenth of a second.
PARTITIONS = 8


# An operator, who may do everything; producers and the rooms' users, who may do what an ACL allows them.
USERS: Mapping[str, str] = MappingProxyType(
    {"heraut": "p-heraut", "lab": "p-lab", "clinic": "p-clinic"} | {f"heraut-{room}": f"p-{room}" for room in ROOMS}
)
_FILES = {"heraut": "password", "lab": "source_lab", "clinic": "source_clinic"} | {
    f"heraut-{room}": f"password_{room}" for room in ROOMS
}


@dataclass(frozen=True)
class EnforcingBroker:
    """A broker that lets nobody in without a password, over TLS alone, and allows its users what an ACL says."""

    bootstrap: str
    certificates: enforcing.Certificates

    def settings(self, user: str = "heraut") -> KafkaSettings:
        """Return the settings of one of USERS."""
        return KafkaSettings(
            bootstrap_servers=self.bootstrap,
            security_protocol="SASL_SSL",
            ssl_cafile=str(self.certificates.authority),
            sasl_mechanism="PLAIN",
            sasl_username=user,
            sasl_password=USERS[user],
        )


@pytest.fixture(scope="session")
def enforcing_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnforcingBroker]:
    """Return a broker of this test run that enforces ACLs; it starts with the first test that asks for it.

    Users, certificates and settings are made as for docker-compose.yml. Topics and rights stay until the end of the
    run: a test takes sources of its own.
    """
    directory = tmp_path_factory.mktemp("enforcing")
    for user, name in _FILES.items():
        (directory / f"kafka_{name}").write_text(USERS[user], encoding="utf-8")
    compose.make(directory)
    certificates = made_certificates(directory)
    users = compose.users(directory)
    bootstrap = or_skip(lambda: enforcing.start(users, directory, outlives_us=False, certificates=certificates))
    yield EnforcingBroker(bootstrap, certificates)
    broker.stop(directory)


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
    return or_skip(lambda: broker.start(directory, outlives_us=outlives_us))


def or_skip(start: Callable[[], str]) -> str:
    """Start a broker, or skip with the reason why none can be had."""
    try:
        return start()
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
