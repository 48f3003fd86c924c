"""The event log on PostgreSQL itself: one row a block in `log.log`, written by the transaction that made it.

What Kafka gives with offsets, sequences give here: the writer's head row is locked until its commit, so what a
reader sees of a source has no holes, and "everything after the last one taken" is the whole protocol.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
from notification.topics import TOPICS

from services.kit.errors import RetryableError
from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.pace import Pace
from services.kit.eventlog.port import Cursor, Output, Record, Row, TopicPartition
from services.kit.eventlog.topics import dead_letter_topic, readers_of, retention_of, sources_of
from services.kit.postgres import Connection, Pool, Queries, is_retryable

__all__ = ["EmbeddedLog", "prune", "prune_published"]

SourcePosition = tuple[TopicPartition, str]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

# A first block waits half of this on average; twenty cheap looks a second cost about 1 % of a core.
_IDLE_SECONDS = 0.05
# After some seconds without anything five looks a second are enough, for seven processes and their database that
# have nothing to do; the first of many people then waits for a blink of an eye in each room.
_QUIET_SECONDS = 0.2
# Under load, what a fuller batch saves is worth this much latency.
_FULLER_SECONDS = 0.05
# What one fetch may hold in memory, and one transaction decide: some tens of thousands of people.
_FETCH_BYTES = 4 * 1024 * 1024


class EmbeddedLog:
    """The log as one stage of one process reads it. Writing is the transaction's own business (kit.outbox).

    The pool stays the caller's; one connection of it is held during a query, none in between.
    """

    outside_database = False

    def __init__(self, pool: Pool, stage: str, *, fuller: float = _FULLER_SECONDS) -> None:
        self._pool = pool
        self._stage = stage
        self._positions: dict[SourcePosition, int] = {}
        self._taken_in_all: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._assignment = 0  # counts up, so that a fetch under way knows that its answer is stale
        self._pace = Pace(idle=_IDLE_SECONDS, fuller=fuller, quiet=_QUIET_SECONDS)
        self._changed = asyncio.Event()

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read these partitions, and no others, from these positions; forget what was fetched."""
        self._assignment += 1
        self._paused.clear()
        self._taken_in_all = {at: cursor.next_offset for at, cursor in cursors.items()}
        self._positions = {
            (at, source): cursor.taken.get(source, 0)
            for at, cursor in cursors.items()
            for source in sources_of(at.topic)
        }
        self._wake()

    async def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return up to `limit` blocks past those given before; waits up to `wait` seconds for the first."""
        deadline = time.monotonic() + wait
        while True:
            self._changed.clear()
            await self._sleep(min(self._pace.remaining(), max(0.0, deadline - time.monotonic())))
            if self._pace.remaining() == 0.0:
                records = await self._look(limit)
                if records:
                    return records
            if time.monotonic() >= deadline:
                return ()

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no blocks of these partitions until resumed."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Return blocks of these partitions again."""
        self._paused.difference_update(partitions)
        self._wake()

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Nothing to do: the committed row is the log."""

    async def forward(self, output: Output) -> None:
        """Raise AssertionError: the embedded log has no topics of others, so there is nothing to forward."""
        raise AssertionError(f"{output.topic}: the embedded log has no topics of others")

    async def last_sequence(self, source: str, at: TopicPartition) -> int | None:
        """Return the highest sequence of `source` that stands in the log, None where there is none."""
        async with self._connection() as connection:
            last = await connection.fetchval(_QUERIES["last_sequence"], at.topic, at.partition, source)
        return None if last is None else int(last)

    async def backlog(self) -> Mapping[TopicPartition, int]:
        """Return how many blocks lie between the reading position and the end, by assigned partition."""
        wanted = list(self._positions.items())
        backlog = {at: 0 for (at, _), _ in wanted}
        if not wanted:
            return backlog
        taken = dict(wanted)
        topics, partitions, sources, _ = _columns(wanted)
        async with self._connection() as connection:
            ends = await connection.fetch(_QUERIES["ends"], topics, partitions, sources)
        for topic, partition, source, last in ends:
            at = TopicPartition(topic, partition)
            backlog[at] += max(0, last - taken[at, source])
        return backlog

    async def note_progress(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Write how far the stage has read, so that retention may go so far."""
        read = [((at, source), taken) for at, cursor in cursors.items() for source, taken in cursor.taken.items()]
        if read:
            async with self._connection() as connection:
                await connection.execute(_QUERIES["note_progress"], self._stage, *_columns(read))

    async def close(self) -> None:
        """Return nothing any more."""
        await self.assign({})

    async def _look(self, limit: int) -> Sequence[Record]:
        """Ask once, and move on past what is given."""
        wanted = [(key, taken) for key, taken in self._positions.items() if key[0] not in self._paused]
        began, assignment = time.monotonic(), self._assignment
        rows: Sequence[asyncpg.Record] = ()
        if wanted:
            async with self._connection() as connection:
                rows = await connection.fetch(_QUERIES["fetch"], *_columns(wanted), limit, _FETCH_BYTES)
        if assignment != self._assignment:
            return ()
        records = [_record(row) for row in rows]
        # A partition that was paused meanwhile keeps its blocks for later.
        given = [record for record in records if record.topic_partition not in self._paused]
        for record in given:
            self._positions[record.topic_partition, record.source] = record.seq
            self._taken_in_all[record.topic_partition] += 1
        self._pace.looked(began, len(records), limit)
        return given

    async def _sleep(self, seconds: float) -> None:
        """Wait, but not beyond a change of what is to be read."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _wake(self) -> None:
        self._pace.reset()
        self._changed.set()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection. A passing fault becomes a RetryableError."""
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except Exception as error:
            if is_retryable(error):
                raise RetryableError(f"the database cannot be reached: {type(error).__name__}") from error
            raise


