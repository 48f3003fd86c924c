"""Pools work as their room, and what passes by itself is told from a bug."""

import asyncio
import gc

import asyncpg
import pytest

from services.kit.postgres import copy_packed
from services.kit.postgres.pool import is_retryable
from tests.conftest import RoomPool


async def test_json_comes_and_goes_as_values(room_pool: RoomPool) -> None:
    """Nobody parses a column by hand."""
    pool = await room_pool("intake")

    assert {"intake": 7} == await pool.fetchval("select $1::jsonb", {"intake": 7})


async def test_a_connection_given_back_is_the_rooms_still(room_pool: RoomPool) -> None:
    """The reset between two users of a connection does not fall back to the owner."""
    pool = await room_pool("routing")
    for _ in range(3):
        assert ("heraut_routing", "routing") == tuple(
            await pool.fetchrow("select current_user::text, current_schema::text") or ()
        )


async def test_packed_rows_are_copied(room_pool: RoomPool) -> None:
    """Framed by header and trailer, packed rows are what COPY takes."""
    pool = await room_pool("intake")
    row = b"\0\x02" + b"\0\0\0\x03abc" + b"\0\0\0\x04\0\0\0\x2a"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("create temporary table packed (name bytea, number int) on commit drop")
        await copy_packed(connection, "packed", ["name", "number"], [row, row])

        assert [(b"abc", 42)] * 2 == [tuple(r) for r in await connection.fetch("select name, number from packed")]


async def test_copying_leaves_nothing_to_the_collector(room_pool: RoomPool) -> None:
    """Services run it seldom: rows that waited for it filled a process with all that it ever wrote."""
    pool = await room_pool("intake")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("create temporary table packed (name bytea) on commit drop")
        gc.collect()
        gc.disable()
        try:
            await copy_packed(connection, "packed", ["name"], [b"\0\x01" + b"\0\0\0\x03abc"])
            assert gc.collect() == 0
        finally:
            gc.enable()


async def test_a_deadlock_passes_by_itself(room_pool: RoomPool) -> None:
    """Of two that wait for each other one is told to begin again, and the other goes on."""
    pool = await room_pool("tracking")
    await pool.execute(
        "insert into totals (scope, source, sequence, counts) values ('a', '', 1, '{}'), ('b', '', 1, '{}')"
    )
    both_hold = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select from totals where scope = $1 for update", first)
            await both_hold.wait()
            await connection.execute("select from totals where scope = $1 for update", second)

    ended = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)
    errors = [error for error in ended if error is not None]

    assert [asyncpg.DeadlockDetectedError] == [type(error) for error in errors]
    assert all(is_retryable(error) for error in errors)


async def test_a_session_that_was_ended_passes_by_itself(room_pool: RoomPool, database_url: str) -> None:
    """A server that goes away, and every call on the dead connection after it, may be tried again."""
    pool = await room_pool("tracking")
    owner = await asyncpg.connect(database_url)
    async with pool.acquire() as connection:
        await owner.execute("select pg_terminate_backend($1)", connection.get_server_pid())
        for _ in range(2):
            with pytest.raises(
                (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
            ) as caught:
                await connection.fetchval("select 1")
            assert is_retryable(caught.value)
    await owner.close()

    assert 1 == await pool.fetchval("select 1")


@pytest.mark.parametrize(
    ("statement", "arguments"),
    [
        ("select $1::int", ("a word",)),  # found by the client, as asyncpg.DataError
        ("select 1", (1,)),  # found by the client, as the InterfaceError that also says "connection is closed"
        ("select nothing", ()),
        ("insert into totals (scope, source, sequence, counts) values ('a', '', null, '{}')", ()),
    ],
)
async def test_a_bug_does_not_pass_by_itself(
    room_pool: RoomPool, statement: str, arguments: tuple[object, ...]
) -> None:
    """What would fail for ever is not tried for ever."""
    pool = await room_pool("tracking")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
        await pool.fetchval(statement, *arguments)

    assert not is_retryable(caught.value)
