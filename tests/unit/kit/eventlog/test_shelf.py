"""What leaves the memory of a global table, and comes back when it is asked for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakSet

import orjson
import pytest

from services.kit.errors import RetryableError
from services.kit.eventlog import Entry, GlobalTable, TopicPartition
from services.kit.testing import MemoryLog, MemoryTopics

TOPIC, SIZE = "things.changed", 100


@dataclass(frozen=True, eq=False)
class Thing:
    """A value that can be counted while it lives."""

    name: str
    version: int


class Things:
    """Things that are told of in a log, and those of them that are in memory."""

    def __init__(self) -> None:
        self.topics = MemoryTopics()
        self.again = MemoryLog(self.topics)
        self.alive: WeakSet[Thing] = WeakSet()

    def tell(self, name: str, *versions: int) -> None:
        """Write versions of a thing, each in a record of its own."""
        for version in versions:
            at = TopicPartition(TOPIC, 0)
            self.topics.write(at, orjson.dumps([name, version]), source="a", seq=len(self.topics.records[at]) + 1)

    def decode(self, value: bytes | None) -> Sequence[Entry]:
        """Return the version by itself, and as what is newest."""
        name, version = orjson.loads(value or b"")
        thing = Thing(name, version)
        self.alive.add(thing)
        return [Entry((name, str(version)), 1, thing, SIZE), Entry((name,), version, thing)]

    @asynccontextmanager
    async def followed(self, limit: int) -> AsyncIterator[GlobalTable]:
        """Follow the log with room for `limit` bytes of versions, until all that stands there was read."""
        table, stop = GlobalTable(MemoryLog(self.topics), TOPIC, self.decode, self.again, limit), asyncio.Event()
        task = asyncio.create_task(table.run(stop))
        await asyncio.wait_for(table.loaded.wait(), 5)
        try:
            yield table
        finally:
            stop.set()
            await task


async def test_versions_stay_in_memory_up_to_a_limit() -> None:
    """Forty versions cost what the newest and the limit come to, whatever else was said."""
    things = Things()
    things.tell("a", *range(1, 41))
    things.tell("b", 1)

    async with things.followed(limit=3 * SIZE):
        assert {("b", 1), ("a", 40), ("a", 39)} == {(thing.name, thing.version) for thing in things.alive}


async def test_a_version_that_left_is_read_again() -> None:
    """A notice that names an old version gets its words, and no other version's."""
    things = Things()
    things.tell("a", *range(1, 41))
    async with things.followed(limit=2 * SIZE) as table:
        found = [await table.wait_for(("a", str(version))) for version in (7, 1, 40, 7, 39)]

        assert [7, 1, 40, 7, 39] == [thing.version for thing in found]
        del found
        assert 3 == len(things.alive), "what was read again counts against the limit"
        assert {} == things.again.assigned, "nothing is read ahead"


async def test_the_newest_is_found_without_reading() -> None:
    """Whatever left the shelf, nobody waits for the log to say what is newest."""
    things = Things()
    things.tell("a", 1)
    things.tell("b", *range(1, 10))
    async with things.followed(limit=SIZE) as table:
        things.again.away = True

        assert table.get(("a",)) is await table.wait_for(("a", "1"))


async def test_a_process_that_began_again_reads_old_versions_too() -> None:
    """Where a version stands is learned from the log itself, so that a restart forgets nothing."""
    things = Things()
    things.tell("a", *range(1, 41))
    async with things.followed(limit=SIZE) as table:
        await table.wait_for(("a", "5"))

    async with things.followed(limit=SIZE) as table:
        assert 5 == (await table.wait_for(("a", "5"))).version
        with pytest.raises(RetryableError):
            await table.wait_for(("a", "41"), timeout=0.01)


async def test_a_log_that_is_away_is_a_passing_fault() -> None:
    """Whoever asks for a version tries again; nobody gets another one's words meanwhile."""
    things = Things()
    things.tell("a", *range(1, 10))
    async with things.followed(limit=SIZE) as table:
        things.again.away = True
        with pytest.raises(RetryableError):
            await table.wait_for(("a", "2"))
        things.again.away = False

        assert 2 == (await table.wait_for(("a", "2"))).version


async def test_a_place_that_has_something_else_is_a_passing_fault() -> None:
    """A log that was changed behind our back gives no wrong version."""
    things = Things()
    things.tell("a", *range(1, 10))
    async with things.followed(limit=SIZE) as table:
        records = things.topics.records[TopicPartition(TOPIC, 0)]
        records[1] = records[2]

        with pytest.raises(RetryableError):
            await table.wait_for(("a", "2"))


async def test_many_who_ask_at_once_read_one_after_the_other() -> None:
    """Two reads at a time would move each other's position."""
    things = Things()
    things.tell("a", *range(1, 30))
    async with things.followed(limit=SIZE) as table:
        found = await asyncio.gather(*(table.wait_for(("a", str(version))) for version in range(1, 30)))

        assert list(range(1, 30)) == [thing.version for thing in found]


async def test_a_reading_that_is_given_up_leaves_the_next_one_alone() -> None:
    """What waits is cancelled at a take-over, at any moment."""
    things = Things()
    things.tell("a", *range(1, 10))
    async with things.followed(limit=SIZE) as table:
        waiting = asyncio.create_task(table.wait_for(("a", "2")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        assert [3, 2] == [(await table.wait_for(("a", version))).version for version in ("3", "2")]
