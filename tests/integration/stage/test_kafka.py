"""The stage on a real Kafka: read from its offsets, publish what was committed, survive the broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from notification.topics import COHORT

from deploy.kafka import broker
from services.kit.errors import RetryableError
from services.kit.eventlog.kafka.admin import ensure_topics
from services.kit.eventlog.kafka.log import KafkaLog, KafkaSettings
from services.kit.eventlog.port import Cursor, EventLog, Record, Row, TopicPartition
from services.kit.postgres import Pool
from tests.integration.stage.room import (
    INPUT,
    PARTITIONS,
    SOURCE,
    Breaking,
    Killed,
    Replica,
    World,
    numbered,
    partition_of,
)
from tests.kafka_fixtures import PARTITIONS as TOPIC_PARTITIONS
from tests.kafka_fixtures import started_broker
from tests.waiting import until, until_it_works

pytestmark = pytest.mark.kafka


@dataclass
class KafkaWorld(World):
    """The same room; its log is Kafka."""

    settings: KafkaSettings = field(default_factory=lambda: KafkaSettings(bootstrap_servers=""))
    opened: list[KafkaLog] = field(default_factory=list)
    written: dict[int, int] = field(default_factory=dict)

    @property
    def outside_database(self) -> bool:
        """The log is outside the database."""
        return True

    def new_log(self, pool: Pool, stage: str) -> EventLog:  # noqa: ARG002
        """Open the log."""
        log = KafkaLog(self.settings, stage)
        self.opened.append(log)
        return log

    async def feed(self, blocks: Sequence[bytes]) -> None:
        """Write blocks to the input topic, as often as it takes."""
        log = self._log_of(SOURCE)
        for partition in sorted({partition_of(block) for block in blocks}):
            own = [block for block in blocks if partition_of(block) == partition]
            now = int(time.time() * 1000)  # an older block would be past its retention
            first = self.written.get(partition, 0) + 1
            rows = [Row(first + place, now, block) for place, block in enumerate(own)]
            while True:
                with suppress(RetryableError):
                    await log.publish(SOURCE, TopicPartition(INPUT, partition), rows)
                    break
                await asyncio.sleep(0.2)
            self.written[partition] = first + len(own) - 1

    async def records(self, topic: str) -> list[Record]:
        """Read a topic from its beginning to its end, as often as it takes."""
        log = self._log_of("tracking")
        while True:
            records: list[Record] = []
            with suppress(RetryableError):
                await log.assign({TopicPartition(topic, partition): Cursor() for partition in range(PARTITIONS)})
                while any((await log.backlog()).values()):
                    records += await log.fetch(1000, 0.2)
                return sorted(records, key=lambda record: (record.partition, record.offset))
            await asyncio.sleep(0.2)

    def _log_of(self, stage: str) -> KafkaLog:
        for log in self.opened:
            if log._client_id == f"test-{stage}":
                return log
        log = KafkaLog(self.settings, stage)
        log._client_id = f"test-{stage}"
        self.opened.append(log)
        return log


async def _world(embedded: World, settings: KafkaSettings) -> AsyncIterator[KafkaWorld]:
    world = KafkaWorld(embedded.pool, embedded.upstream, embedded.new_pool, settings=settings)
    yield world
    for log in world.opened:
        await log.close()


@pytest.fixture
async def kafka_room(kafka: KafkaSettings, embedded_world: World) -> AsyncIterator[KafkaWorld]:
    """Return the room on a broker with empty topics."""
    async for world in _world(embedded_world, kafka):
        yield world


@pytest.fixture
async def own_broker_room(tmp_path: Path, embedded_world: World) -> AsyncIterator[KafkaWorld]:
    """Return the room on a broker that this test may kill."""
    settings = KafkaSettings(bootstrap_servers=await asyncio.to_thread(started_broker, tmp_path))
    await until_it_works(lambda: ensure_topics(settings, TOPIC_PARTITIONS, 1, (COHORT,)))
    async for world in _world(embedded_world, settings):
        yield world
    await asyncio.to_thread(broker.stop, tmp_path)


async def test_everything_through_once(kafka_room: KafkaWorld) -> None:
    """What goes in comes out, and happens, exactly once; two replicas share the work."""
    blocks = numbered(0, 400)
    await kafka_room.feed(blocks[:200])
    first, second = await kafka_room.replica(), await kafka_room.replica()
    async with first.running(), second.running():
        await kafka_room.feed(blocks[200:])
        await kafka_room.assert_once(blocks)


@pytest.mark.parametrize("step", ["batch: committed", "publisher: published", "publisher: marking"])
async def test_killed(kafka_room: KafkaWorld, step: str) -> None:
    """What the dead one committed comes out, and what it had published already is taken once."""
    blocks = numbered(0, 100)
    await kafka_room.feed(blocks[:60])
    dying = await kafka_room.replica(failpoints=Breaking(step, Killed()))
    await dying.run_until_killed(within=30)
    await kafka_room.feed(blocks[60:])

    async with (await kafka_room.replica()).running():
        await kafka_room.assert_once(blocks)


async def test_the_broker_is_killed_while_blocks_flow(own_broker_room: KafkaWorld, tmp_path: Path) -> None:
    """Kill -9 of the broker, and its return, lose nothing and double nothing; ownership outlives it."""
    blocks = numbered(0, 400)
    replica = await own_broker_room.replica()
    async with replica.running() as stage:
        await own_broker_room.feed(blocks[:200])
        await until(lambda: _some(own_broker_room, 40))
        epochs = dict(stage.epochs())
        await asyncio.to_thread(broker.stop, tmp_path, kill=True)
        await until(lambda: _silent(replica, 1.5))
        await asyncio.to_thread(broker.start, tmp_path)
        await own_broker_room.feed(blocks[200:])
        await until(lambda: _some(own_broker_room, 400))
        await own_broker_room.assert_once(blocks)

        assert epochs == stage.epochs()
        assert not await _silent(replica, 5)


async def _silent(replica: Replica, seconds: float) -> bool:
    """Tell whether the figures say that the log was not heard from for so long."""
    heard = replica.registry.get_sample_value("routing_last_heard_timestamp_seconds", {"dependency": "log"})
    return heard is not None and time.time() - heard > seconds


async def _some(world: World, count: int) -> bool:
    return (await world.effects()).total() >= count
