"""Real Kafka brokers for the tests that need one, started by the checkout's own scripts."""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from aiokafka.protocol.offset import OffsetRequest
from notification.topics import COHORT

from deploy.compose import kafka as compose
from deploy.kafka import broker, enforcing
from services.core.rooms import ROOMS
from services.kit.eventlog.kafka import KafkaAdmin, KafkaSettings, ensure_topics
from services.kit.eventlog.kafka.admin import kafka_topics
from services.kit.eventlog.kafka.client import connected_admin
from tests.certificates import made_certificates
from tests.waiting import until_it_works

# Few enough to be made anew within a tenth of a second.
PARTITIONS = 8

# Of a request for offsets (Kafka protocol, ListOffsets).
_NO_REPLICA, _UNCOMMITTED_TOO, _END = -1, 0, -1

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
async def kafka(kafka_bootstrap: str) -> KafkaSettings:
    """Return the settings of a broker whose topics are all there and all empty."""
    settings = KafkaSettings(bootstrap_servers=kafka_bootstrap)
    await until_it_works(lambda: empty_topics(settings))
    return settings


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


async def empty_topics(settings: KafkaSettings) -> None:
    """Make all topics, and those anew that an earlier test wrote to or made in another way."""
    async with connected_admin(settings) as admin:
        found = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics()}
        ours = {name: partitions for name, partitions in found.items() if name.startswith("heraut.")}
        await _delete(admin, await _used(admin, ours))
    await ensure_topics(settings, PARTITIONS, 1, (COHORT,))


async def _used(admin: KafkaAdmin, topics: Mapping[str, int]) -> set[str]:
    """Return those of these topics, given with their partitions, that held a record or have another shape."""
    wanted = {topic.name: topic.partitions for topic in kafka_topics(PARTITIONS, (COHORT,))}
    other = {name for name, partitions in topics.items() if wanted.get(name) != partitions}
    asked = [(name, [(at, _END) for at in range(partitions)]) for name, partitions in topics.items()]
    answer = await admin.ask(OffsetRequest(_NO_REPLICA, _UNCOMMITTED_TOO, asked))  # there is one broker, which has all
    return other | {
        name for name, partitions in answer.topics if any(error or end for _, error, _, end, *_ in partitions)
    }


async def _delete(admin: KafkaAdmin, names: set[str]) -> None:
    """Delete topics, and wait until the broker has noticed."""
    if names:
        await admin.delete_topics(sorted(names))
    async with asyncio.timeout(30):
        while names & set(await admin.list_topics()):  # noqa: ASYNC110 - it says when by no other means
            await asyncio.sleep(0.02)
