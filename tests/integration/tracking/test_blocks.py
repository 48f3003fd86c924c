"""Notices a row a block on a real PostgreSQL: nobody is counted twice, and each is found again."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asyncpg.connection import LoggedQuery

from services.cli.recount import recount
from services.core.channel import Channel
from services.core.receipts import Receipt, ReceiptKind
from services.kit.eventlog.port import Record
from services.kit.postgres import Connection
from services.tracking.blocks import Blocks
from services.tracking.domain import Finding, Outcomes, State
from services.tracking.store import Store
from tests.integration.tracking.test_handlers import (
    ACCEPTED,
    UNKNOWN,
    Room,
    RoomPool,
    attempted,
    notice,
    received,
    room,
    superseded,
)

__all__ = ["room"]  # the fixture

SEGMENT = 16  # small, so that a few blocks fill some


def _accepted(numbers: Sequence[int]) -> Record:
    return attempted(dict.fromkeys(numbers, ACCEPTED), channel="email")


async def _rows(room: Room, table: str) -> int:
    return int(await room.pool.fetchval(f"select count(*) from {table}"))


async def test_notices_heard_of_once_are_a_row_a_block(room: Room) -> None:
    """However many are in it, whatever their state; a row of its own has who more was heard of."""
    await room.hear(_accepted(range(300)), attempted(dict.fromkeys(range(300, 310), UNKNOWN)))
    plain = await _rows(room, "blocks"), await _rows(room, "notices")
    await room.hear(received([5], ReceiptKind.BOUNCED), superseded([7]), received([8], ReceiptKind.DELIVERED))

    assert (2, 0) == plain
    assert 2 == await _rows(room, "notices")
    assert {"notified": 298, "notices_settled": 299, "accepted_email": 300, "bounced": 1} == await room.figures()


async def test_what_is_heard_again_in_any_cut_counts_nobody_twice(room_pool: RoomPool, database_url: str) -> None:
    """The same block, blocks cut otherwise, receipts before their block, rollbacks, and two processes in turn."""
    pool = await room_pool("tracking")
    numbers = list(range(60))
    late = [received(numbers[:3], ReceiptKind.BOUNCED), superseded([1, 59]), received([30, 31], ReceiptKind.READ)]
    for seed in range(8):
        for table in ("blocks", "places", "notices", "steps", "receipts", "totals"):
            await pool.execute(f"delete from {table}")
        chance = random.Random(seed)  # noqa: S311 - shuffles a test
        two = [Room(pool, Store(Blocks(segment=3))) for _ in range(2)]
        cuts = [sorted(chance.sample(range(1, 60), 3)) for _ in range(3)]
        parts = [numbers[a:b] for cut in cuts for a, b in zip([0, *cut], [*cut, 60], strict=True)]
        events = [*map(_accepted, parts), *late, _accepted(numbers), *chance.choices(late, k=2)]
        chance.shuffle(events)
        while events:
            taker, some = chance.choice(two), [events.pop() for _ in range(min(len(events), chance.randint(1, 3)))]
            if chance.random() < 0.3:
                await _roll_back(taker, some)
            await taker.hear(*some)

        figures = {"notified": 56, "notices_settled": 57, "accepted_email": 60, "bounced": 3}
        assert figures == await two[0].figures()
        states = Counter((row.state, row.counted) for row in await two[0].rows())
        assert {
            (State.ACCEPTED, True): 56,
            (State.ACCEPTED, False): 1,
            (State.BOUNCED, True): 2,
            (State.BOUNCED, False): 1,
        } == states
        assert [] == [str(one) for one in await recount(database_url) if not one.agrees]


async def _roll_back(room: Room, records: Sequence[Record]) -> None:
    async with room.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await room.handler.apply(connection, [room.handler.decode(record) for record in records])
        await transaction.rollback()


async def test_what_was_rolled_back_is_written_a_row_a_block_the_next_time(room: Room) -> None:
    """What memory has of it holds nobody up, and makes nobody an exception."""
    block = _accepted(range(100))
    await _roll_back(room, [block])
    await room.hear(block)

    assert (1, 0) == (await _rows(room, "blocks"), await _rows(room, "notices"))


async def test_each_notice_is_found_in_index_and_tail(room_pool: RoomPool) -> None:
    """By its id and by the beginning of it, from another process, with what its block said."""
    pool = await room_pool("tracking")
    room = Room(pool, Store(Blocks(SEGMENT)))
    cuts = [range(5), range(5, 40), range(40, 70), range(70, 75)]
    for cut in cuts:
        await room.hear(attempted(dict.fromkeys(cut, ACCEPTED), attempt=1 + cut[0], channel="email"))
    await room.hear(superseded([200]))
    other = Store(Blocks(SEGMENT))
    async with pool.acquire() as connection:
        await other.catch_up(connection)
        beginnings = await other.find_beginnings(connection, [notice(n)[:4] for n in (0, 39, 74, 99, 200)])
        found, own = await other.read_histories(connection, [notice(n) for n in range(80)])

    assert {notice(n) for n in (0, 39, 74, 200)} == set(beginnings)
    assert {notice(n) for n in range(75)} == found.keys()
    assert set() == own
    at = 1_767_258_120_000
    assert [
        Finding(notice(n), "lab/c", notice(n), 1, State.ACCEPTED, 1 + cut[0], at + 1 + cut[0], 2)
        for cut in cuts
        for n in cut
    ] == [found[notice(n)].finding for n in range(75)]
    assert 3 == await pool.fetchval("select count(distinct segment) from places")  # one a transaction at most


async def test_a_database_that_was_set_back_is_read_anew(room: Room) -> None:
    """Nothing is taken for known that is known no more; what is known still is."""
    await room.hear(_accepted(range(20)))
    kept = await room.pool.fetchval("select max(first) from blocks")
    await room.hear(_accepted(range(20, 40)))
    await room.pool.execute("delete from blocks where first > $1", kept)
    await room.pool.execute("update totals set counts[1] = 20")
    await room.hear(_accepted(range(30, 50)))
    await room.hear(_accepted(range(50)))

    assert 50 == (await room.figures())["notified"]
    assert 0 == await _rows(room, "notices")


async def test_a_late_receipt_leaves_its_notice_in_its_block(room: Room) -> None:
    """Where nothing follows from it: only what changes where a notice stands gives it a row of its own."""
    await room.hear(_accepted(range(50)))
    first = await room.hear(received(range(50), ReceiptKind.DELIVERED))
    then = await room.hear(received([3], ReceiptKind.BOUNCED))

    assert ([], 1) == (first, len(then))
    assert (1, 51) == (await _rows(room, "notices"), await _rows(room, "receipts"))
    assert Receipt(notice(3), Channel.EMAIL, 1, ReceiptKind.BOUNCED, 1_767_258_200_003) in (await _history(room, 3))


async def _history(room: Room, number: int) -> frozenset[Receipt]:
    async with room.pool.acquire() as connection:
        found, _ = await room.store.read_histories(connection, [notice(number)])
    return found[notice(number)].receipts


async def test_what_a_block_says_is_the_same_read_whole_and_in_part(room: Room) -> None:
    """Of few and of all of its notices, whether its columns are of one number or of many."""
    ids = [notice(n) for n in range(300)]
    scopes = [f"lab/{n % 3}" for n in range(300)]
    mixed = Outcomes("0", 2, 9_000, scopes, ids, ids[::-1], [n % 7 for n in range(300)], [3, 1] * 150, [1, 2, 3] * 100)
    others = [notice(n) for n in range(300, 600)]
    alike = Outcomes("0", 4, 8_000, ["lab/1"] * 300, others, others, [1] * 300, [3] * 300, [1] * 300)
    async with room.pool.acquire() as connection, connection.transaction():
        await room.store.hold(connection)
        await room.store.add_blocks(
            connection, [mixed, alike], await room.store.number_cohorts(connection, {*scopes, "lab/1"})
        )
    said = {one.notice: one for one in (*mixed.findings(), *alike.findings())}

    async with room.pool.acquire() as connection:
        await room.store.catch_up(connection)
        for asked in (
            ids[:1],
            ids[7:300:40],
            [ids[299], others[0], notice(999)],
            ids[:200],
            [*ids, *others, notice(999)],
        ):
            found = await room.store.blocks.find(connection, set(asked))
            assert {one: said[one] for one in asked if one in said} == found


async def test_receipts_take_as_many_statements_however_many_they_are(room_pool: RoomPool) -> None:
    """One a purpose for a transaction of blocks, not one a receipt, a block, or a segment."""
    room = Room(await room_pool("tracking"), Store(Blocks(SEGMENT)))
    for start in range(0, 400, 50):
        await room.hear(_accepted(range(start, start + 50)))

    asked = [await _statements(room, received([399], ReceiptKind.BOUNCED))]
    blocks = [received(range(at, at + 80), ReceiptKind.BOUNCED) for at in range(0, 240, 80)]
    asked.append(await _statements(room, *blocks))

    assert asked[0] == asked[1]
    assert 241 == (await room.figures())["bounced"]


async def _statements(room: Room, *records: Record) -> list[str]:
    """Return what a transaction that takes these asks of the database."""
    work = [room.handler.decode(record) for record in records]
    async with room.pool.acquire() as connection, connection.transaction():
        with _asked(connection) as said:
            await room.handler.apply(connection, work)
    return said


@contextmanager
def _asked(connection: Connection) -> Iterator[list[str]]:
    """Return the named queries that are asked meanwhile; what asyncpg asks of types, the first time, is left out."""
    said: list[str] = []

    def note(asked: LoggedQuery) -> None:
        if asked.query.startswith("-- "):
            said.append(asked.query)

    with connection.query_logger(note):
        yield said


async def test_a_reference_takes_two_statements_however_many_notices_there_are(room_pool: RoomPool) -> None:
    """The rows of the index and the ids that they lead to: nothing is read on first, and no segment by itself."""
    pool = await room_pool("tracking")
    room = Room(pool, Store(Blocks(segment=4)))
    counts = []
    for start in range(0, 80, 4):
        await room.hear(_accepted(range(start, start + 4)))
        async with pool.acquire() as connection:
            await room.store.catch_up(connection)
            with _asked(connection) as said:
                assert [notice(1)] == await room.store.find_beginnings(connection, [notice(1)[:4]])
        counts.append(len(said))

    assert [1, *[2] * 19] == counts  # at first it is in memory
    assert 19 == await pool.fetchval("select count(distinct segment) from places")
