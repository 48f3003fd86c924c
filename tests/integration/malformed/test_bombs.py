"""An event that is small where it lies and huge once it is unpacked: it stops nobody."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from notification.topics import COHORT

from services.kit.eventlog.kafka import KafkaSettings, new_admin
from tests.integration.malformed.conftest import put_incident
from tests.integration.malformed.events import Upstream, members
from tests.integration.malformed.material import a_member
from tests.integration.malformed.process import Intake, a_cohort, counts, intake_process
from tests.kafka_fixtures import empty_topics

pytestmark = pytest.mark.kafka

UNPACKED = 64 << 20
_PATIENCE = 60.0  # seconds; a busy machine is slow, not wrong


@pytest.fixture(scope="module")
def intake(kafka_bootstrap: str, shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Intake]:
    """Run intake on a real broker with empty topics; its incident is there."""
    asyncio.run(empty_topics(KafkaSettings(bootstrap_servers=kafka_bootstrap)))
    kafka = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap}
    with intake_process(shared_database, tmp_path_factory.mktemp("intake"), **kafka) as process:
        asyncio.run(put_incident(process))
        yield process


async def _let_packed_events_in(bootstrap: str) -> None:
    """Make upstream's topic as somebody's own tool might: nobody looks at what its records are unpacked to."""
    admin = new_admin(KafkaSettings(bootstrap_servers=bootstrap))
    await admin.start()
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, COHORT, {"max.message.bytes": "1000000"})])
    await admin.stop()


@asynccontextmanager
async def _packing_producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type="zstd", max_request_size=2 * UNPACKED)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


@pytest.mark.usefixtures("intake")
async def test_the_brokers_measure_what_a_reader_gets(kafka_bootstrap: str) -> None:
    """On a topic as `heraut topics` makes it, the sender is told that it is too large, and nobody else hears of it."""
    async with _packing_producer(kafka_bootstrap) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(COHORT, bytes(UNPACKED), partition=0)


async def test_an_event_that_no_dead_letter_can_hold_stops_nobody(intake: Intake, kafka_bootstrap: str) -> None:
    """It is set aside as a reference to where it stands; the next events of its partition and of the others go on."""
    await _let_packed_events_in(kafka_bootstrap)
    upstream = Upstream(kafka_bootstrap)
    async with _packing_producer(kafka_bootstrap) as producer:
        sent = await producer.send_and_wait(COHORT, bytes(UNPACKED), partition=1, headers=[("ce_id", b"bomb")])
    async with intake.session() as session:
        cohort = await a_cohort(session, "bomb")
        await upstream.send(members("behind", "bomb", a_member("m-1")), partition=1)
        await upstream.send(members("beside", "bomb", a_member("m-2")), partition=2)
        async with asyncio.timeout(_PATIENCE):
            while await counts(session, cohort) != (2, 0, 2):  # noqa: ASYNC110 - what is waited for is elsewhere
                await asyncio.sleep(0.05)
        stopped = await _stopped_partitions(session)
    (letter,) = await upstream.dead_letters(1, partition=1)
    headers = dict(letter.headers)

    assert (b"", b"too-large", str(sent.offset).encode(), str(UNPACKED).encode()) == (
        letter.value, headers["reason"], headers["original-offset"], headers["original-bytes"]
    )  # fmt: skip
    assert 0.0 == stopped


async def _stopped_partitions(session: ClientSession) -> float:
    async with session.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("intake_stopped_partitions"))
