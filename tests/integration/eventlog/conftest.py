"""Both event logs behind one face, so that one suite says what a log is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import asyncpg
import pytest

from services.kit.errors import RetryableError
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.kafka.log import KafkaLog, KafkaSettings
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Cursor, EventLog, Output, Record, Row, TopicPartition
from services.kit.postgres import Pool

SOURCE = "intake"


async def until_it_works(what: Callable[[], Awaitable[None]]) -> None:
    """Try again after each RetryableError, as a stage does: a busy machine is slow to answer."""
    async with asyncio.timeout(120):
        while True:
            try:
                return await what()
            except RetryableError:
                await asyncio.sleep(0.2)


class Bench:
    """A log under test: writes as a stage does, and opens readers. This one is the embedded log."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.opened: list[EventLog] = []

    def open(self, stage: str = "deduplication") -> EventLog:
        """Open the log as another process of this stage would."""
        log = self._new(stage)
        self.opened.append(log)
        return log

    async def write(self, at: TopicPartition, *values: bytes, source: str = SOURCE, before_commit: float = 0) -> None:
        """Commit blocks in one transaction, holding the head's lock for `before_commit` seconds."""
        await self.write_outputs([Output(*at, value) for value in values], source, before_commit)

    async def write_outputs(self, outputs: Sequence[Output], source: str = SOURCE, before_commit: float = 0) -> None:
        """Commit blocks with headers."""
        async with self.pool.acquire() as connection, connection.transaction():
            await append_outputs(connection, source, outputs)
            await connection.execute("select pg_sleep($1)", before_commit)
        for at in {TopicPartition(output.topic, output.partition) for output in outputs}:
            await self.relay(source, at)

    async def relay(self, source: str, at: TopicPartition) -> None:
        """Nothing to do: the committed row is the log."""

    async def close(self) -> None:
        """Close every reader that was opened."""
        await asyncio.gather(*(log.close() for log in self.opened))

    def _new(self, stage: str) -> EventLog:
        return EmbeddedLog(self.pool, stage)


class KafkaBench(Bench):
    """The same with Kafka: the log table is the outbox, and a relay publishes it."""

    def __init__(self, pool: Pool, kafka: KafkaSettings) -> None:
        super().__init__(pool)
        self.kafka = kafka
        self.relaying = asyncio.Lock()
        self.published: dict[tuple[str, TopicPartition], int] = {}
        self.writer = self.open()

    async def relay(self, source: str, at: TopicPartition) -> None:
        """Publish what is committed and not yet published, in sequence order."""
        async with self.relaying:
            rows = await self.rows(source, at, self.published.get((source, at), 0))
            if rows:
                await until_it_works(lambda: self.writer.publish(source, at, rows))
                self.published[source, at] = rows[-1].seq

    async def rows(self, source: str, at: TopicPartition, published: int) -> list[Row]:
        """Return the committed rows above what is published."""
        found = await self.pool.fetch(
            "select seq, (extract(epoch from at) * 1000)::bigint as at, headers, block from log.log"
            " where source = $1 and topic = $2 and partition = $3 and seq > $4 order by seq",
            source, *at, published,
        )  # fmt: skip
        return [Row(row["seq"], row["at"], row["block"], decode_headers(row["headers"])) for row in found]

    def _new(self, stage: str) -> EventLog:
        return KafkaLog(self.kafka, stage)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """Return a pool on an empty, migrated database."""
    async with asyncpg.create_pool(database_url, min_size=1, max_size=12) as pool:
        yield pool


@pytest.fixture
async def postgres_bench(pool: Pool) -> AsyncIterator[Bench]:
    """Return the embedded log."""
    bench = Bench(pool)
    yield bench
    await bench.close()


@pytest.fixture
async def kafka_bench(pool: Pool, kafka: KafkaSettings) -> AsyncIterator[KafkaBench]:
    """Return a real Kafka with empty topics."""
    bench = KafkaBench(pool, kafka)
    yield bench
    await bench.close()


@pytest.fixture(params=["postgres", pytest.param("kafka", marks=pytest.mark.kafka)])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Return each of the two logs in turn."""
    made: Bench = request.getfixturevalue(f"{request.param}_bench")
    return made


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


@pytest.fixture
def reader() -> Callable[[EventLog], Reader]:
    """Return the maker of readers."""
    return Reader
