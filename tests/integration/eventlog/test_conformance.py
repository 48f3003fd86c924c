"""What an event log is: promises that hold on every log alike, a real Kafka included."""

import asyncio
import os
import random
from collections.abc import Sequence
from functools import partial

import pytest
from notification.topics import INCIDENTS_CHANGED

from services.kit.config import LOGS
from services.kit.errors import LogPositionError
from services.kit.eventlog import Cursor, Entry, GlobalTable, Output, Row, TopicPartition
from tests.conftest import EACH_LOG, TESTED_LOGS
from tests.integration.eventlog.bench import Bench, Reader
from tests.waiting import until_it_works

FIRST = TopicPartition("heraut.members.accepted.v1", 0)
SECOND = TopicPartition("heraut.members.accepted.v1", 1)
on_logs_outside_the_database = pytest.mark.parametrize(
    "log_settings", [log for log in EACH_LOG if LOGS[str(log.values[0])]], indirect=True
)


def test_every_log_is_held_to_these_promises() -> None:
    """A log that HERAUT_LOG takes is in the table of those that are tested."""
    assert LOGS.keys() == TESTED_LOGS.keys()


async def test_no_block_is_skipped_while_many_write_at_once(bench: Bench) -> None:
    """A reader sees every sequence in order, however long writers wait between lock and commit."""
    chance = random.Random(7)  # noqa: S311 - the same delays every time
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor(), SECOND: Cursor()})
    blocks = [b"%d" % n for n in range(120)]

    async def write(block: bytes) -> None:
        await bench.write(chance.choice([FIRST, SECOND]), block, before_commit=chance.uniform(0, 0.03))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reading.take(len(blocks)))
        for block in blocks:
            tasks.create_task(write(block))

    for at in (FIRST, SECOND):
        sequences = [record.seq for record in reading.taken if record.topic_partition == at]
        assert sequences == list(range(1, len(sequences) + 1))
    assert sorted(blocks) == sorted(record.value or b"" for record in reading.taken)
    assert await reading.nothing_more()


async def test_positions_are_in_the_order_of_commits(bench: Bench) -> None:
    """A later transaction gets a later position, even where an earlier one began after it."""
    await bench.write(FIRST, b"one")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.write(FIRST, b"two", b"three", before_commit=0.2))
        await _locked(bench)
        tasks.create_task(bench.write(FIRST, b"four"))
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})

    taken = await reading.take(4)

    assert [record.value for record in taken] == [b"one", b"two", b"three", b"four"]
    assert [record.seq for record in taken] == [1, 2, 3, 4]


async def test_every_group_reads_every_block(bench: Bench) -> None:
    """Groups do not take blocks from each other."""
    await bench.write(FIRST, b"a", b"b")

    for stage in ("deduplication", "tracking"):
        reading = Reader(bench.open(stage))
        await reading.start({FIRST: Cursor()})
        assert [record.value for record in await reading.take(2)] == [b"a", b"b"]


async def test_a_partition_moves_to_another_owner_without_a_gap(bench: Bench) -> None:
    """Who takes a partition over goes on where the last commit left it, and the old owner gets no more of it."""
    await bench.write(FIRST, b"f1", b"f2", b"f3")
    await bench.write(SECOND, b"s1", b"s2", b"s3")
    old, new = Reader(bench.open()), Reader(bench.open())
    await old.start({FIRST: Cursor(), SECOND: Cursor()})
    await old.take(4, limit=2)

    await new.start({SECOND: old.cursors[SECOND]})
    await old.start({FIRST: old.cursors[FIRST]})
    await bench.write(SECOND, b"s4")
    await bench.write(FIRST, b"f4")
    await old.take(4 - len([r for r in old.taken if r.topic_partition == FIRST]))
    await new.take(4 - len([r for r in old.taken if r.topic_partition == SECOND]))

    taken = [*old.taken, *new.taken]
    assert [r.value for r in taken if r.topic_partition == FIRST] == [b"f1", b"f2", b"f3", b"f4"]
    assert [r.value for r in taken if r.topic_partition == SECOND] == [b"s1", b"s2", b"s3", b"s4"]
    assert await old.nothing_more()


async def test_what_was_fetched_but_not_committed_comes_again(bench: Bench) -> None:
    """Fetching runs ahead; a take-over begins at the committed position all the same."""
    await bench.write(FIRST, b"a", b"b", b"c")
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor()})
    await reading.take(1, limit=1)
    committed = dict(reading.cursors)
    await log.fetch(10, 1)

    await reading.start(committed)

    assert [record.value for record in await reading.take(2)] == [b"b", b"c"]


