"""Recalls in routing's tables: what is over goes when it can be heard no more, and what is open stays."""

from datetime import UTC, datetime, timedelta

from services.kit.postgres import Connection
from services.routing.store import Store
from services.wire.recalls import Recall
from tests.conftest import RoomPool

NOW = datetime(2026, 11, 27, tzinfo=UTC)


def recall(number: int, partition: int = 0) -> Recall:
    """Return a recall of a notice of its own."""
    return Recall(partition, bytes([number]) * 16, bytes([number]) * 16, "lab")


async def known(connection: Connection) -> dict[int, bool]:
    """Return of each recall whether it is over."""
    rows = await connection.fetch("select notice, over_since is not null as over from recalls")
    return {row["notice"][0]: row["over"] for row in rows}


async def test_what_is_over_goes_some_at_a_time_and_what_is_open_stays(room_pool: RoomPool) -> None:
    """Of our own partitions alone, the oldest first, however old the open ones are."""
    store = Store()
    pool = await room_pool("routing")
    async with pool.acquire() as connection, connection.transaction():
        await store.keep_recalls(connection, [recall(1), recall(2), recall(3), recall(4, 1), recall(5)])
        await store.end_recalls(connection, [recall(2), recall(4, 1)], NOW - timedelta(days=2))
        await store.end_recalls(connection, [recall(3)], NOW - timedelta(days=3))
        await store.end_recalls(connection, [recall(5)], NOW)
        await store.end_recalls(connection, [recall(3)], NOW)  # heard again, it is over since the first time
        first = await store.forget_recalls(connection, [0], NOW - timedelta(days=1), 1)
        left = await known(connection)
        second = await store.forget_recalls(connection, [0], NOW - timedelta(days=1), 9)

        assert (1, {1: False, 2: True, 4: True, 5: True}) == (first, left)
        assert (1, {1: False, 4: True, 5: True}) == (second, await known(connection))


async def test_a_recall_that_comes_after_its_end_is_over(room_pool: RoomPool) -> None:
    """It was set aside when it came first: it opens nothing any more."""
    store = Store()
    pool = await room_pool("routing")
    async with pool.acquire() as connection, connection.transaction():
        await store.end_recalls(connection, [recall(1)], NOW)
        await store.keep_recalls(connection, [recall(1)])

        assert {1: True} == await known(connection)
