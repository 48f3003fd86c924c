"""Several processes of one stage: partitions are shared out, given away, and inherited."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from services.kit.errors import LostOwnershipError
from services.kit.eventlog.port import Output
from services.kit.stage.stage import Stage
from tests.integration.stage.room import OUTPUT, PARTITIONS, STAGE, World, numbered
from tests.waiting import until


async def _settled(*stages: Stage) -> bool:
    """Tell whether every partition has one owner, and all have their share."""
    owned = [stage.owned() for stage in stages]
    return sum(map(len, owned)) == PARTITIONS == len(frozenset().union(*owned)) and max(map(len, owned)) <= -(
        -PARTITIONS // len(stages)
    )


async def test_replicas_share_partitions_and_nothing_is_done_twice(world: World) -> None:
    """One, then three, then two: whoever owns a partition, each block has its effect once."""
    blocks = numbered(0, 160)
    first, second, third = [await world.replica() for _ in range(3)]
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(first.running())
        await world.feed(blocks[:40])
        await until(lambda: _settled(one))
        two = await stack.enter_async_context(second.running())
        async with third.running() as three:
            await world.feed(blocks[40:80])
            await until(lambda: _settled(one, two, three))
            await world.feed(blocks[80:120])
        await world.feed(blocks[120:])
        await until(lambda: _settled(one, two))
        await world.all_through(blocks)

    assert Counter(blocks) == await world.effects()
    assert Counter(blocks) == await world.taken_by_next_room()


async def test_what_is_held_is_not_given_to_a_new_replica(embedded_world: World) -> None:
    """A newcomer gets its share when what was begun has been noted, and what waits is not begun anew meanwhile."""
    first, second = await embedded_world.replica(), await embedded_world.replica()
    async with first.running() as one:
        await until(lambda: _settled(one))
        with one.hold(range(PARTITIONS)):
            async with second.running() as two:
                await until(lambda: _counts(one, PARTITIONS // 2))
                leaving = sorted(frozenset(range(PARTITIONS)) - one.owned())
                with pytest.raises(LostOwnershipError), one.hold(leaving):
                    pass
                async with one.fenced(leaving) as fenced:
                    fenced.emit([Output(OUTPUT, leaving[0], b"noted")])
                assert frozenset() == two.owned()

    assert {b"noted": 1} == await embedded_world.taken_by_next_room()


async def test_a_newer_owner_is_noticed_by_an_idle_one(embedded_world: World) -> None:
    """Who has nothing to commit learns all the same that the epoch has moved, and takes over afresh."""
    async with (await embedded_world.replica()).running() as stage:
        await until(lambda: _settled(stage))
        before = dict(stage.epochs())
        await embedded_world.pool.execute("update owner set epoch = epoch + 1 where stage = $1", STAGE)

        await until(lambda: _newer(stage, before, by=2))


async def test_a_transaction_of_an_older_epoch_writes_nothing(embedded_world: World) -> None:
    """The fence stands before everything that a transaction writes."""
    async with (await embedded_world.replica()).running() as stage:
        await until(lambda: _settled(stage))
        await embedded_world.pool.execute("update owner set epoch = epoch + 1 where stage = $1", STAGE)

        with pytest.raises(LostOwnershipError):
            async with stage.fenced([1]) as fenced:
                fenced.emit([Output(OUTPUT, 1, b"too late")])

    assert Counter() == await embedded_world.taken_by_next_room()


async def test_a_position_that_moved_under_us_is_not_moved_again(world: World) -> None:
    """Where somebody else moved a position, the transaction is undone and the truth is read anew."""
    replica = await world.replica()
    blocks = numbered(0, 40)
    async with replica.running() as stage:
        await world.feed(blocks[:20])
        await world.all_through(blocks[:20])
        before = dict(stage.epochs())
        # As if partition 2 had been replayed from its beginning by hand: all of it is taken again, once more.
        await world.pool.execute("update input set next_offset = 0, taken = '{}' where partition = 2")
        await world.feed(blocks[20:])
        await world.all_through(blocks)
        await until(lambda: _newer(stage, before, by=1))

    again = Counter(block for block in blocks[:20] if block.endswith(b"@2"))
    assert Counter(blocks) + again == await world.effects()


async def test_a_lease_that_runs_out_during_a_take_over_is_taken_again(embedded_world: World) -> None:
    """A slow moment at the wrong time does not leave partitions without an owner."""

    class RunningOut:
        """Ends all leases once, just before the epochs are taken."""

        done = False

        async def reached(self, step: str) -> None:
            """End them."""
            if step == "take-over: begun" and not self.done:
                self.done = True
                await embedded_world.pool.execute("update owner set lease_until = clock_timestamp() - interval '1s'")

    async with (await embedded_world.replica(failpoints=RunningOut())).running() as stage:
        await until(lambda: _settled(stage))


async def test_a_dead_process_is_replaced_within_its_lease(world: World) -> None:
    """Whoever dies without a word is missed for no longer than a lease and a round."""
    dead, heir = await world.replica(), await world.replica()
    task = asyncio.create_task(dead.stage.run(asyncio.Event()))
    await until(lambda: _settled(dead.stage))
    task.cancel()
    await asyncio.wait({task})
    dead.pool.terminate()

    async with heir.running() as stage:
        await until(lambda: _settled(stage))
        await world.feed(numbered(0, 8))
        await world.all_through(numbered(0, 8))


async def _counts(stage: Stage, count: int) -> bool:
    return len(stage.owned()) == count


async def _newer(stage: Stage, before: dict[int, int], *, by: int) -> bool:
    now = stage.epochs()
    return now.keys() == before.keys() and all(now[partition] >= before[partition] + by for partition in before)