async def test_a_restart_goes_on_where_it_was(bench: Bench) -> None:
    """A new process with the committed cursor gets the next block and no other."""
    await bench.write(FIRST, b"a", b"b")
    first = Reader(bench.open())
    await first.start({FIRST: Cursor()})
    await first.take(2)
    await first.log.close()
    await bench.write(FIRST, b"c")

    second = Reader(bench.open())
    await second.start(first.cursors)

    assert [(record.seq, record.value) for record in await second.take(1)] == [(3, b"c")]
    assert await second.nothing_more()


async def test_blocks_of_900_kilobytes_pass(bench: Bench) -> None:
    """Large blocks arrive whole, also several in one fetch and beside small ones."""
    blocks = [os.urandom(900_000), b"small", os.urandom(900_000), os.urandom(900_000)]
    await bench.write(FIRST, *blocks)
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})

    assert blocks == [record.value for record in await reading.take(len(blocks))]


async def test_one_fetch_is_bounded_in_bytes(bench: Bench) -> None:
    """A backlog of large blocks comes in pieces that fit in memory."""
    block = os.urandom(900_000)
    for _ in range(3):
        await bench.write(FIRST, *[block] * 10)
    log = bench.open()
    await log.assign({FIRST: Cursor()})

    given = await log.fetch(1000, 2)

    assert 0 < sum(len(record.value or b"") for record in given) <= 18_000_000


async def test_a_paused_partition_gives_nothing_and_the_others_go_on(bench: Bench) -> None:
    """A pause holds one partition back until it is assigned anew, loses none of it, and leaves the rest alone."""
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor(), SECOND: Cursor()})
    log.pause([FIRST])
    await bench.write(FIRST, b"f1", b"f2")
    await bench.write(SECOND, b"s1")

    assert [record.value for record in await reading.take(1)] == [b"s1"]
    assert await reading.nothing_more()
    await reading.start(reading.cursors)
    assert [record.value for record in await reading.take(2)] == [b"f1", b"f2"]


async def test_all_paused_waits_and_lives(bench: Bench) -> None:
    """With everything paused a fetch takes its time, gives nothing, and wakes up when partitions are assigned."""
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor()})
    await bench.write(FIRST, b"a")
    log.pause([FIRST])

    assert await log.fetch(10, 0.2) == ()
    waiting = asyncio.create_task(reading.take(1))
    await asyncio.sleep(0)
    await log.assign(reading.cursors)
    assert [record.value for record in await waiting] == [b"a"]


async def test_pausing_while_a_fetch_is_under_way_loses_nothing(bench: Bench) -> None:
    """A block that arrives for a partition paused meanwhile comes after the next assignment, if not before."""
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor()})
    fetching = asyncio.create_task(log.fetch(10, 1))
    await asyncio.sleep(0)
    log.pause([FIRST])
    await bench.write(FIRST, b"a")
    early = await fetching

    await reading.start({FIRST: Cursor()})

    assert [record.value for record in await reading.take(1)] == [b"a"]
    assert [record.value for record in early] in ([], [b"a"])


async def test_an_idle_fetch_returns_soon_after_a_block_is_there(bench: Bench) -> None:
    """A quiet log costs little and yet wakes up for a block within a fraction of a second."""
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})
    assert await reading.nothing_more()
    waiting = asyncio.create_task(reading.take(1))
    clock = asyncio.get_running_loop()
    began = clock.time()
    await bench.write(FIRST, b"a")
    await waiting

    assert clock.time() - began < 1.0


async def test_a_block_published_twice_is_known_by_its_sequence(bench: Bench) -> None:
    """After a lost acknowledgement the same block may stand twice in the log; a reader takes it once."""
    await bench.write(FIRST, b"a")
    log = bench.open("intake")
    await log.publish("intake", FIRST, [Row(1, 1_767_258_000_000, b"a")])
    await bench.write(FIRST, b"b")
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})

    taken = await reading.take(2)

    assert [(record.seq, record.value) for record in taken] == [(1, b"a"), (2, b"b")]
    assert {record.seq for record in reading.repeated} <= {1}


async def test_sources_have_sequences_of_their_own(bench: Bench) -> None:
    """Blocks of two sources in one partition are numbered apart, and the source says which is which."""
    await bench.write(FIRST, b"a", b"b")
    await bench.write(FIRST, b"again", source="dlq")
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})

    taken = await reading.take(3)

    assert sorted((record.source, record.seq, record.value) for record in taken) == [
        ("dlq", 1, b"again"), ("intake", 1, b"a"), ("intake", 2, b"b"),
    ]  # fmt: skip


async def test_last_sequence_is_that_of_the_source(bench: Bench) -> None:
    """The end of a source is found among the blocks of the others, and None where it never wrote."""
    await bench.write(FIRST, b"a", b"b")
    await bench.write(FIRST, *[b"x"] * 30, source="dlq")
    log = bench.open()

    found = [await log.last_sequence(source, FIRST) for source in ("intake", "dlq", "routing")]

    assert found == [2, 30, None]
    assert await log.last_sequence("intake", SECOND) is None


