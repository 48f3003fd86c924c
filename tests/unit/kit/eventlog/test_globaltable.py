"""The table that everybody keeps in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import InvalidMessage, RetryableError
from services.kit.eventlog.globaltable import Entry, GlobalTable
from services.kit.eventlog.port import TopicPartition
from services.kit.testing import MemoryLog

TOPIC = "things.changed"


def _decode(value: bytes | None) -> Sequence[Entry]:
    if value is None:
        raise InvalidMessage("tombstone")
    return [Entry((key,), version, word) for key, version, word in orjson.loads(value)]


def _write(log: MemoryLog, *entries: tuple[str, int, str]) -> None:
    log.topics.write(TopicPartition(TOPIC, 0), orjson.dumps(entries))


@asynccontextmanager
async def _following(log: MemoryLog) -> AsyncIterator[GlobalTable]:
    table, stop = GlobalTable(log, TOPIC, _decode), asyncio.Event()
    task = asyncio.create_task(table.run(stop))
    try:
        yield table
    finally:
        stop.set()
        await task


async def test_it_is_loaded_when_what_stood_there_is_known() -> None:
    """A room that starts late knows what happened before."""
    log = MemoryLog()
    _write(log, ("a", 1, "old"))
    _write(log, ("a", 2, "new"), ("b", 1, "other"))

    async with _following(log) as table:
        await asyncio.wait_for(table.loaded.wait(), 5)

        assert {("a",): "new", ("b",): "other"} == dict(table.items())


async def test_an_empty_topic_is_loaded_at_once() -> None:
    """Nothing to know is known."""
    async with _following(MemoryLog()) as table:
        await asyncio.wait_for(table.loaded.wait(), 5)

        assert table.get(("a",)) is None


async def test_a_lower_version_that_comes_late_changes_nothing() -> None:
    """The highest version holds, wherever it stands in the log."""
    log = MemoryLog()
    _write(log, ("a", 3, "third"))
    _write(log, ("a", 2, "second"))
    async with _following(log) as table:
        await asyncio.wait_for(table.loaded.wait(), 5)

        assert table.get(("a",)) == "third"


async def test_whoever_waits_gets_the_version_when_it_comes() -> None:
    """A block that was decided with a newer version waits for it."""
    log = MemoryLog()
    _write(log, ("a", 1, "first"))
    async with _following(log) as table:
        waiting = asyncio.create_task(table.wait_for(("a",), 2, timeout=5))
        await asyncio.wait_for(table.loaded.wait(), 5)
        assert not waiting.done()
        _write(log, ("a", 2, "second"))

        assert "second" == await waiting


async def test_waiting_for_ever_is_a_passing_fault() -> None:
    """What does not come in time is tried again later, by whoever asked."""
    async with _following(MemoryLog()) as table:
        with pytest.raises(RetryableError):
            await table.wait_for(("a",), 1, timeout=0.01)

        assert {} == table._waiting


async def test_it_keeps_what_it_knows_while_the_log_is_away() -> None:
    """An outage stops news, not knowledge; then it goes on where it was."""
    log = MemoryLog()
    _write(log, ("a", 1, "first"))
    async with _following(log) as table:
        await asyncio.wait_for(table.loaded.wait(), 5)
        log.away = True
        _write(log, ("a", 2, "second"))
        assert table.get(("a",)) == "first"
        log.away = False

        assert "second" == await table.wait_for(("a",), 2, timeout=5)


async def test_an_unreadable_entry_costs_only_itself() -> None:
    """One bad entry does not keep everybody from all others."""
    log = MemoryLog()
    log.topics.write(TopicPartition(TOPIC, 0), None)
    _write(log, ("a", 1, "first"))
    async with _following(log) as table:
        assert "first" == await table.wait_for(("a",), 1, timeout=5)


@given(st.permutations([(key, version, f"{key}{version}") for key in "ab" for version in (1, 2, 3)]), st.data())
def test_any_order_and_any_repeat_give_the_same_table(entries: list[tuple[str, int, str]], data: st.DataObject) -> None:
    """The table is a function of the set of entries."""
    repeated = [*entries, *data.draw(st.lists(st.sampled_from(entries)))]
    table = GlobalTable(MemoryLog(), TOPIC, _decode)

    record = MemoryLog().topics.write(TopicPartition(TOPIC, 0), None)
    for entry in repeated:
        table._put(Entry((entry[0],), *entry[1:]), record)

    assert {("a",): "a3", ("b",): "b3"} == dict(table.items())
