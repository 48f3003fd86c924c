"""Topics as whoever may read all of them sees them, and events as a source writes them."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.core.rooms import ROOMS
from services.kit.eventlog import DeadLetter
from services.kit.eventlog.kafka.reader import own

__all__ = ["EVENTS", "UPSTREAM", "Event", "Finder", "found_in_topics", "sent_as_events"]

UPSTREAM = "heraut.cohort."  # these topics and their dead letters belong to the sources, and hold members in the open
EVENTS = f"{UPSTREAM}strange.v1"
_WITHIN = 60.0  # seconds until what cannot be taken is set aside
Event = tuple[list[tuple[str, bytes]], bytes]  # headers and value


class Finder(Protocol):
    """Whatever finds somebody in bytes."""

    def found_in(self, data: bytes) -> set[str]:
        """Return what was found."""
        ...


async def sent_as_events(bootstrap: str, events: Sequence[Event], set_aside: int) -> list[str]:
    """Write events, wait until so many are set aside, and return what dead letters say of them in our own words."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for headers, value in events:
            await producer.send_and_wait(EVENTS, value, partition=0, headers=headers)
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        at = TopicPartition(f"{EVENTS}.intake.dlq", 0)
        consumer.assign([at])
        said: list[str] = []
        async with asyncio.timeout(_WITHIN):
            while len(said) < set_aside:
                said.append(str(DeadLetter(own(await consumer.getone())).described()))
    finally:
        await consumer.stop()
    return said


async def found_in_topics(bootstrap: str, searcher: Finder) -> dict[str, set[str]]:
    """Search keys, values and headers of every record, as the broker's files are compressed."""
    found: dict[str, set[str]] = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = await _partitions(bootstrap)
        assert len({partition.topic for partition in partitions}) > len(ROOMS)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning()
        left = {partition: end for partition, end in ends.items() if end > 0}
        assert left
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                content = b"\n".join(part for record in records for part in _parts(record))
                found.setdefault(f"topic {partition.topic}", set()).update(searcher.found_in(content))
            left = {one: end for one, end in left.items() if await consumer.position(one) < end}
    finally:
        await consumer.stop()
    return {place: what for place, what in found.items() if what}


async def _partitions(bootstrap: str) -> list[TopicPartition]:
    """Return the partitions of all topics but the sources' own."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if not topic.startswith(UPSTREAM)]
        return [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await admin.describe_topics(topics)
            for partition in topic["partitions"]
        ]
    finally:
        await admin.close()


def _parts(record: ConsumerRecord) -> Iterator[bytes]:
    yield from (part for part in (record.key, record.value) if part)
    for name, value in record.headers:
        yield from (name.encode(), value)
