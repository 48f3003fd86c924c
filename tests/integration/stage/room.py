"""A made-up room: one effect row and one outgoing block for every block that it takes, and ways to break it."""

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from services.kit.errors import InvalidMessage, RetryableError
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Cursor, EventLog, Output, Record, TopicPartition
from services.kit.postgres import Connection, Pool
from services.kit.process.metrics import new_registry
from services.kit.stage.context import StageContext
from services.kit.stage.failpoints import Failpoints, NoFailpoints
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.plan import Read, plan_batch
from services.kit.stage.port import StagePolicy
from services.kit.stage.stage import Stage
from services.kit.testing import MemoryLog, MemoryTopics
from services.kit.tracing import NOT_TRACED, Tracing
from tests.waiting import until

# Any room of the middle would do: this one reads one topic of all partitions and writes another.
STAGE, SOURCE = "routing", "deduplication"
INPUT, OUTPUT = "heraut.notices.released.v1", "heraut.notices.routed.portal.v1"
DEAD_LETTERS = f"{INPUT}.{STAGE}.dlq"
PARTITIONS = 4
# Short, so that a dead owner is replaced within a test's patience.
POLICY = StagePolicy(
    lease=0.6, drain_timeout=5.0, tick_every=0.05, fetch_wait=0.1, publish_every=0.01, mark_every=0.0,
    backoff_base=0.01, backoff_cap=0.1,
)  # fmt: skip


def partition_of(block: bytes) -> int:
    """Return the partition that a block is written to: `b"17@3"` goes to 3."""
    return int(block.rpartition(b"@")[2])


def numbered(first: int, end: int) -> list[bytes]:
    """Name blocks, spread over the partitions."""
    return [f"{number}@{number % PARTITIONS}".encode() for number in range(first, end)]


@dataclass
class Copying:
    """The room. `poison` are blocks that its code fails on, `unreadable` those that are no messages."""

    poison: Collection[bytes] = ()
    unreadable: Collection[bytes] = ()
    due: list[Output] = field(default_factory=list)  # what ticks give, one each
    early: set[bytes] = field(default_factory=set)  # blocks that refer to something not known yet

    def decode(self, record: Record) -> bytes:
        """Read a block."""
        value = record.value or b""
        if value in self.unreadable:
            raise InvalidMessage("unreadable")
        return value

    async def ready(self, work: Sequence[bytes]) -> None:
        """Be ready, unless something is not known yet."""
        if not self.early.isdisjoint(work):
            raise RetryableError("not known yet", after=0.01)

    async def apply(self, connection: Connection, work: Sequence[bytes]) -> Sequence[Output]:
        """Write an effect for each block, and send it on."""
        await connection.execute("insert into effect (block) select unnest($1::bytea[])", list(work))
        if any(block in self.poison for block in work):
            raise ZeroDivisionError
        return [Output(OUTPUT, partition_of(block), block) for block in work]

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:  # noqa: ARG002
        """Return what is due on these partitions."""
        due = [output for output in self.due if output.partition in partitions][:1]
        for output in due:
            self.due.remove(output)
        return due


class Killed(BaseException):
    """The process is gone, at once and without a word."""


@dataclass
class Breaking:
    """Raises something the `nth` time that a step is reached."""

    step: str
    error: BaseException
    nth: int = 1
    seen: Counter[str] = field(default_factory=Counter)

    async def reached(self, step: str) -> None:
        """Break at the step, once."""
        self.seen[step] += 1
        if step == self.step and self.seen[step] == self.nth:
            raise self.error


@dataclass
class Pausing:
    """Freezes the whole process the `nth` time that a step is reached: nothing of it goes on, its leases included."""

    step: str
    nth: int = 1
    frozen: asyncio.Event = field(default_factory=asyncio.Event)
    thaw: asyncio.Event = field(default_factory=asyncio.Event)
    seen: int = 0

    async def reached(self, step: str) -> None:
        """Freeze at the step, and from then on at every step until thawed."""
        self.seen += step == self.step
        if step == self.step and self.seen == self.nth:
            self.frozen.set()
        if self.frozen.is_set():
            await self.thaw.wait()

    def wake(self) -> None:
        """Let the process go on."""
        self.frozen.clear()
        self.thaw.set()

    @asynccontextmanager
    async def thawed_at_last(self) -> AsyncIterator[None]:
        """Let it go on at the end, whatever happened, so that it can be stopped."""
        try:
            yield
        finally:
            self.wake()


