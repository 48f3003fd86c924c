"""Dead letters: set aside with their blocks, looked at, and sent back."""

from collections.abc import AsyncIterator

import pytest

from services.core.access import Caller, Principal, Role
from services.kit.eventlog import Cursor, DeadLetters, Record, TopicPartition, dead_letter, dead_letter_topic
from tests.integration.eventlog.bench import Bench, Reader

FIRST = TopicPartition("heraut.members.accepted.v1", 3)
BY = Caller(Principal("ann", frozenset({Role.OPERATOR})), "r-1")
DLQ = TopicPartition(dead_letter_topic(FIRST.topic, "deduplication"), 3)


@pytest.fixture
async def letters(bench: Bench) -> AsyncIterator[DeadLetters]:
    """Return the dead letters of the log under test."""
    async with bench.dead_letters() as made:
        yield made


async def _set_aside(bench: Bench, *values: bytes) -> None:
    records = [Record(*FIRST, 40 + n, "intake", 7 + n, 0, value) for n, value in enumerate(values)]
    outputs = [dead_letter(record, "deduplication", "InvalidMessage", "not-a-block") for record in records]
    await bench.write_outputs(outputs, "deduplication")


async def test_entries_say_where_they_came_from_and_why(bench: Bench, letters: DeadLetters) -> None:
    """The list names position, origin and reason, and shows no payload."""
    await _set_aside(bench, b"broken", b"other")

    first, second = await letters.entries(10)

    assert (FIRST, FIRST) == (first.original, second.original)
    assert {**first.described(), "at": 0, "position": "", "service-version": ""} == {
        "position": "", "at": 0, "bytes": 6, "service-version": "",
        "original-topic": FIRST.topic, "original-partition": "3", "original-offset": "40",
        "original-source": "intake", "original-seq": "7", "reason": "not-a-block", "error-class": "InvalidMessage",
    }  # fmt: skip
    assert len(await letters.entries(1)) == 1


async def test_a_replayed_entry_is_a_new_block_of_its_topic(bench: Bench, letters: DeadLetters) -> None:
    """The untouched payload comes again, as a block of the source `dlq` with a sequence of its own."""
    await bench.write(FIRST, b"good")
    await _set_aside(bench, b"broken", b"other")
    entries = await letters.entries(10)

    replayed = [await letters.replay(DLQ, entry.record.offset, BY) for entry in entries]

    reading = Reader(bench.open())
    await reading.start({FIRST: Cursor()})
    taken = await reading.take(3)
    assert replayed == [True, True]
    noted = await bench.pool.fetch("select principal, request_id, topic, partition, position from log.dead_letter_acts")
    assert [("ann", "r-1", *DLQ, entry.record.offset) for entry in entries] == [tuple(row) for row in noted]
    assert [(r.seq, r.value) for r in taken if r.source == "dlq"] == [(1, b"broken"), (2, b"other")]


async def test_what_is_not_there_is_not_replayed(bench: Bench, letters: DeadLetters) -> None:
    """A position that holds nothing is told apart."""
    await _set_aside(bench, b"broken")

    assert not await letters.replay(DLQ, 4711, BY)
    assert await letters.entry(DLQ, 4711) is None


async def test_purged_entries_are_gone(bench: Bench, letters: DeadLetters) -> None:
    """A purge deletes up to and with the entry named, and keeps what came later."""
    await _set_aside(bench, b"one", b"two", b"three")
    entries = await letters.entries(10)

    await letters.purge(DLQ, entries[1].record.offset, BY)
    noted = await bench.pool.fetch("select principal, act, position from log.dead_letter_acts")

    assert [entry.record.value for entry in await letters.entries(10)] == [b"three"]
    assert [("ann", "dead-letters-purged", entries[1].record.offset)] == [tuple(row) for row in noted]


async def test_entries_come_page_by_page_and_say_which_were_sent_back(bench: Bench, letters: DeadLetters) -> None:
    """However many there are, none is read twice; what was sent back once is known, whether it stays or not."""
    await _set_aside(bench, b"one", b"two", b"three")
    (first,) = await letters.entries(1)
    place = (first.record.topic_partition, first.record.offset)
    rest = await letters.entries(10, DLQ.topic, place)
    await letters.replay(*place, BY)

    assert [b"two", b"three"] == [entry.record.value for entry in rest]
    assert [] == await letters.entries(10, DLQ.topic, (rest[-1].record.topic_partition, rest[-1].record.offset))
    assert {place} == await letters.sent_back()


async def test_an_entry_of_the_embedded_log_is_replayed_once(postgres_bench: Bench) -> None:
    """On the embedded log a replay takes the entry out in its own transaction."""
    await _set_aside(postgres_bench, b"broken")
    async with postgres_bench.dead_letters() as letters:
        assert [await letters.replay(DLQ, 1, BY), await letters.replay(DLQ, 1, BY)] == [True, False]
        assert await letters.entries(10) == []


@pytest.mark.kafka
async def test_leftovers_of_a_replay_that_was_cut_off_go_first(kafka_bench: Bench) -> None:
    """Blocks that an earlier replay committed but could not publish are published before new ones."""
    await _set_aside(kafka_bench, b"broken")
    at_outbox = TopicPartition(FIRST.topic, FIRST.partition)
    await kafka_bench.pool.execute(
        "insert into log.head (source, topic, partition, last_seq) values ('dlq', $1, $2, 1)", *at_outbox
    )
    await kafka_bench.pool.execute(
        "insert into log.log (source, topic, partition, seq, block) values ('dlq', $1, $2, 1, 'left')", *at_outbox
    )
    async with kafka_bench.dead_letters() as letters:
        await letters.replay(DLQ, 0, BY)
    outbox = await kafka_bench.pool.fetchval("select count(*) from log.log where source = 'dlq'")

    reading = Reader(kafka_bench.open())
    await reading.start({FIRST: Cursor()})
    assert [(r.seq, r.value) for r in await reading.take(2)] == [(1, b"left"), (2, b"broken")]
    assert outbox == 0


@pytest.mark.kafka
async def test_an_upstream_event_goes_past_the_database(kafka_bench: Bench) -> None:
    """What shows people in the open is set aside and replayed on Kafka alone, key and headers with it."""
    topic = "heraut.cohort.v1"
    record = Record(topic, 0, 5, "", 0, 0, b'{"members": []}', (("ce_id", b"1"), ("source", b"x")), b"key")
    log = kafka_bench.open("intake")
    await log.forward(dead_letter(record, "intake", "InvalidMessage", "unreadable"))
    async with kafka_bench.dead_letters() as letters:
        (entry,) = await letters.entries(10)
        await letters.replay(entry.record.topic_partition, entry.record.offset, BY)
    rows = await kafka_bench.pool.fetchval("select count(*) from log.log")

    reading = kafka_bench.open("intake")
    await reading.assign({TopicPartition(topic, 0): Cursor()})
    (again,) = await reading.fetch(10, 5)
    assert (record.value, record.headers, record.key) == (again.value, again.headers, again.key)
    assert ("", 0, 0) == (again.source, again.seq, rows)
    assert "key" not in str(entry.described().keys() - {"original-topic"})
