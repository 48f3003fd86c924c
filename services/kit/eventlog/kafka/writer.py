"""Publishing to Kafka: idempotent, in order, at most one unacknowledged batch a partition, nothing unawaited."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from services.kit.errors import LogRefusedError, RetryableError
from services.kit.eventlog.kafka.client import Closing, KafkaSettings, passing_faults, started
from services.kit.eventlog.port import Row, TopicPartition
from services.kit.eventlog.topics import max_message_bytes

__all__ = ["KafkaWriter", "fits", "own_headers"]

# One request carries one batch of each partition, so a big batch is what makes publishing fast (performance: the
# ceiling is partitions times batch size over round trip); below max.message.bytes of the topics.
_BATCH_BYTES = 980_000
# A generous bound of what the frames of a batch and a record add to value and headers.
_FRAME_BYTES = 200
_FOR_GOOD = (
    ClusterAuthorizationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    PolicyViolationError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
# aiokafka tries an idempotent batch again for ever and says nothing. This bound leaves room for an election.
_BATCH_SECONDS = 10.0


def own_headers(source: str, row: Row, timeline: int) -> list[tuple[str, bytes]]:
    """Return the headers of a published block: who wrote it, its sequence, a timeline after the first, and its own."""
    later = [("timeline", str(timeline).encode())] if timeline else []
    return [("source", source.encode()), ("seq", str(row.seq).encode()), *later, *row.headers]


class KafkaWriter:
    """One producer, made when it is first needed and again after a fault.

    After any failed or abandoned batch the producer is thrown away: its sequence numbers may have a hole that
    the broker would refuse for ever (OUT_OF_ORDER_SEQUENCE), and what it still holds may arrive late. That is
    harmless: it is a repeat, which readers know by its sequence.

    `timeline` is the one that blocks are published in (`timelines.py`).
    """

    timeline = 0

    def __init__(self, settings: KafkaSettings, client_id: str, closing: Closing) -> None:
        self._settings = settings
        self._client_id = client_id
        self._closing = closing
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._partition_locks: defaultdict[TopicPartition, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Write rows in order; returns when every in-sync replica has them. Raises RetryableError."""
        async with self._partition_locks[at], self._writing(at) as producer:
            for batch in _batches(producer, source, at, rows, self.timeline):
                async with asyncio.timeout(_BATCH_SECONDS):
                    await (await producer.send_batch(batch, at.topic, partition=at.partition))

    async def send(
        self, at: TopicPartition, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write one record that is not ours, as it once came. Raises RetryableError.

        Raises LogRefusedError where the brokers will never take it: trying again would hold up whatever comes after it.
        """
        async with self._partition_locks[at], self._writing(at, refusals=_refusals) as producer:
            async with asyncio.timeout(_BATCH_SECONDS):
                await producer.send_and_wait(at.topic, value, key=key, partition=at.partition, headers=list(headers))

    def close(self) -> None:
        """Close the producer in the background."""
        if self._producer is not None:
            self._discard(self._producer)

    @asynccontextmanager
    async def _writing(
        self, at: TopicPartition, refusals: Callable[[TopicPartition], AbstractContextManager[object]] = nullcontext
    ) -> AsyncIterator[AIOKafkaProducer]:
        """Lend the producer, and throw it away where that did not end well, cancellation included.

        `refusals` sees faults first, that of looking for the partition too: a user without any right is told there.
        """
        producer = await self._ready()
        try:
            with passing_faults(f"{at.topic}/{at.partition} cannot be written"), refusals(at):
                await _check_partition(producer, at)
                yield producer
        except BaseException:
            self._discard(producer)
            raise

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **self._settings.client_options(),
                    client_id=self._client_id,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="zstd",  # of aiokafka's codecs the small one that is cheap
                    linger_ms=0,  # batches come complete; lingering would only delay them
                    max_batch_size=_BATCH_BYTES,
                    max_request_size=2 * _BATCH_BYTES,  # checks single records only, and dead letters are larger
                )
                self._producer = await started(producer, self._closing)
            return self._producer

    def _discard(self, producer: AIOKafkaProducer) -> None:
        self._closing.add(producer)
        if self._producer is producer:
            self._producer = None


async def _check_partition(producer: AIOKafkaProducer, at: TopicPartition) -> None:
    """Raise RetryableError for a partition that is not known (yet): the client would fail an assertion."""
    if at.partition not in await producer.partitions_for(at.topic):
        raise RetryableError(f"{at.topic}/{at.partition} is not there")


@contextmanager
def _refusals(at: TopicPartition) -> Iterator[None]:
    """Turn what no repeat can mend into LogRefusedError: too large, not permitted, not a topic that can be written."""
    try:
        yield
    except _FOR_GOOD as error:
        raise LogRefusedError(f"{at.topic}/{at.partition} cannot be written: {type(error).__name__}") from error


def fits(topic: str, value: bytes, headers: Sequence[tuple[str, bytes]]) -> bool:
    """Tell whether a topic takes a record, whatever its batch comes to when it is packed."""
    return _size(value, headers) <= max_message_bytes(topic)


def _size(value: bytes, headers: Sequence[tuple[str, bytes]]) -> int:
    return len(value) + sum(len(name) + len(value) + 16 for name, value in headers) + _FRAME_BYTES


def _batches(
    producer: AIOKafkaProducer, source: str, at: TopicPartition, rows: Sequence[Row], timeline: int
) -> Iterator[BatchBuilder]:
    """Pack rows into as few batches as their size allows, in order."""
    limit = max_message_bytes(at.topic)
    batch = producer.create_batch()
    for row in rows:
        headers = own_headers(source, row, timeline)
        size = _size(row.value, headers)
        if size > limit:
            raise ValueError(f"{at.topic}: a block of {size} bytes was committed, the topic takes {limit}")
        record = {"timestamp": row.at, "key": None, "value": row.value, "headers": headers}
        if batch.append(**record) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(**record)
    if batch.record_count():
        batch.close()
        yield batch
