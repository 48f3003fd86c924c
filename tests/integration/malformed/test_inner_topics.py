"""Corrupt blocks in the middle of a partition of an inner topic, on both logs: dead letters, and the others go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from notification.topics import INCIDENTS_CHANGED, NOTICES_RELEASED, NOTICES_ROUTED_PORTAL
from notification.v1 import deduplication_pb2, routing_pb2

from services.core.channel import Channel
from services.core.notices import Notices
from services.kit.config import load
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Cursor, Output, Record, Row, TopicPartition
from services.kit.eventlog.topics import dead_letter_topic
from services.routing.app import run
from services.routing.config import Config
from services.wire.incidents import encode_incident
from services.wire.notices import notices_to_wire
from tests.integration.eventlog.bench import Bench, bench_on
from tests.integration.intake.conftest import a_document
from tests.kafka_fixtures import PARTITIONS
from tests.keys import FIRST_KEYS
from tests.logins import login_settings

PARTITION = 3
RELEASED, ROUTED = TopicPartition(NOTICES_RELEASED, PARTITION), TopicPartition(NOTICES_ROUTED_PORTAL, PARTITION)
DEAD_LETTERS = TopicPartition(dead_letter_topic(NOTICES_RELEASED, "routing"), PARTITION)
INCIDENTS = TopicPartition(INCIDENTS_CHANGED, 0)
_PATIENCE = 60.0  # seconds; a busy machine is slow, not wrong


@pytest.fixture
async def bench(database_url: str, log_settings: dict[str, str]) -> AsyncIterator[Bench]:
    """Return each log in turn, beside an empty, migrated database."""
    async with bench_on(database_url, log_settings) as made:
        yield made


@pytest.fixture
async def kafka_bench(database_url: str, kafka_servers: str) -> AsyncIterator[Bench]:
    """Return a real Kafka with empty topics alone."""
    settings = {"HERAUT_LOG": "kafka", "HERAUT_KAFKA_BOOTSTRAP_SERVERS": kafka_servers}
    async with bench_on(database_url, settings) as made:
        yield made


@asynccontextmanager
async def routing(bench: Bench, database_url: str, folder: Path) -> AsyncIterator[None]:
    """Run the whole service on that log; it must end by itself once asked to stop."""
    settings = {
        **login_settings(database_url),
        "HERAUT_DATA_DIR": str(folder),
        "HERAUT_HTTP_HOST": "127.0.0.1",
        "HERAUT_HTTP_PORT": "0",
        "HERAUT_PARTITIONS": str(PARTITIONS),
        **bench.settings,
    }
    stop = asyncio.Event()
    task = asyncio.create_task(run(load(Config, settings), stop, folder / "ready"))
    try:
        yield
        assert not task.done()
    finally:
        stop.set()
        await asyncio.wait_for(task, _PATIENCE)


def a_block(notice: int) -> bytes:
    """Return a block of one notice, whose id says which."""
    ids = [bytes([notice]) * 16]
    notices = Notices(
        "lab", 1, ids, ids, [1], [0], ids, [1], [b""], [1], [1], [0], [0], [int(Channel.PORTAL)], [0], ["nl"], ["c"],
        [5], [0], [0], [("c",)],
    )  # fmt: skip
    return deduplication_pb2.NoticesReleased(notices=notices_to_wire(notices)).SerializeToString()


def without(*columns: str) -> bytes:
    """Return a block that lost columns."""
    block = deduplication_pb2.NoticesReleased.FromString(a_block(9))
    for column in columns:
        block.notices.ClearField(column)
    return block.SerializeToString()


CORRUPT = [
    (b"\xff\x00garbage\xff", "undecodable"),
    (a_block(9)[:-5], "undecodable"),
    (without("members"), "column-length"),
    (without("attempts"), "column-length"),
    (without("incident_id"), "no-incident"),
    (b"", "no-incident"),
]


async def _read(bench: Bench, at: TopicPartition, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Read the records of a partition from its beginning until there are enough."""
    log = bench.open("tracking")
    await log.assign({at: Cursor()})
    found: list[Record] = []
    async with asyncio.timeout(_PATIENCE):
        while not enough(found):
            found += await log.fetch(100, 0.2)
    return found


