"""An event log under test: blocks are written to it as a stage does, and read as a stage does."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg

from services.kit.config import ServiceConfig, load
from services.kit.eventlog import (
    Cursor,
    DeadLetters,
    EventLog,
    Output,
    Record,
    Row,
    TopicPartition,
    append_outputs,
    decode_headers,
    installation_of,
)
from services.kit.postgres import Pool
from tests.waiting import until_it_works

T = TypeVar("T")
SOURCE = "intake"


class Bench:
    """A log of these settings beside a database. It knows nothing of any adapter: a new log needs no other bench."""

    def __init__(self, pool: Pool, settings: Mapping[str, str]) -> None:
        self.pool = pool
        self.settings = settings
        self._installation = installation_of(load(ServiceConfig, settings))
        self._opened: list[EventLog] = []
        self._published: dict[tuple[str, TopicPartition], int] = {}
        self._publishing = asyncio.Lock()
        self.writer = self.open()

    def open(self, stage: str = "deduplication") -> EventLog:
        """Open the log as another process of this stage would."""
        log = self._installation.open(stage, self.pool)
        self._opened.append(log)
        return log

    @asynccontextmanager
    async def dead_letters(self) -> AsyncIterator[DeadLetters]:
        """Open the dead letters as `heraut dlq` does."""
        async with self.pool.acquire() as connection:
            letters = self._installation.dead_letters(connection)
            try:
                yield letters
            finally:
                await letters.close()

    async def write(self, at: TopicPartition, *values: bytes, source: str = SOURCE, before_commit: float = 0) -> None:
        """Commit blocks in one transaction, holding the head's lock for `before_commit` seconds."""
        await self.write_outputs([Output(*at, value) for value in values], source, before_commit)

    async def write_outputs(self, outputs: Sequence[Output], source: str = SOURCE, before_commit: float = 0) -> None:
        """Commit blocks with headers, and publish them where the log lies outside the database."""
        async with self.pool.acquire() as connection, connection.transaction():
            await append_outputs(connection, source, outputs)
            await connection.execute("select pg_sleep($1)", before_commit)
        for at in {TopicPartition(output.topic, output.partition) for output in outputs}:
            if self.writer.outside_database:
                await self._publish(source, at)

    async def rows(self, source: str, at: TopicPartition, published: int) -> list[Row]:
        """Return the committed rows above what is published."""
        found = await self.pool.fetch(
            "select seq, (extract(epoch from at) * 1000)::bigint as at, headers, block from log.log"
            " where source = $1 and topic = $2 and partition = $3 and seq > $4 order by seq",
            source, *at, published,
        )  # fmt: skip
        return [Row(row["seq"], row["at"], row["block"], decode_headers(row["headers"])) for row in found]

    async def close(self) -> None:
        """Close every log that was opened."""
        await asyncio.gather(*(log.close() for log in self._opened))

    async def _publish(self, source: str, at: TopicPartition) -> None:
        """Publish what is committed and not yet published, in sequence order."""
        async with self._publishing:
            rows = await self.rows(source, at, self._published.get((source, at), 0))
            if rows:
                await until_it_works(lambda: self.writer.publish(source, at, rows))
                self._published[source, at] = rows[-1].seq


@asynccontextmanager
async def bench_on(database_url: str, settings: Mapping[str, str]) -> AsyncIterator[Bench]:
    """Lend a bench with connections of its own."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=12) as pool:
        bench = Bench(pool, settings)
        try:
            yield bench
        finally:
            await bench.close()


class Reader:
    """Takes blocks as a stage does: the next sequence of a source is taken, a lower one dropped."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.cursors: dict[TopicPartition, Cursor] = {}
        self.taken: list[Record] = []
        self.repeated: list[Record] = []

    async def start(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Begin at these positions."""
        self.cursors = dict(cursors)
        await until_it_works(lambda: self.log.assign(cursors))

    async def take(self, blocks: int, *, limit: int = 100) -> list[Record]:
        """Take so many more blocks."""
        until = len(self.taken) + blocks
        async with asyncio.timeout(30):
            while len(self.taken) < until:
                for record in await self.log.fetch(min(limit, until - len(self.taken)), 0.5):
                    self._take(record)
        return self.taken[until - blocks :]

    async def nothing_more(self) -> bool:
        """Tell whether nothing new comes within a few polls of the log."""
        seen = len(self.taken)
        for record in await self.log.fetch(100, 0.3):
            self._take(record)
        return len(self.taken) == seen

    def _take(self, record: Record) -> None:
        at, cursor = record.topic_partition, self.cursors[record.topic_partition]
        last = cursor.taken.get(record.source, 0)
        assert record.seq <= last + 1, f"{at}: after {last} came {record.seq} of {record.source}"
        (self.taken if record.seq == last + 1 else self.repeated).append(record)
        taken = {**cursor.taken, record.source: max(last, record.seq)}
        self.cursors[at] = Cursor(max(cursor.next_offset, record.offset + 1), taken)
