"""The floor: what it costs to send the blocks and write the rows of a run, without any logic.

After a run its blocks are sent once more through plain aiokafka, process to process, and its rows are written once more
by COPY into empty tables of the same shape. What the run costs above the floor is the cost of Heraut itself.
"""

import asyncio
import io
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from loadtests.chaos.fleet import PARTITIONS, Fleet
from loadtests.processes import cost_between, costs_of, pid_of
from services.kit.postgres import Connection

__all__ = ["floor"]

# The topics on the way of a letter, from room to room.
HOPS = (
    "heraut.members.accepted.v1",
    "heraut.notices.released.v1",
    "heraut.notices.routed.letter.v1",
    "heraut.deliveries.attempted.v1",
)
TABLES = (
    "intake.members",
    "vault.pages",
    "deduplication.members",
    "deduplication.notices",
    "dispatch.attempts",
    "tracking.blocks",
)
_BATCH_BYTES = 512 * 1024
Block = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class _Hop:
    """One process of the relay: it reads one topic to its end and writes the blocks of the next."""

    bootstrap: str
    source: str | None  # None for the first hop, which only writes
    target: str | None
    count: int  # records to read
    blocks: Sequence[Block]  # all that it writes


async def floor(fleet: Fleet, people: int) -> dict[str, Any]:
    """Return the figures of rows and blocks, on the fleet's own database and broker. Stop its services before."""
    connection = await asyncpg.connect(fleet.database_url)
    try:
        figures: dict[str, Any] = {"rows": await _copy_again(fleet, connection, people)}
        if fleet.log == "kafka":
            blocks = {topic: await _blocks_of(connection, topic) for topic in HOPS}
            figures["hops"] = await _send_again(fleet, blocks, people)
    finally:
        await connection.close()
    return figures


async def _copy_again(fleet: Fleet, connection: Connection, people: int) -> dict[str, Any]:
    contents = {}
    for table in TABLES:
        schema, name = table.split(".")
        contents[table] = io.BytesIO()
        await connection.copy_from_table(name, schema_name=schema, output=contents[table], format="binary")
        await connection.execute(f'create table {schema}."floor_{name}" (like {table} including all)')
    await connection.execute("checkpoint")
    pids = {"postgres": fleet.postgres.server_pid or 0}
    before, started, own = costs_of(pids), time.monotonic(), time.process_time()
    for table, content in contents.items():
        schema, name = table.split(".")
        content.seek(0)
        await connection.copy_to_table(f"floor_{name}", schema_name=schema, source=content, format="binary")
    seconds = time.monotonic() - started
    cpu = cost_between(before, costs_of(pids))["postgres"].cpu + time.process_time() - own
    return {"seconds": round(seconds, 1), "cpuMicrosecondsPerPerson": round(cpu / people * 1e6, 1)}


async def _blocks_of(connection: Connection, topic: str) -> list[Block]:
    rows = await connection.fetch("select partition, block from log.log where topic = $1 order by at", topic)
    return [(row["partition"], row["block"]) for row in rows]


async def _send_again(fleet: Fleet, blocks: dict[str, list[Block]], people: int) -> dict[str, Any]:
    """Send the blocks through a chain of processes, each of which reads one topic and writes the next."""
    bootstrap = next(iter(fleet.processes.values())).environ["HERAUT_KAFKA_BOOTSTRAP_SERVERS"]
    topics = [f"floor-{number}" for number in range(len(HOPS))]
    await _make_topics(bootstrap, topics)
    hops = [_Hop(bootstrap, None, topics[0], 0, blocks[HOPS[0]])]
    for number, (source, after) in enumerate(zip(topics, [*topics[1:], None], strict=True)):
        following = blocks[HOPS[number + 1]] if after else []
        hops.append(_Hop(bootstrap, source, after, len(blocks[HOPS[number]]), following))
    pids = {"kafka": pid_of("kafka.Kafka", str(fleet.folder / "kafka"))}
    before, started = costs_of(pids), time.monotonic()
    cpu = await asyncio.to_thread(_run_all, hops)
    seconds = time.monotonic() - started
    cpu += cost_between(before, costs_of(pids))["kafka"].cpu
    return {"seconds": round(seconds, 1), "cpuMicrosecondsPerPerson": round(cpu / people * 1e6, 1)}


def _run_all(hops: Sequence[_Hop]) -> float:
    """Run every hop in a process of its own, and return the CPU seconds of all."""
    with multiprocessing.get_context("spawn").Pool(len(hops)) as pool:
        return sum(pool.map(_hop, hops, chunksize=1))


def _hop(hop: _Hop) -> float:
    started = time.process_time()
    asyncio.run(_relay(hop))
    return time.process_time() - started


async def _relay(hop: _Hop) -> None:
    if hop.target:
        producer = AIOKafkaProducer(
            bootstrap_servers=hop.bootstrap, enable_idempotence=True, acks="all", compression_type="zstd",
            max_batch_size=_BATCH_BYTES, max_request_size=2 * _BATCH_BYTES,
        )  # fmt: skip
        await producer.start()
    read, written = 0, 0
    consumer = await _consumer(hop) if hop.source else None
    while read < hop.count or written < len(hop.blocks):
        if consumer and read < hop.count:
            records = await consumer.getmany(timeout_ms=100)
            read += sum(len(found) for found in records.values())
        # The share of the next topic's blocks that is written follows the share of this topic's that is read.
        due = len(hop.blocks) * read // hop.count if hop.count else len(hop.blocks)
        if hop.target and due > written:
            await _write(producer, hop.target, hop.blocks[written:due])
            written = due
    if consumer:
        await consumer.stop()
    if hop.target:
        await producer.stop()


async def _write(producer: AIOKafkaProducer, topic: str, blocks: Sequence[Block]) -> None:
    by_partition: dict[int, list[bytes]] = {}
    for partition, value in blocks:
        by_partition.setdefault(partition, []).append(value)
    futures = []
    for partition, values in by_partition.items():
        batch = producer.create_batch()
        for value in values:
            if batch.append(key=None, value=value, timestamp=None) is None:
                batch.close()
                futures.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=None, value=value, timestamp=None)
        batch.close()
        futures.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*futures)


async def _consumer(hop: _Hop) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=hop.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=50
    )
    await consumer.start()
    consumer.assign([TopicPartition(hop.source, partition) for partition in range(PARTITIONS)])
    return consumer


async def _make_topics(bootstrap: str, topics: Sequence[str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])
    finally:
        await admin.close()
