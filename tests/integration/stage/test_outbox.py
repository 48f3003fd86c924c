"""What a transaction writes to the log, and to the totals."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Output
from services.kit.eventlog.topics import MAX_BLOCK_BYTES
from services.kit.stage.totals import move_totals
from tests.integration.stage.room import OUTPUT, STAGE, World

COUNTERS = ("came", "went")


async def _append(world: World, outputs: Sequence[Output]) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, STAGE, outputs)


async def _log(world: World) -> list[tuple[int, int, bytes]]:
    rows = await world.pool.fetch("select partition, seq, block from log.log order by topic, partition, seq")
    return [(row["partition"], row["seq"], row["block"]) for row in rows]


async def test_blocks_get_their_sequences_in_order(embedded_world: World) -> None:
    """Each partition counts for itself, in the order that the blocks were given."""
    await _append(embedded_world, [Output(OUTPUT, 1, b"a"), Output(OUTPUT, 0, b"b"), Output(OUTPUT, 1, b"c")])
    await _append(embedded_world, [Output(OUTPUT, 1, b"d")])

    assert [(0, 1, b"b"), (1, 1, b"a"), (1, 2, b"c"), (1, 3, b"d")] == await _log(embedded_world)


async def test_headers_are_kept(embedded_world: World) -> None:
    """Dead letters say where they come from."""
    headers = (("reason", b"unreadable"), ("original-topic", OUTPUT.encode()))
    await _append(embedded_world, [Output(OUTPUT, 0, b"a", headers)])

    assert headers == decode_headers(await embedded_world.pool.fetchval("select headers from log.log"))


async def test_an_undone_transaction_leaves_no_gap(embedded_world: World) -> None:
    """A sequence that was given and rolled back is given again."""
    async with embedded_world.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await append_outputs(connection, STAGE, [Output(OUTPUT, 0, b"undone")])
        await undone.rollback()
    await _append(embedded_world, [Output(OUTPUT, 0, b"done")])

    assert [(0, 1, b"done")] == await _log(embedded_world)


async def test_writers_side_by_side_leave_no_gap_and_do_not_deadlock(embedded_world: World) -> None:
    """Uploads of several processes write as one source, each to partitions in any order of its own."""

    async def write(number: int) -> None:
        places = [(number * 7 + step * 3) % 5 for step in range(5)]
        await _append(embedded_world, [Output(OUTPUT, place, b"x") for place in places])

    await asyncio.gather(*(write(number) for number in range(40)))

    expected = [(partition, seq) for partition in range(5) for seq in range(1, 41)]
    assert expected == [(partition, seq) for partition, seq, _ in await _log(embedded_world)]


async def test_a_block_that_kafka_would_refuse_is_refused_before_the_commit(embedded_world: World) -> None:
    """Committed, it would stand in the way of everything after it."""
    with pytest.raises(ValueError, match="the log takes"):
        await _append(embedded_world, [Output(OUTPUT, 0, bytes(MAX_BLOCK_BYTES + 1))])


async def test_totals_move_and_count_their_moves(embedded_world: World) -> None:
    """The highest sequence is the latest; what did not change is there as well."""
    async with embedded_world.pool.acquire() as connection:
        first = await move_totals(connection, {"i/a": {"came": 2}, "i/b": {"went": 1}}, "3", COUNTERS, stage=STAGE)
        second = await move_totals(connection, {"i/a": {"came": -1, "went": 5}}, "3", COUNTERS, stage=STAGE)
        other = await move_totals(connection, {"i/a": {"came": 1}}, "4", COUNTERS, stage=STAGE)

    assert [("i/a", 1, {"came": 2, "went": 0}), ("i/b", 1, {"came": 0, "went": 1})] == [
        (row.scope, row.sequence, row.counts) for row in sorted(first, key=lambda row: row.scope)
    ]
    assert [("i/a", "3", 2, {"came": 1, "went": 5})] == [
        (row.scope, row.source, row.sequence, row.counts) for row in second
    ]
    assert [1] == [row.sequence for row in other]
    assert first[0].at == second[0].at  # when it was first counted


async def test_a_row_grows_with_the_counters(embedded_world: World) -> None:
    """A counter that a later version adds begins at nothing in rows that are older than it."""
    async with embedded_world.pool.acquire() as connection:
        await move_totals(connection, {"i/a": {"came": 2}}, "3", COUNTERS)
        (row,) = await move_totals(connection, {"i/a": {"lost": 4}}, "3", (*COUNTERS, "lost"))

    assert {"came": 2, "went": 0, "lost": 4} == row.counts


_moves = st.lists(
    st.dictionaries(
        st.sampled_from(["i/a", "i/b", "i/c"]), st.dictionaries(st.sampled_from(COUNTERS), st.integers(-9, 9))
    ),
    max_size=5,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_moves)
async def test_totals_are_the_sum_of_their_moves(embedded_world: World, moves: list[dict[str, dict[str, int]]]) -> None:
    """Whatever moved, in whatever pieces."""
    expected: dict[str, dict[str, int]] = {}
    async with embedded_world.pool.acquire() as connection:
        await connection.execute("delete from totals")
        for deltas in moves:
            await move_totals(connection, deltas, "3", COUNTERS)
            for scope, changes in deltas.items():
                sums = expected.setdefault(scope, dict.fromkeys(COUNTERS, 0))
                for name, change in changes.items():
                    sums[name] += change
        rows = await connection.fetch("select scope, counts from totals")

    assert expected == {scope: dict(zip(COUNTERS, counts, strict=True)) for scope, counts in rows}
