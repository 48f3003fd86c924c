"""What the Kafka adapter does when the broker goes, refuses, or is not what the database remembers."""

import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition as KafkaPartition
from notification.topics import COHORT

from deploy.kafka import broker
from services.kit.errors import ConfigError, LogPositionError, RetryableError
from services.kit.eventlog.kafka import KafkaLog, KafkaSettings, ensure_topics, new_admin
from services.kit.eventlog.kafka.progress import KafkaProgress
from services.kit.eventlog.port import Cursor, Output, Record, Row, TopicPartition
from tests.kafka_fixtures import started_broker
from tests.waiting import until_it_works

pytestmark = pytest.mark.kafka

AT = TopicPartition("heraut.members.accepted.v1", 0)
OTHER = TopicPartition("heraut.members.accepted.v1", 1)


def _rows(*sequences: int) -> list[Row]:
    return [Row(seq, 1_767_258_000_000, b"block %d" % seq) for seq in sequences]


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Path]:
    """Return the directory of a broker that this test may stop and start."""
    started_broker(tmp_path)
    yield tmp_path
    broker.stop(tmp_path)
    sys.stdout.write((tmp_path / "broker.log").read_text(errors="replace"))  # shown where the test has failed


@pytest.fixture
async def log(kafka: KafkaSettings) -> AsyncIterator[KafkaLog]:
    """Return a log on empty topics."""
    log = KafkaLog(kafka, "deduplication")
    yield log
    await log.close()


async def _delete_before(kafka: KafkaSettings, at: TopicPartition, offset: int) -> None:
    """Let retention strike."""
    admin = new_admin(kafka)
    await admin.start()
    await admin.delete_records({KafkaPartition(*at): RecordsToDelete(before_offset=offset)})
    await admin.stop()


async def _published(log: KafkaLog, at: TopicPartition, *sequences: int) -> None:
    """Publish, however busy the machine is."""
    await until_it_works(lambda: log.publish("intake", at, _rows(*sequences)))


async def _assigned(log: KafkaLog, position: int) -> None:
    """Assign, however busy the machine is."""
    await until_it_works(lambda: log.assign({AT: Cursor(position, {"intake": position})}))


async def _some(log: KafkaLog) -> list[Record]:
    """Fetch until something comes."""
    async with asyncio.timeout(30):
        while not (records := await log.fetch(100, 0.5)):
            pass
    return list(records)


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_a_broker_restart_is_survived(own_broker: Path, kill: bool) -> None:  # noqa: FBT001 - a parameter
    """While the broker is away everything fails as passing, and afterwards it goes on where it was."""
    settings = KafkaSettings(bootstrap_servers=str(broker.status(own_broker)))
    await until_it_works(lambda: ensure_topics(settings, 2, 1, (COHORT,)))
    log = KafkaLog(settings, "deduplication")
    try:
        await until_it_works(lambda: log.assign({AT: Cursor()}))
        await until_it_works(lambda: log.publish("intake", AT, _rows(1, 2)))
        before = await until_it_works(lambda: _some(log))
        await asyncio.to_thread(broker.stop, own_broker, kill=kill)
        with pytest.raises(RetryableError):
            await log.publish("intake", AT, _rows(3))
        with pytest.raises(RetryableError):
            await _some(log)
        await asyncio.to_thread(broker.start, own_broker)

        await until_it_works(lambda: log.publish("intake", AT, _rows(3)))
        after = await until_it_works(lambda: _some(log))
    finally:
        await log.close()

    assert [record.seq for record in before] == [1, 2]
    assert {record.seq for record in after} == {3}


async def test_no_broker_is_a_passing_fault() -> None:
    """A broker that is not there (yet) is worth waiting for."""
    log = KafkaLog(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "deduplication")

    with pytest.raises(RetryableError):
        await log.assign({AT: Cursor()})
    with pytest.raises(RetryableError):
        await log.publish("intake", AT, _rows(1))
    await log.close()


@pytest.mark.parametrize("position", [3, 1000])
async def test_a_position_beyond_the_log_stops(log: KafkaLog, position: int) -> None:
    """Another cluster, or one that lost its end, is not read from wherever it happens to be."""
    await _published(log, AT, 1, 2)

    with pytest.raises(LogPositionError):
        await _assigned(log, position)


async def test_records_gone_before_they_were_read_stop(log: KafkaLog, kafka: KafkaSettings) -> None:
    """What retention took from us is a loss that a human must know of."""
    await _published(log, AT, 1, 2, 3)
    await _delete_before(kafka, AT, 2)

    with pytest.raises(LogPositionError):
        await _assigned(log, 1)
    await _assigned(log, 2)
    assert [record.seq for record in await _some(log)] == [3]