async def _dead_letters(bench: Bench, count: int) -> list[Record]:
    return await _read(bench, DEAD_LETTERS, lambda records: len(records) >= count)


async def _routed(bench: Bench, count: int) -> list[int]:
    """Return the notices that were routed, in order; blocks that are taken together may leave as one."""
    return _notices(await _read(bench, ROUTED, lambda records: len(_notices(records)) >= count))


def _notices(records: list[Record]) -> list[int]:
    blocks = [routing_pb2.NoticesRouted.FromString(record.value or b"").notices for record in records]
    return [notice for block in blocks for notice in block.ids[::16]]


async def test_corrupt_blocks_are_set_aside_and_the_others_go_on(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    """Each corrupt block is one dead letter, untouched, with place and reason; good ones around it go out in order."""
    blocks = [(a_block(0), "")]
    for at, corrupt in enumerate(CORRUPT, 1):
        blocks += [corrupt, (a_block(at), "")]
    async with routing(bench, database_url, tmp_path):
        await bench.write(INCIDENTS, b"\xff no incident", source="intake")
        await bench.write(INCIDENTS, encode_incident("lab", 1, orjson.dumps(a_document()), FIRST_KEYS), source="intake")
        await bench.write(RELEASED, *(block for block, _ in blocks), source="deduplication")
        routed = await _routed(bench, len(CORRUPT) + 1)
        letters = await _dead_letters(bench, len(CORRUPT))

    expected = [(value, reason, str(seq)) for seq, (value, reason) in enumerate(blocks, 1) if reason]
    headers = [{name: value.decode() for name, value in letter.headers} for letter in letters]
    assert list(range(len(CORRUPT) + 1)) == routed
    assert expected == [
        (letter.value, header["reason"], header["original-seq"])
        for letter, header in zip(letters, headers, strict=True)
    ]
    assert {(NOTICES_RELEASED, "3", "deduplication")} == {
        (header["original-topic"], header["original-partition"], header["original-source"]) for header in headers
    }


@pytest.mark.kafka
async def test_records_that_are_not_ours_are_set_aside(kafka_bench: Bench, database_url: str, tmp_path: Path) -> None:
    """A tombstone, a record of nobody, and headers that we never write, are dead letters; what is ours goes on."""
    bench = kafka_bench
    strays: list[tuple[bytes | None, list[tuple[str, bytes | None]], str]] = [
        (None, [("source", b"deduplication"), ("seq", b"1")], "tombstone"),
        (a_block(7), [], "no-source"),
        (a_block(7), [("source", None), ("seq", None)], "no-source"),
        (a_block(7), [("source", b"deduplication"), ("seq", b"9" * 5_000)], "no-source"),
        (a_block(7), [("source", b"\xff"), ("seq", b"2")], "no-source"),
    ]
    producer = AIOKafkaProducer(bootstrap_servers=bench.settings["HERAUT_KAFKA_BOOTSTRAP_SERVERS"])
    await producer.start()
    for value, headers, _ in strays:
        await producer.send_and_wait(NOTICES_RELEASED, value, key=b"", partition=PARTITION, headers=headers)
    await producer.stop()
    rows = await _after_the_tombstone(bench)
    async with routing(bench, database_url, tmp_path):
        await bench.write(INCIDENTS, encode_incident("lab", 1, orjson.dumps(a_document()), FIRST_KEYS), source="intake")
        await bench.writer.publish("deduplication", RELEASED, rows)
        routed = await _routed(bench, 1)
        letters = await _dead_letters(bench, len(strays))

    assert [1] == routed
    assert [reason for _, _, reason in strays] == [dict(letter.headers)["reason"].decode() for letter in letters]
    assert [value or b"" for value, _, _ in strays] == [letter.value for letter in letters]


async def _after_the_tombstone(bench: Bench) -> list[Row]:
    """Return the rows of our own that follow: the tombstone had our first sequence."""
    async with bench.pool.acquire() as connection, connection.transaction():
        await append_outputs(
            connection, "deduplication", [Output(*RELEASED, a_block(0)), Output(*RELEASED, a_block(1))]
        )
    return (await bench.rows("deduplication", RELEASED, 0))[1:]
