"""Reading Kafka from positions of our own: assign and seek, no group rebalance, no reset of a lost position."""

import asyncio
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import ConsumerRecord
from aiokafka.structs import TopicPartition as KafkaPartition

from services.kit.errors import LogPositionError, RetryableError
from services.kit.eventlog.headers import Headers
from services.kit.eventlog.kafka.client import Closing, KafkaSettings, passing_faults, started
from services.kit.eventlog.pace import Pace
from services.kit.eventlog.port import Cursor, Record, TopicPartition
from services.kit.eventlog.topics import is_foreign

__all__ = ["KafkaReader", "between", "new_consumer", "own"]

# Under load, what a fuller batch saves is worth this much latency: at first, and in a steady stream.
_FULLER_SECONDS = 0.05
_FULLEST_SECONDS = 0.3
# How long the broker holds an empty fetch. One quiet partition may delay the others of its broker so long, by which
# the default of 500 ms would be felt; and each empty fetch costs, fourteen readers together a sixth of a core at 30 ms.
_LONG_POLL_MS = 100
# What one fetch may hold in memory: a few dozen full blocks, or hundreds of the usual size.
_FETCH_BYTES = 16 * 1024 * 1024
# Records taken from the client at once: so many are unpacked without giving way to other tasks.
_DRAIN = 64
# A broker answers every _LONG_POLL_MS. So much silence means that the client is stuck (aiokafka #1154) or the broker
# is gone, and the client reports neither.
_SILENCE_SECONDS = 5.0
# Reading a few thousand blocks takes a second or two; a look that takes so long is stuck.
_LOOK_SECONDS = 20.0
_OURS = frozenset({"source", "seq", "timeline"})
_SOURCE, _SEQUENCE = re.compile(rb"[a-z-]{1,64}"), re.compile(rb"[0-9]{1,18}")  # a stage's name; below 2**63


def new_consumer(settings: KafkaSettings, client_id: str, long_poll_ms: int = _LONG_POLL_MS) -> AIOKafkaConsumer:
    """Make a consumer that reads only what it is told to, from where it is told to.

    `long_poll_ms`: how long the broker holds a fetch that finds nothing.
    """
    return AIOKafkaConsumer(
        **settings.client_options(),
        client_id=client_id,
        group_id=None,  # no rebalance: the stage's own table says which process owns a partition
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",  # upstream systems may write in transactions
        fetch_max_wait_ms=long_poll_ms,
        fetch_max_bytes=_FETCH_BYTES,
    )


class KafkaReader:
    """The reading half of the log: one consumer, made again from our own positions whenever it fails us."""

    def __init__(self, settings: KafkaSettings, client_id: str, closing: Closing) -> None:
        self._settings = settings
        self._client_id = client_id
        self._closing = closing
        self._consumer: AIOKafkaConsumer | None = None
        self._using = asyncio.Lock()  # assign and recreation exclude each other
        self._positions: dict[TopicPartition, int] = {}
        self._heard: dict[TopicPartition, float] = {}  # monotonic: silence counts from here
        self._paused: set[TopicPartition] = set()
        self._assignment = 0
        # An idle wait is the broker's long poll.
        self._pace = Pace(idle=0.0, fuller=_FULLER_SECONDS, fullest=_FULLEST_SECONDS, quiet=0.0)
        self._changed = asyncio.Event()

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read these partitions from these positions. Raises LogPositionError where one lies outside the log."""
        self._assignment += 1
        self._positions, self._paused = {}, set()
        async with self._using:
            consumer = await self._connected()
            with self._faults(consumer, "the positions cannot be set (`heraut topics` makes the topics)"):
                positions = await _checked(consumer, cursors)
                self._seek(consumer, positions)
        self._positions = positions
        self._pace.reset()
        self._changed.set()

    async def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return up to `limit` records past those given before; waits up to `wait` seconds for the first."""
        assignment = self._assignment
        await self._sleep(wait if self._nothing_to_read() else min(wait, self._pace.remaining()))
        if assignment != self._assignment or self._nothing_to_read():
            return ()
        async with self._using:
            consumer = await self._connected()
        began = time.monotonic()
        with self._faults(consumer, "the log cannot be read"):
            records = await self._drain(consumer, limit, wait)
        if assignment != self._assignment:
            self._unread(consumer, records)
            return ()
        now = time.monotonic()
        for record in records:
            self._positions[record.topic_partition] = record.offset + 1
            self._heard[record.topic_partition] = now
        self._pace.looked(began, len(records), limit)
        if not records:
            self._check_silence(consumer)
        return records

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no records of these partitions until they are assigned anew; the client keeps its connection."""
        fresh = [at for at in partitions if at in self._positions and at not in self._paused]
        self._paused.update(fresh)
        if self._consumer is not None and fresh:
            self._consumer.pause(*map(_theirs, fresh))

    async def backlog(self) -> Mapping[TopicPartition, int]:
        """Return how many records lie between the reading position and the end, by assigned partition."""
        if not self._positions:
            return {}
        async with self._using:
            consumer = await self._connected()
            with self._faults(consumer, "the ends cannot be read"):
                ends = await consumer.end_offsets([_theirs(at) for at in self._positions])
                return {
                    at: max(0, ends[_theirs(at)] - max(position, await consumer.position(_theirs(at))))
                    for at, position in self._positions.items()
                }

    def close(self) -> None:
        """Close the consumer in the background."""
        self._assignment += 1
        self._positions = {}
        if self._consumer is not None:
            self._drop(self._consumer)

    async def _drain(self, consumer: AIOKafkaConsumer, limit: int, wait: float) -> list[Record]:
        """Take what the client has, in pieces, until there are enough records or bytes."""
        records: list[Record] = []
        size, wait_ms = 0, int(wait * 1000)
        while len(records) < limit and size < _FETCH_BYTES:
            pieces = await consumer.getmany(timeout_ms=wait_ms, max_records=min(_DRAIN, limit - len(records)))
            if not pieces:
                break
            wait_ms = 0
            for piece in pieces.values():
                records.extend(own(record) for record in piece)
                size += sum(len(record.value or b"") for record in piece)
        return records

    async def _connected(self) -> AIOKafkaConsumer:
        """Return the consumer; a new one stands where the old one stood."""
        if self._consumer is None:
            fresh = new_consumer(self._settings, self._client_id)
            consumer = await started(fresh, self._closing)
            if self._positions:
                self._seek(consumer, self._positions)
                if self._paused:
                    consumer.pause(*map(_theirs, self._paused))
            self._consumer = consumer
        return self._consumer

    def _seek(self, consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
        """Point the consumer; in one go without await, so that it never asks for committed offsets first."""
        if positions:
            consumer.assign([_theirs(at) for at in positions])
            for at, position in positions.items():
                consumer.seek(_theirs(at), position)
        else:
            consumer.unsubscribe()
        self._heard = dict.fromkeys(positions, time.monotonic())

    def _unread(self, consumer: AIOKafkaConsumer, records: Sequence[Record]) -> None:
        """Put back what an old fetch took from a new assignment; one that is still being made seeks by itself."""
        if records and self._positions and consumer is self._consumer:
            self._seek(consumer, self._positions)

    @contextmanager
    def _faults(self, consumer: AIOKafkaConsumer, what: str) -> Iterator[None]:
        """Throw the consumer away after a fault: the state of the client is unknown then."""
        try:
            with passing_faults(what):
                yield
        except (RetryableError, LogPositionError):
            self._drop(consumer)
            raise

    def _drop(self, consumer: AIOKafkaConsumer) -> None:
        """Let go of the consumer; the next use makes another at the same positions."""
        self._closing.add(consumer)
        if consumer is self._consumer:
            self._consumer = None

    def _nothing_to_read(self) -> bool:
        return len(self._paused) == len(self._positions)

    def _check_silence(self, consumer: AIOKafkaConsumer) -> None:
        """Raise RetryableError, and begin afresh, where the broker has not answered for long.

        Called when a fetch gave nothing: then the client holds nothing back and asks for every partition
        again and again, whether or not we fetch.
        """
        now = time.monotonic()
        for at in self._positions.keys() - self._paused:
            answered_ms = consumer.last_poll_timestamp(_theirs(at)) or 0
            silent = min(now - self._heard[at], time.time() - answered_ms / 1000)
            if silent > _SILENCE_SECONDS:
                self._drop(consumer)
                raise RetryableError(f"{at.topic}/{at.partition}: no word from the broker for {silent:.0f} s")

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not beyond a change of what is to be read."""
        self._changed.clear()
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return


