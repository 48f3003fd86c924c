"""The stage with nothing going wrong, on both kinds of log."""

import asyncio
from collections import Counter

import pytest

from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Output, TopicPartition
from services.kit.process.metrics import new_registry
from services.kit.stage.context import StageContext
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.stage import Stage
from tests.integration.stage.room import (
    OUTPUT,
    PARTITIONS,
    POLICY,
    STAGE,
    Breaking,
    Copying,
    World,
    numbered,
)  # fmt: skip
from tests.waiting import until


async def test_every_block_has_its_effect_once_and_comes_out_once(world: World) -> None:
    """What goes in comes out, and happens, exactly once."""
    blocks = numbered(0, 200)
    await world.feed(blocks[:100])

    async with (await world.replica()).running():
        await world.feed(blocks[100:])
        await world.all_through(blocks)

    assert Counter(blocks) == await world.effects()
    assert Counter(blocks) == await world.taken_by_next_room()


async def test_a_tick_gives_out_what_is_due_once(world: World) -> None:
    """Time-outs and releases leave like everything else, each once."""
    due = [f"tick{number}@{number % PARTITIONS}".encode() for number in range(9)]
    room = Copying(due=[Output(OUTPUT, number % PARTITIONS, block) for number, block in enumerate(due)])

    async with (await world.replica(room)).running():
        await world.all_through(due)

    assert Counter(due) == await world.taken_by_next_room()


async def test_blocks_that_others_write_as_this_stage_come_out_too(world: World) -> None:
    """An upload writes without owning anything; the owner of the partition publishes it, in sequence."""
    blocks = [f"upload{number}@1".encode() for number in range(40)]

    async def upload(part: list[bytes]) -> None:
        async with world.pool.acquire() as connection, connection.transaction():
            await append_outputs(connection, STAGE, [Output(OUTPUT, 1, block) for block in part])

    async with (await world.replica()).running():
        await asyncio.gather(*(upload(blocks[start : start + 4]) for start in range(0, 40, 4)))
        await world.all_through(blocks)

    assert Counter(blocks) == await world.taken_by_next_room()


async def test_a_stage_that_reads_nothing_ticks_and_publishes(world: World) -> None:
    """A room that is fed over HTTP alone owns partitions all the same: for its ticks, and for what it wrote."""
    pool, due = await world.new_pool(STAGE), b"tick@1"
    context = StageContext(
        stage=STAGE, topics=[], partitions=PARTITIONS, pool=pool, log=world.new_log(pool, STAGE),
        handler=Copying(due=[Output(OUTPUT, 1, due)]), policy=POLICY, metrics=StageMetrics(STAGE, new_registry()),
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(Stage(context).run(stop))
    await world.all_through([due])
    stop.set()
    await task

    assert {due: 1} == await world.taken_by_next_room()


async def test_stopping_leaves_nothing_for_the_next_owner_to_wait_for(world: World) -> None:
    """After a stop, all is published and noted, and every lease is free at once."""
    blocks = numbered(0, 40)
    async with (await world.replica()).running() as stage:
        await world.feed(blocks)
        await world.all_through(blocks)
        assert frozenset(range(PARTITIONS)) == stage.owned()
        assert stage.healthy()

    held = await world.pool.fetchval("select count(*) from owner where stage = $1 and holder is not null", STAGE)
    counted = await world.pool.fetchval("select count(*) from replica where stage = $1", STAGE)
    assert (0, 0) == (held, counted)
    assert frozenset() == stage.owned()
    if world.topics:
        assert await world.published_up_to_heads()


async def test_a_fault_that_has_passed_does_not_hold_up_a_stop(
    kafka_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing is left to publish, a stop waits for nothing, though publishing has failed before."""
    await kafka_world.feed([b"0@0"])
    once = Breaking("publisher: marking", ConnectionResetError())
    async with (await kafka_world.replica(failpoints=once)).running():
        await kafka_world.assert_once([b"0@0"])

    assert 2 == once.seen["publisher: marking"]
    assert "not drained in time" not in caplog.text


async def test_what_is_held_is_not_taken_away_by_a_stop(world: World) -> None:
    """A hand-over that began before the stop can still note its outcome."""
    replica = await world.replica()
    stop, noted = asyncio.Event(), b"noted@2"
    task = asyncio.create_task(replica.stage.run(stop))
    await until(lambda: _owns(replica.stage.owned(), PARTITIONS))

    with replica.stage.hold([2]):
        stop.set()
        done, _ = await asyncio.wait({task}, timeout=POLICY.lease)
        async with replica.stage.fenced([2]) as fenced:
            fenced.emit([Output(OUTPUT, 2, noted)])
    await task

    assert set() == done
    assert {noted: 1} == await world.taken_by_next_room()


async def test_retention_learns_how_far_the_stage_has_read(world: World) -> None:
    """What is not read yet must be kept; about once a second the log is told how far that is."""
    blocks = numbered(0, 8)
    replica = await world.replica()
    async with replica.running():
        await world.feed(blocks)
        await world.all_through(blocks)

        async def noted() -> bool:
            if world.topics:
                cursor = getattr(replica.log, "progress", {}).get(TopicPartition("heraut.notices.released.v1", 0))
                return cursor is not None and cursor.next_offset == 2
            taken = await world.pool.fetch("select taken from log.reader where stage = $1", STAGE)
            return [row[0] for row in taken] == [2] * PARTITIONS

        await until(noted)


async def _owns(owned: frozenset[int], count: int) -> bool:
    return len(owned) == count
