"""The log table does not grow for ever, and loses nothing that somebody still needs."""

from datetime import timedelta

import pytest
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED

from services.kit.eventlog import Output, Retention, append_outputs
from services.kit.eventlog.embedded import EmbeddedLog
from services.kit.testing import MemoryLog
from tests.conftest import RoomPool

NOTHING = timedelta(0)


async def _written(room_pool: RoomPool, blocks: int) -> None:
    pool = await room_pool("intake")
    async with pool.acquire() as connection, connection.transaction():
        await append_outputs(connection, "intake", [Output(MEMBERS_ACCEPTED, 3, b"block")] * blocks)
        await append_outputs(connection, "intake", [Output(INCIDENTS_CHANGED, 0, b"incident")])


async def _left(room_pool: RoomPool) -> dict[str, list[int]]:
    rows = await (await room_pool("intake")).fetch("select topic, seq from log.log order by seq")
    return {topic: [seq for its, seq in rows if its == topic] for topic in (MEMBERS_ACCEPTED, INCIDENTS_CHANGED)}


async def test_embedded_keeps_what_the_slowest_reader_has_not_taken(room_pool: RoomPool) -> None:
    """However old a block is, it stays until every stage that reads it has taken it; incidents stay for ever."""
    await _written(room_pool, 5)
    pool, writers = await room_pool("deduplication"), await room_pool("intake")
    retention = Retention(writers, EmbeddedLog(writers, "intake"), "intake", lambda: {0}, NOTHING)

    assert await retention.prune_once() == 0
    await pool.execute(
        "insert into log.reader (stage, topic, partition, source, taken) values ('deduplication', $1, 3, 'intake', 3)",
        MEMBERS_ACCEPTED,
    )
    assert await retention.prune_once() == 3
    assert {MEMBERS_ACCEPTED: [4, 5], INCIDENTS_CHANGED: [1]} == await _left(room_pool)


async def test_embedded_keeps_what_is_younger_than_its_retention(room_pool: RoomPool) -> None:
    """What was read stays for a look back as long as was asked for."""
    await _written(room_pool, 2)
    pool = await room_pool("deduplication")
    await pool.execute(
        "insert into log.reader (stage, topic, partition, source, taken) values ('deduplication', $1, 3, 'intake', 2)",
        MEMBERS_ACCEPTED,
    )

    writers = await room_pool("intake")
    log = EmbeddedLog(writers, "intake")

    assert await Retention(writers, log, "intake", lambda: {0}, timedelta(days=7)).prune_once() == 0


@pytest.mark.parametrize(("published", "expected"), [(0, [1, 2, 3]), (2, [3]), (3, [])])
async def test_unpublished_blocks_are_never_deleted(room_pool: RoomPool, published: int, expected: list[int]) -> None:
    """On a log outside the database a block goes once the log has it, never before."""
    await _written(room_pool, 3)
    pool = await room_pool("intake")
    await pool.execute(
        "insert into publisher (stage, topic, partition, published) values ('intake', $1, 3, $2)",
        MEMBERS_ACCEPTED,
        published,
    )
    await Retention(pool, MemoryLog(), "intake", lambda: {0}, NOTHING).prune_once()

    assert expected == (await _left(room_pool))[MEMBERS_ACCEPTED]