async def test_backlog_counts_what_is_not_read_yet(bench: Bench) -> None:
    """The backlog is the distance from what was given out to the end."""
    await bench.write(FIRST, b"a", b"b", b"c")
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor(), SECOND: Cursor()})

    before = dict(await log.backlog())
    await reading.take(3)
    after = dict(await log.backlog())

    assert before == {FIRST: 3, SECOND: 0}
    assert after == {FIRST: 0, SECOND: 0}


async def test_headers_and_time_travel_with_the_block(bench: Bench) -> None:
    """What was written beside a block is read beside it, and nothing else is."""
    headers = (("reason", b"unreadable"), ("empty", b""), ("bytes", bytes(range(256))))
    await bench.write_outputs([Output(*FIRST, b"a", headers), Output(*FIRST, b"b")])
    written = await bench.pool.fetchval("select (extract(epoch from min(at)) * 1000)::bigint from log.log")
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})

    first, second = await reading.take(2)

    assert headers == first.headers
    assert second.headers == ()
    assert written == first.at


async def test_assigning_nothing_reads_nothing(bench: Bench) -> None:
    """A process without partitions waits, and reads again when it gets one."""
    log = bench.open()
    reading = Reader(log)
    await bench.write(FIRST, b"a")
    await log.assign({})
    assert await log.fetch(10, 0.1) == ()
    assert await log.backlog() == {}

    await reading.start({FIRST: Cursor()})

    assert [record.value for record in await reading.take(1)] == [b"a"]


async def test_progress_may_be_noted_at_any_time(bench: Bench) -> None:
    """Telling the log how far a stage has read disturbs no reading."""
    await bench.write(FIRST, b"a", b"b")
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor()})
    await reading.take(1, limit=1)

    await log.note_progress(reading.cursors)

    assert [record.value for record in await reading.take(1)] == [b"b"]


async def test_a_table_reads_again_what_it_let_go_of(bench: Bench) -> None:
    """An entry that left the memory is read where it stands, be the log begun anew meanwhile or not."""
    at = TopicPartition(INCIDENTS_CHANGED, 0)
    for number in range(1, 8):
        await bench.write(at, b"%d" % number)
    for _ in range(2):
        table = GlobalTable(bench.open(), at.topic, _sets, bench.open(), 1)
        stop = asyncio.Event()
        following = asyncio.create_task(table.run(stop))
        await asyncio.wait_for(table.loaded.wait(), 30)

        found = [await until_it_works(partial(table.wait_for, (str(number),))) for number in (2, 7, 1, 2)]

        stop.set()
        await following
        assert [{2}, {7}, {1}, {2}] == found


def _sets(value: bytes | None) -> Sequence[Entry]:
    """Return an entry that takes weak references, with a size."""
    return [Entry(((value or b"").decode(),), 1, {int(value or b"0")}, 1)]


@on_logs_outside_the_database
async def test_a_position_past_the_end_is_refused(bench: Bench) -> None:
    """The position behind the last record is its offset + 1; what lies further is of another log, or was lost."""
    await bench.write(FIRST, b"a", b"b")
    log = bench.open()
    reading = Reader(log)
    await reading.start({FIRST: Cursor()})
    _, last = await reading.take(2)

    await reading.start({FIRST: Cursor(last.offset + 1, {"intake": 2})})
    with pytest.raises(LogPositionError):
        await until_it_works(lambda: log.assign({FIRST: Cursor(last.offset + 2, {"intake": 2})}))


@on_logs_outside_the_database
async def test_several_publish_to_one_partition_at_a_time(bench: Bench) -> None:
    """Processes that publish side by side neither tear nor overwrite each other's blocks."""
    written = {source: [Row(n, n, os.urandom(10_000)) for n in range(1, 61)] for source in ("intake", "dlq")}

    async def publish(source: str, rows: list[Row]) -> None:
        log = bench.open(source)
        for first in range(0, len(rows), 4):
            await until_it_works(partial(log.publish, source, FIRST, rows[first : first + 4]))

    async with asyncio.TaskGroup() as tasks:
        for source, rows in written.items():
            tasks.create_task(publish(source, rows))
    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})
    taken = await reading.take(120)

    assert written == {
        source: [Row(r.seq, r.at, r.value or b"") for r in taken if r.source == source] for source in written
    }


async def _locked(bench: Bench) -> None:
    """Wait until some transaction has written to the log and not committed: it sleeps in `pg_sleep`."""
    async with asyncio.timeout(5):
        while not await bench.pool.fetchval(  # noqa: ASYNC110 - another session tells by no other means
            "select count(*) from pg_stat_activity where query like '%pg_sleep($1)%' "
            "and state = 'active' and pid <> pg_backend_pid()"
        ):
            await asyncio.sleep(0.01)
