"""A made-up room: one effect row and one outgoing block for every block that it takes."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import asyncpg

from services.kit.errors import InvalidMessage
from services.kit.eventlog import EventLog, Output, Record
from services.kit.eventlog.embedded import EmbeddedLog
from services.kit.metrics import StageMetrics, new_registry
from services.kit.outbox import append
from services.kit.stage import Connection, Stage, StagePolicy
from services.kit.steps import Steps

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# Any room of the middle would do: this one reads one topic of all partitions and writes another.
STAGE, SOURCE = "routing", "deduplication"
INPUT, OUTPUT = "heraut.notices.released.v1", "heraut.notices.routed.portal.v1"
PARTITIONS = 4
# Short, so that a dead owner is replaced within a test's patience.
POLICY = StagePolicy(
    lease=1.0, drain_timeout=5.0, tick_every=0.05, fetch_wait=0.1, relay_every=0.01, mark_every=0.0,
    backoff_base=0.01, backoff_cap=0.1,
)  # fmt: skip


@dataclass
class Copying:
    """The room. `poison` are blocks that its code fails on, `unreadable` those that are no messages."""

    poison: Collection[bytes] = ()
    unreadable: Collection[bytes] = ()
    ticks: list[Output] = field(default_factory=list)  # what the next ticks give, one each
    applied: Counter[bytes] = field(default_factory=Counter)

    def decode(self, record: Record) -> bytes:
        """Read a block."""
        value = record.value or b""
        if value in self.unreadable:
            raise InvalidMessage("unreadable")
        return value

    async def ready(self, work: Sequence[bytes]) -> None:
        """Be ready."""

    async def apply(self, connection: Connection, work: Sequence[bytes]) -> Sequence[Output]:
        """Write an effect for each block, and send it on to the partition that its name ends with."""
        await connection.executemany("insert into effect (block) values ($1)", [(block,) for block in work])
        if any(block in self.poison for block in work):
            raise ZeroDivisionError
        self.applied.update(work)
        return [Output(OUTPUT, partition_of(block), block) for block in work]

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Give what is due on these partitions."""
        due = [output for output in self.ticks if output.partition in partitions][:1]
        for output in due:
            self.ticks.remove(output)
        return due


def partition_of(block: bytes) -> int:
    """Give the partition that a block is written to: `b"17@3"` goes to 3."""
    return int(block.rpartition(b"@")[2])


def numbered(count: int) -> list[bytes]:
    """Name blocks, spread over the partitions."""
    return [f"{number}@{number % PARTITIONS}".encode() for number in range(count)]


@dataclass
class World:
    """The database around the room, and what a test may ask of it."""

    pool: Pool  # the room's
    upstream: Pool  # of whoever writes what the room reads
    new_pool: Callable[[str], Awaitable[Pool]]

    async def feed(self, blocks: Sequence[bytes]) -> None:
        """Write blocks to the input topic, in one transaction."""
        async with self.upstream.acquire() as connection, connection.transaction():
            await append(connection, SOURCE, [Output(INPUT, partition_of(block), block) for block in blocks])

    async def effects(self) -> Counter[bytes]:
        """Give how often each block had its effect."""
        return Counter(row[0] for row in await self.pool.fetch("select block from effect"))

    async def written(self, topic: str = OUTPUT) -> Counter[bytes]:
        """Give how often each block stands in a topic's log table."""
        return Counter(row[0] for row in await self.pool.fetch("select block from log.log where topic = $1", topic))

    async def until(self, expected: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(seconds):
            while not await expected():
                await asyncio.sleep(0.01)

    def stage(
        self,
        room: Copying,
        *,
        log: EventLog | None = None,
        pool: "Pool | None" = None,
        steps: Steps | None = None,
        policy: StagePolicy = POLICY,
    ) -> Stage:
        """Make a replica of the stage; a log outside the database makes it relay."""
        metrics = StageMetrics(STAGE, new_registry())
        return Stage(
            name=STAGE, topics=[INPUT], partitions=PARTITIONS, pool=pool or self.pool,
            log=log or EmbeddedLog(pool or self.pool, STAGE), handler=room, policy=policy, metrics=metrics,
            relay=log is not None, steps=steps,
        )  # fmt: skip

    @asynccontextmanager
    async def running(self, stage: Stage) -> AsyncIterator[None]:
        """Run a stage as long as the context lasts, then stop it as SIGTERM would."""
        stop = asyncio.Event()
        task = asyncio.create_task(stage.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    @asynccontextmanager
    async def running_until_killed(self, stage: Stage) -> AsyncIterator["asyncio.Task[None]"]:
        """Run a stage as long as the context lasts or it dies, then let it die if it has not."""
        task = asyncio.create_task(stage.run(asyncio.Event()))
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(BaseException):
                await task