async def prune(connection: Connection, retention: timedelta, limit: int = 5000) -> int:
    """Delete at most `limit` blocks older than `retention` that every stage has taken; returns how many.

    For the embedded log only. Topics that are kept for ever stay; dead letters are kept for their own time.
    Call again while it gives `limit`: a bounded delete holds back neither vacuum nor writers.
    """
    names = [spec.name for spec in TOPICS]
    consumers = [(name, stage) for name in names for stage in readers_of(name)]
    everything = [*names, *(dead_letter_topic(name, stage) for name, stage in consumers)]
    rules = [(name, keep) for name in everything if (keep := retention_of(name, retention)) is not None]
    return _count(
        await connection.execute(_QUERIES["prune"], *_transposed(rules, 2), *_transposed(consumers, 2), limit)
    )


async def prune_published(
    connection: Connection,
    source: str,
    at: TopicPartition,
    published: int,
    *,
    retention: timedelta,
    limit: int = 5000,
) -> int:
    """Delete at most `limit` blocks of one source and partition that Kafka has acknowledged; returns how many.

    `published` is the stage's own mark (`relay.published`): what lies above it is never deleted.
    """
    status = await connection.execute(
        _QUERIES["prune_published"], at.topic, at.partition, source, published, retention, limit
    )
    return _count(status)


def _record(row: asyncpg.Record) -> Record:
    topic, partition, source, seq, at, headers, block = row
    return Record(topic, partition, seq, source, seq, at, block, decode_headers(headers))


def _columns(positions: Iterable[tuple[SourcePosition, int]]) -> tuple[list[str], list[int], list[str], list[int]]:
    topics, partitions, sources, taken = _transposed(
        [(at.topic, at.partition, source, taken) for (at, source), taken in positions], 4
    )
    return topics, partitions, sources, taken


def _transposed(rows: Sequence[tuple[object, ...]], width: int) -> list[list]:  # type: ignore[type-arg]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _count(status: str) -> int:
    """Read the number of rows out of a command's status, `DELETE 12`."""
    return int(status.rpartition(" ")[2])
