"""The event log on PostgreSQL itself: one row a block in `log.log`, written by the transaction that made it.

Sequences do here what offsets do on Kafka. The writer's head row is locked until its commit, so what a reader sees
of a source has no holes, and a reader asks for everything after the last sequence that it took.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from services.kit.errors import RetryableError
from services.kit.eventlog.embedded.bell import Bell
from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.pace import Pace
from services.kit.eventlog.port import Cursor, Output, Record, Row, TopicPartition
from services.kit.eventlog.topics import sources_of
from services.kit.postgres import Connection, Pool, Queries, is_retryable

__all__ = ["EmbeddedLog"]

SourcePosition = tuple[TopicPartition, str]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

# A first block waits half of this on average after a while in which there was work.
_IDLE_SECONDS = 0.05
# The first block after a silence waits up to this long in each room where nobody rings: four looks a second.
_QUIET_SECONDS = 0.25
# With a bell the first block waits for no look. This is for bells that nobody hears; whoever counts the backlog once a
# second (the stage's watcher, the table of incidents) has looked meanwhile, so that idle processes are nearly at rest.
_RUNG_QUIET_SECONDS = 1.5
# Under load, what a fuller batch saves is worth this much latency: at first, and in a steady stream.
_FULLER_SECONDS = 0.05
_FULLEST_SECONDS = 0.3
# What one fetch may hold in memory, and one transaction decide: some tens of thousands of people.
_FETCH_BYTES = 4 * 1024 * 1024


class EmbeddedLog:
    """The log as one stage of one process reads it. The transaction that makes a block writes it (`outbox.py`).

    The pool stays the caller's; one connection of it is held during a query, none in between.
    """

    outside_database = False

    def __init__(self, pool: Pool, stage: str, bell: Bell | None = None) -> None:
        """Open it; without a bell it is looked at more often."""
        self._pool = pool
        self._stage = stage
        self._positions: dict[SourcePosition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._noted: dict[SourcePosition, int] = {}  # how far it is written down that the stage has read
        self._assignment = 0  # counts up, so that a fetch under way knows that its answer is stale
        self._bell, self._rung = bell, False
        quiet = _RUNG_QUIET_SECONDS if bell else _QUIET_SECONDS
        self._pace = Pace(idle=_IDLE_SECONDS, fuller=_FULLER_SECONDS, fullest=_FULLEST_SECONDS, quiet=quiet)
        self._changed = asyncio.Event()

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read these partitions, and no others, from these positions; forget what was fetched."""
        self._assignment += 1
        self._paused.clear()
        self._noted.clear()
        self._positions = {
            (at, source): cursor.taken.get(source, 0)
            for at, cursor in cursors.items()
            for source in sources_of(at.topic)
        }
        self._pace.reset()
        self._changed.set()
        if self._bell and cursors:
            self._bell.listen(self, {at.topic for at in cursors}, self._ring)

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
        """Return no blocks of these partitions until they are assigned anew."""
        self._paused.update(partitions)

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
        self._rung = False
        async with self._connection() as connection:
            ends = await connection.fetch(_QUERIES["ends"], topics, partitions, sources)
        for topic, partition, source, last in ends:
            at = TopicPartition(topic, partition)
            backlog[at] += max(0, last - taken[at, source])
        if any(left for at, left in backlog.items() if at not in self._paused):
            self._ring()
        elif not self._rung:
            self._pace.looked_in_passing()
        return backlog

    async def note_progress(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Write how far the stage has read, where that has moved, so that retention may go so far."""
        read = {(at, source): taken for at, cursor in cursors.items() for source, taken in cursor.taken.items()}
        moved = [(place, taken) for place, taken in read.items() if self._noted.get(place) != taken]
        if moved:
            async with self._connection() as connection:
                await connection.execute(_QUERIES["note_progress"], self._stage, *_columns(moved))
            self._noted.update(moved)

    async def close(self) -> None:
        """Read nothing any more."""
        await self.assign({})
        if self._bell:
            await self._bell.leave(self)

    def _ring(self) -> None:
        """Look at once, where the last look found nothing: there may be blocks now."""
        self._rung = True
        self._pace.wake()
        self._changed.set()

    async def _look(self, limit: int) -> Sequence[Record]:
        """Ask once, and move the reading positions past the blocks that are returned."""
        wanted = [(key, taken) for key, taken in self._positions.items() if key[0] not in self._paused]
        began, assignment = time.monotonic(), self._assignment
        self._rung = False
        rows: Sequence[asyncpg.Record] = ()
        if wanted:
            columns = _columns(wanted)
            async with self._connection() as connection:
                # After a look that found nothing the heads are asked first: at rest that is all there is to do.
                if not self._pace.idle or await connection.fetchval(_QUERIES["is_more"], *columns):
                    rows = await connection.fetch(_QUERIES["fetch"], *columns, limit, _FETCH_BYTES)
        if assignment != self._assignment:
            return ()
        records = [_record(row) for row in rows]
        # A partition that was paused meanwhile keeps its blocks for later.
        given = [record for record in records if record.topic_partition not in self._paused]
        for record in given:
            self._positions[record.topic_partition, record.source] = record.seq
        self._pace.looked(began, len(records), limit)
        if self._rung:  # meanwhile, maybe too late for this look
            self._pace.wake()
        return given

    async def _sleep(self, seconds: float) -> None:
        """Wait; a new assignment ends the wait."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return

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


def _record(row: asyncpg.Record) -> Record:
    topic, partition, source, seq, at, headers, block = row
    return Record(topic, partition, seq, source, seq, at, block, decode_headers(headers))


def _columns(
    positions: Sequence[tuple[SourcePosition, int]],
) -> tuple[list[str], list[int], list[str], list[int]]:
    """Return topics, partitions, sources and sequences as arrays side by side."""
    return (
        [at.topic for (at, _), _ in positions],
        [at.partition for (at, _), _ in positions],
        [source for (_, source), _ in positions],
        [taken for _, taken in positions],
    )