async def test_records_that_go_while_we_read_stop(log: KafkaLog, kafka: KafkaSettings) -> None:
    """The same happens under a running reader, which is not set back to the beginning of what is left."""
    await _published(log, AT, 1)
    await _assigned(log, 0)
    await _some(log)
    client = log._reader._consumer
    assert client
    client.pause(KafkaPartition(*AT))  # else it has fetched them before they go
    await _published(log, AT, 2, 3, 4)
    await _delete_before(kafka, AT, 3)
    client.resume(KafkaPartition(*AT))

    with pytest.raises(LogPositionError):
        await _some(log)


async def test_a_block_larger_than_its_topic_takes_is_a_bug(log: KafkaLog) -> None:
    """It is not retried for ever: the process ends and says so."""
    with pytest.raises(ValueError, match="was committed"):
        await log.publish("intake", AT, [Row(1, 0, bytes(1_000_001))])


async def test_after_a_failed_publish_the_next_one_works(log: KafkaLog) -> None:
    """A producer that failed is thrown away; the one after it begins afresh."""
    with pytest.raises(RetryableError):
        await log.publish("intake", TopicPartition(AT.topic, 99), _rows(1))

    await _published(log, AT, 1)

    assert await log.last_sequence("intake", AT) == 1


async def test_an_abandoned_publish_may_repeat_but_loses_nothing(log: KafkaLog) -> None:
    """Cancelled in mid-air, the same rows are published again, and stand in order behind each other."""
    await _published(log, AT, 1)
    task = asyncio.create_task(log.publish("intake", AT, _rows(2, 3)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    await _published(log, AT, 2, 3)
    await _published(log, AT, 4)

    await _assigned(log, 0)
    seen: list[int] = []
    while not seen or seen[-1] != 4:
        seen += [record.seq for record in await _some(log)]
    highest = 0
    for seq in seen:
        assert seq <= highest + 1
        highest = max(highest, seq)


async def test_many_partitions_publish_at_once_and_each_in_order(log: KafkaLog) -> None:
    """Partitions do not wait for each other, and two callers of one partition do."""
    await asyncio.gather(*(log.publish("intake", at, _rows(1, 2)) for at in (AT, OTHER)))
    await asyncio.gather(log.publish("intake", AT, _rows(3)), log.publish("intake", OTHER, _rows(3)))

    assert [await log.last_sequence("intake", at) for at in (AT, OTHER)] == [3, 3]


async def test_a_foreign_record_is_told_apart(log: KafkaLog) -> None:
    """A record without source and sequence has none, whoever wrote it and wherever."""
    await log.forward(Output(*AT, b"foreign"))
    await _assigned(log, 0)

    (record,) = await _some(log)

    assert ("", 0, b"foreign") == (record.source, record.seq, record.value)


async def test_progress_is_there_for_those_who_watch_the_lag(kafka: KafkaSettings) -> None:
    """The group of a stage has the offsets that its database has committed."""
    async with asyncio.timeout(60):
        await KafkaProgress(kafka, "deduplication").commit({AT: 3, OTHER: 5})
    admin = new_admin(kafka)
    await admin.start()
    offsets = await admin.list_consumer_group_offsets("deduplication")
    await admin.stop()

    assert {AT: 3, OTHER: 5} == {TopicPartition(*at): found.offset for at, found in offsets.items()}


async def test_topics_are_made_once_and_checked(kafka: KafkaSettings) -> None:
    """Making topics again changes nothing; another number of partitions is an error."""
    assert await ensure_topics(kafka, 8, 1, (COHORT,)) == []
    with pytest.raises(ConfigError, match="8 partitions"):
        await ensure_topics(kafka, 4, 1, (COHORT,))


async def test_more_copies_than_brokers_is_an_error(own_broker: Path) -> None:
    """What the brokers refuse is said, not retried."""
    settings = KafkaSettings(bootstrap_servers=str(broker.status(own_broker)))

    with pytest.raises(ConfigError, match="cannot be made"):
        await until_it_works(lambda: ensure_topics(settings, 2, 3, (COHORT,)))


async def test_a_take_over_looks_at_many_partitions_quickly(log: KafkaLog) -> None:
    """Asking for the last sequence of every partition takes a moment, not a start of a client each."""
    await _published(log, AT, *range(1, 200))
    await log.last_sequence("intake", AT)
    began = time.monotonic()

    found = [await log.last_sequence("intake", TopicPartition(AT.topic, p)) for p in range(8)]

    assert found == [199, *[None] * 7]
    assert time.monotonic() - began < 5


async def test_a_commit_that_is_cut_off_leaves_no_connection_open(kafka: KafkaSettings) -> None:
    """A log may be closed at any moment of a commit; each connection that was begun is closed with it."""
    for turns in range(0, 60, 3):
        progress = KafkaProgress(kafka, "deduplication")
        progress.note({AT: Cursor(3)})
        for _ in range(turns):
            await asyncio.sleep(0)  # one turn of the loop: the commit goes a step further
        await progress.close()
        gc.collect()  # a connection that was left open says so when it is collected, and that is an error here
