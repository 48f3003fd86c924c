"""Readers of the embedded log that sleep are woken, and what wakes them may be lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.kit.eventlog import Cursor, TopicPartition
from services.kit.eventlog.embedded.bell import Bell
from services.kit.eventlog.embedded.log import EmbeddedLog
from services.kit.eventlog.outbox import BELL
from services.kit.eventlog.pace import Pace
from services.kit.postgres import Pool
from tests.integration.eventlog.bench import SOURCE, Bench
from tests.waiting import until

AT = TopicPartition("heraut.members.accepted.v1", 0)
NEVER = 3600.0  # seconds: who is woken by nothing but a look of its own would sleep beyond the test


class Sleeper:
    """Somebody who listens."""

    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        """Be woken."""
        self.woken += 1


@asynccontextmanager
async def _listening(bench: Bench, topic: str = AT.topic) -> AsyncIterator[Sleeper]:
    """Lend somebody who listens already."""
    bell, sleeper = Bell(bench.pool), Sleeper()
    bell.listen(sleeper, {topic}, sleeper.wake)
    try:
        await until(lambda: _listens(bench.pool))
        yield sleeper
    finally:
        await bell.leave(sleeper)


async def _ring(pool: Pool, topic: str) -> None:
    await pool.execute("select pg_notify($1, $2)", BELL, topic)


async def _listens(pool: Pool) -> bool:
    return bool(await _listeners(pool))


async def _listeners(pool: Pool) -> list[int]:
    rows = await pool.fetch(
        "select pid from pg_stat_activity where datname = current_database() and query like 'LISTEN %'"
    )
    return [row["pid"] for row in rows]


async def test_who_listens_begins_awake(postgres_bench: Bench) -> None:
    """What was written before anybody listened is looked for at once."""
    async with _listening(postgres_bench) as sleeper:
        await until(lambda: _is_woken(sleeper, 1))


async def test_a_write_wakes_the_readers_of_its_topic_and_no_others(postgres_bench: Bench) -> None:
    """Nobody looks for what is not for them."""
    async with _listening(postgres_bench) as sleeper:
        await until(lambda: _is_woken(sleeper, 1))
        await _ring(postgres_bench.pool, "heraut.notices.released.v1")
        await _ring(postgres_bench.pool, AT.topic)
        await until(lambda: _is_woken(sleeper, 2))

    assert sleeper.woken == 2


async def test_a_connection_that_is_lost_is_replaced_and_everybody_looks(postgres_bench: Bench) -> None:
    """A write while nobody listened is found all the same."""
    async with _listening(postgres_bench) as sleeper:
        await until(lambda: _is_woken(sleeper, 1))
        for pid in await _listeners(postgres_bench.pool):
            await postgres_bench.pool.execute("select pg_terminate_backend($1)", pid)

        await until(lambda: _is_woken(sleeper, 2))


async def test_the_connection_goes_with_the_last_who_listens(postgres_bench: Bench) -> None:
    """A pool can be closed once its logs are."""
    bell, first, second = Bell(postgres_bench.pool), Sleeper(), Sleeper()
    bell.listen(first, {AT.topic}, first.wake)
    bell.listen(second, {AT.topic}, second.wake)
    await until(lambda: _listens(postgres_bench.pool))

    await bell.leave(first)
    still = await _listeners(postgres_bench.pool)
    await bell.leave(second)

    assert len(still) == 1
    assert await _listeners(postgres_bench.pool) == []


async def test_a_reader_that_sleeps_is_woken_by_the_commit(postgres_bench: Bench) -> None:
    """It looks when the block is there to be read, and not before."""
    bell = Bell(postgres_bench.pool)
    log = EmbeddedLog(postgres_bench.pool, "deduplication", bell)
    await log.assign({AT: Cursor()})
    await until(lambda: _listens(postgres_bench.pool))
    log._pace = Pace(idle=NEVER, fuller=NEVER, fullest=NEVER, quiet=NEVER)
    assert await log.fetch(10, 0.1) == ()

    waiting = asyncio.create_task(log.fetch(10, NEVER))
    await postgres_bench.write(AT, b"a", before_commit=0.05)
    await _ring(postgres_bench.pool, AT.topic)  # another test may have written to the topic just now

    assert [record.value for record in await asyncio.wait_for(waiting, 30)] == [b"a"]
    await log.close()


async def test_who_counts_the_backlog_wakes_a_reader_that_nobody_woke(postgres_bench: Bench) -> None:
    """A bell that nobody heard costs the time until somebody counts, which a stage does once a second."""
    log = EmbeddedLog(postgres_bench.pool, "deduplication")
    await log.assign({AT: Cursor()})
    log._pace = Pace(idle=NEVER, fuller=NEVER, fullest=NEVER, quiet=NEVER)
    assert await log.fetch(10, 0.1) == ()
    waiting = asyncio.create_task(log.fetch(10, NEVER))
    await postgres_bench.write(AT, b"a")

    assert await log.backlog() == {AT: 1}
    assert [record.value for record in await asyncio.wait_for(waiting, 30)] == [b"a"]


async def test_progress_that_is_noted_already_writes_nothing(postgres_bench: Bench) -> None:
    """A stage at rest leaves the database at rest."""
    log = postgres_bench.open("deduplication")
    await log.note_progress({AT: Cursor(2, {SOURCE: 2})})
    before = await postgres_bench.pool.fetchrow("select xmin::text, xmax::text, ctid::text from log.reader")
    await log.note_progress({AT: Cursor(2, {SOURCE: 2})})
    same = await postgres_bench.pool.fetchrow("select xmin::text, xmax::text, ctid::text from log.reader")
    await log.note_progress({AT: Cursor(3, {SOURCE: 3})})

    assert before == same
    assert await postgres_bench.pool.fetchval("select taken from log.reader") == 3


async def _is_woken(sleeper: Sleeper, times: int) -> bool:
    return sleeper.woken >= times