@dataclass
class World:
    """The database around the room, and what a test may ask of it. The log is the database's own."""

    pool: Pool  # a bystander's, who sees everything, in the room's schema
    upstream: Pool  # of whoever writes what the room reads
    new_pool: Callable[[str], Awaitable[Pool]]

    topics: MemoryTopics | None = None  # the log, where it is one in memory

    @property
    def outside_database(self) -> bool:
        """Tell whether the log is outside the database."""
        return self.topics is not None

    def new_log(self, pool: Pool, stage: str) -> EventLog:
        """Open the log as a process of a stage would."""
        return MemoryLog(self.topics) if self.topics else EmbeddedLog(pool, stage)

    async def feed(self, blocks: Sequence[bytes]) -> None:
        """Write blocks to the input topic."""
        async with self.upstream.acquire() as connection, connection.transaction():
            await append_outputs(connection, SOURCE, [Output(INPUT, partition_of(block), block) for block in blocks])
        if self.topics:
            for block in blocks:
                at = TopicPartition(INPUT, partition_of(block))
                self.topics.write(at, block, source=SOURCE, seq=len(self.topics.records[at]) + 1)

    async def effects(self) -> Counter[bytes]:
        """Return how often each block had its effect."""
        return Counter(row[0] for row in await self.pool.fetch("select block from effect"))

    async def taken_by_next_room(self, topic: str = OUTPUT) -> Counter[bytes]:
        """Return what a reader of a topic takes who begins at its beginning, and who stops at a gap."""
        reads = [Read(record) for record in await self.records(topic)]
        places = {read.record.topic_partition for read in reads}
        plan = plan_batch(reads, {at: Cursor() for at in places}, offsets=True)
        assert plan.gaps == {}
        return Counter(read.record.value or b"" for read in plan.taken)

    async def published_up_to_heads(self) -> bool:
        """Tell whether every sequence given is noted as published."""
        rows = await self.pool.fetch(
            """select 1 from log.head as head left join publisher
               on publisher.stage = head.source
               and publisher.topic = head.topic and publisher.partition = head.partition
               where head.source = $1 and head.last_seq is distinct from publisher.published""",
            STAGE,
        )
        return not rows

    async def all_through(self, blocks: Sequence[bytes]) -> None:
        """Wait until all blocks have come out."""
        expected = set(blocks)

        async def through() -> bool:
            return expected <= (await self.taken_by_next_room()).keys()

        await until(through)

    async def assert_once(self, blocks: Sequence[bytes]) -> None:
        """Wait until all blocks have come out, and see that each had its effect once and is taken once."""
        await self.all_through(blocks)
        assert Counter(blocks) == await self.effects()
        assert Counter(blocks) == await self.taken_by_next_room()
        if self.outside_database:
            await until(self.published_up_to_heads)

    async def replica(
        self,
        room: Copying | None = None,
        *,
        failpoints: Failpoints | None = None,
        policy: StagePolicy = POLICY,
        log: EventLog | None = None,
        tracing: Tracing = NOT_TRACED,
    ) -> "Replica":
        """Make a replica of the stage, with connections of its own."""
        pool = await self.new_pool(STAGE)
        registry = new_registry()
        metrics = StageMetrics(STAGE, registry)
        log = log or self.new_log(pool, STAGE)
        context = StageContext(
            stage=STAGE, topics=[INPUT], partitions=PARTITIONS, pool=pool, log=log, handler=room or Copying(),
            policy=policy, metrics=metrics, failpoints=failpoints or NoFailpoints(), tracing=tracing,
        )  # fmt: skip
        return Replica(Stage(context), pool, log, metrics, registry)

    async def records(self, topic: str) -> list[Record]:
        """Return all records of a topic, by partition in their order."""
        if self.topics:
            places = [at for at in sorted(self.topics.records) if at.topic == topic]
            return [record for at in places for record in self.topics.records[at]]
        rows = await self.pool.fetch(
            "select partition, source, seq, block from log.log where topic = $1 order by partition, seq", topic
        )
        counts: defaultdict[int, int] = defaultdict(int)
        records = []
        for partition, source, seq, block in rows:
            records.append(Record(topic, partition, counts[partition], source, seq, 0, block))
            counts[partition] += 1
        return records


@dataclass
class Replica:
    """One process of the stage."""

    stage: Stage
    pool: Pool
    log: EventLog
    metrics: StageMetrics
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    @property
    def memory(self) -> MemoryLog:
        """Return the log, where it is in memory and can be made to fail."""
        assert isinstance(self.log, MemoryLog)
        return self.log

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Stage]:
        """Run it as long as the context lasts, then stop it as SIGTERM would."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.stage.run(stop))
        try:
            yield self.stage
        finally:
            stop.set()
            await task

    async def run_until_killed(self, within: float = 10.0) -> None:
        """Run it until something kills it; its connections die with it."""
        task = asyncio.create_task(self.stage.run(asyncio.Event()))
        await asyncio.wait({task}, timeout=within)
        if not task.done():
            task.cancel()
        with contextlib.suppress(BaseExceptionGroup, asyncio.CancelledError):
            await task
        self.pool.terminate()
        assert not task.cancelled(), "nothing killed it"