def own(record: ConsumerRecord) -> Record:
    """Return a record as the port has it. Without a source and a sequence of ours it is foreign: "" and 0."""
    at = TopicPartition(record.topic, record.partition)
    # A header without a value is allowed, and means nothing that an empty one does not.
    source, seq, timeline, headers = _origin(at.topic, tuple((name, value or b"") for name, value in record.headers))
    return Record(*at, record.offset, source, seq, record.timestamp, record.value, headers, record.key, timeline)


def _origin(topic: str, headers: Headers) -> tuple[str, int, int, Headers]:
    named = dict(headers)
    source, seq, timeline = named.get("source", b""), named.get("seq", b""), named.get("timeline", b"0")
    numbers = _SEQUENCE.fullmatch(seq) and _SEQUENCE.fullmatch(timeline)
    # A record without our headers, or with malformed ones, is not ours: it is set aside and must not end the process.
    if is_foreign(topic) or not (_SOURCE.fullmatch(source) and numbers):
        return "", 0, 0, headers
    return source.decode(), int(seq), int(timeline), tuple(h for h in headers if h[0] not in _OURS)


async def between(consumer: AIOKafkaConsumer, where: KafkaPartition, start: int, end: int) -> list[Record]:
    """Return the records from `start` to before `end`, which lie in the log. Takes the consumer's assignment."""
    records: list[Record] = []
    if start >= end:
        return records
    consumer.assign([where])
    consumer.seek(where, start)
    async with asyncio.timeout(_LOOK_SECONDS):
        while await consumer.position(where) < end:
            for piece in (await consumer.getmany(where, timeout_ms=1000, max_records=_DRAIN)).values():
                records.extend(own(record) for record in piece if record.offset < end)
    return records


async def _checked(consumer: AIOKafkaConsumer, cursors: Mapping[TopicPartition, Cursor]) -> dict[TopicPartition, int]:
    """Return where to start reading. Raises LogPositionError for a position that the log does not have."""
    wanted = [_theirs(at) for at in cursors]
    if not wanted:
        return {}
    first = await consumer.beginning_offsets(wanted)
    end = await consumer.end_offsets(wanted)
    return {at: _start(at, cursor, first[_theirs(at)], end[_theirs(at)]) for at, cursor in cursors.items()}


def _start(at: TopicPartition, cursor: Cursor, first: int, end: int) -> int:
    if is_foreign(at.topic) and cursor.next_offset == 0:
        return first  # never read before, and others' records are theirs to let go
    if not first <= cursor.next_offset <= end:
        raise LogPositionError(
            f"{at.topic}/{at.partition}: position {cursor.next_offset} lies outside the log, which has {first} to {end}"
        )
    return cursor.next_offset


def _theirs(at: TopicPartition) -> KafkaPartition:
    return KafkaPartition(at.topic, at.partition)
