"""Recalls on PostgreSQL: what waits is stopped, what has begun is not, and each is answered once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from notification.v1 import routing_pb2

from services.core.channel import Channel
from services.core.notices import FLAG_MAYBE_TOLD, Notices
from services.core.status import AttemptState
from services.dispatch.codec import encode_block
from services.dispatch.domain import Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.rounds import rounds_of
from services.kit.errors import RetryableError
from services.kit.eventlog import Output, Record
from services.kit.postgres import Pool
from services.wire.recalls import Recall, decode_stopped, encode_recalled
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import KEEP_RECALLS, Bench, make_bench
from tests.unit.dispatch.people import TRAITS, some_notices

RECALLED = "heraut.notices.recalled.v1"


@pytest.fixture
async def bench(room_pool: RoomPool, tmp_path: Path) -> Bench:
    """Return a workbench of the e-mail channel."""
    pool: Pool = await room_pool("dispatch")
    return make_bench(Channel.EMAIL, pool, pool, tmp_path)


def asked(notices: Notices, rows: range, *, over: bool = False) -> Record:
    """Return a block that recalls these notices."""
    recalls = [Recall(0, notices.ids[at], notices.pseudonyms[at], notices.incident_id) for at in rows]
    (output,) = encode_recalled(recalls, over=over)
    return Record(RECALLED, 0, 0, "deduplication", 1, 0, output.value)


def routed(notices: Notices) -> Record:
    """Return a block of attempts to make."""
    wire = routing_pb2.NoticesRouted()
    wire.notices.ParseFromString(encode_block(notices))
    return Record("heraut.notices.routed.email.v1", 0, 0, "routing", 1, 0, wire.SerializeToString())


async def hear(bench: Bench, *records: Record) -> dict[bytes, bool]:
    """Apply blocks in one transaction; return the answers: notice -> was it stopped."""
    handler = bench.handler()
    async with bench.pool.acquire() as connection, connection.transaction():
        return answers(await handler.apply(connection, [handler.decode(record) for record in records]))


async def tick(bench: Bench) -> dict[bytes, bool]:
    """Tick once; return the answers."""
    async with bench.pool.acquire() as connection, connection.transaction():
        return answers(await bench.handler().tick(connection, [0]))


def answers(outputs: Sequence[Output]) -> dict[bytes, bool]:
    """Return the answers in outgoing blocks."""
    found: dict[bytes, bool] = {}
    for output in outputs:
        if output.topic == "heraut.notices.stopped.v1":
            block = decode_stopped(Record(output.topic, 0, 0, "dispatch-email", 1, 0, output.value))
            found |= dict(zip(block.notices, block.stopped, strict=True))
    return found


async def begin(bench: Bench) -> Round:
    """Write the intent of all that is queued."""
    async with bench.pool.acquire() as connection, connection.transaction():
        queued = await bench.store.queue(connection, 0, datetime.max.replace(tzinfo=UTC), 1000)
        (one,) = rounds_of(TRAITS[Channel.EMAIL], 0, queued, datetime.now(UTC))
        await bench.store.intend(connection, [one], one.created_at)
    return one


async def settle(bench: Bench, one: Round, *states: AttemptState) -> None:
    """Write down how a round ended."""
    async with bench.pool.acquire() as connection, connection.transaction():
        await bench.store.record(connection, one, [AttemptOutcome(state) for state in states], datetime.now(UTC))


async def test_what_waits_is_stopped_and_answered_once(bench: Bench) -> None:
    """Queued, or refused and not told: some of a batch, whose others stay as they are; a repeat changes nothing."""
    notices = some_notices(4)
    await hear(bench, routed(notices))
    one = await begin(bench)
    waiting = [AttemptState.REFUSED_WAITING] * 2
    await settle(bench, one, AttemptState.TAKEN, AttemptState.TAKEN, *waiting)
    first = await hear(bench, asked(notices, range(1, 3)))
    again = await hear(bench, asked(notices, range(1, 3)))

    assert {notices.ids[1]: True, notices.ids[2]: True} == first
    assert {} == again
    assert {AttemptState.TAKEN: 1, AttemptState.REFUSED_WAITING: 1, AttemptState.STOPPED: 2} == await bench.states()


async def test_what_comes_after_its_recall_is_stopped_as_it_comes(bench: Bench) -> None:
    """In a later transaction or in the same one; what is over is not remembered, and goes."""
    notices = some_notices(3)
    early = await hear(bench, asked(notices, range(2)))
    await hear(bench, asked(notices, range(1, 2), over=True))
    come = await hear(bench, routed(notices), asked(notices, range(2, 3)))

    assert ({}, {notices.ids[0]: True, notices.ids[2]: True}) == (early, come)
    assert {AttemptState.TAKEN: 1, AttemptState.STOPPED: 2} == await bench.states()


async def test_what_has_begun_is_answered_when_it_is_known_how_it_ended(bench: Bench) -> None:
    """Accepted and unknown were too late; what went back to the queue is stopped after all."""
    notices = some_notices(3)
    await hear(bench, routed(notices))
    one = await begin(bench)
    begun = await hear(bench, asked(notices, range(3)))
    still = await tick(bench)
    await settle(bench, one, AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.TAKEN)
    ended = await tick(bench)

    assert ({}, {}) == (begun, still)
    assert dict(zip(notices.ids, (False, False, True), strict=True)) == ended
    assert {} == await tick(bench)


async def test_a_repeat_of_what_may_have_told_somebody_goes_on(bench: Bench) -> None:
    """Stopped means that nobody was told: that cannot be said of a letter after an e-mail of unknown outcome."""
    notices = some_notices(2, flags=[FLAG_MAYBE_TOLD, 0])
    await hear(bench, routed(notices))

    assert {notices.ids[0]: False, notices.ids[1]: True} == await hear(bench, asked(notices, range(2)))
    assert {AttemptState.TAKEN: 1, AttemptState.STOPPED: 1} == await bench.states()


async def test_nobody_begins_from_a_queue_that_was_read_before_the_recall(bench: Bench) -> None:
    """The intent covers what is in the batch, and not who was in it: it is not written, and read again."""
    notices = some_notices(3)
    await hear(bench, routed(notices))
    async with bench.pool.acquire() as connection:
        queued = await bench.store.queue(connection, 0, datetime.max.replace(tzinfo=UTC), 1000)
        rounds = rounds_of(TRAITS[Channel.EMAIL], 0, queued, datetime.now(UTC))
    await hear(bench, asked(notices, range(1)))
    async with bench.pool.acquire() as connection, connection.transaction():
        with pytest.raises(RetryableError):
            await bench.store.intend(connection, rounds, datetime.now(UTC))
    one = await begin(bench)

    assert notices.ids[1:] == one.notices.ids


async def test_marks_go_once_no_recall_can_be_heard_again(bench: Bench) -> None:
    """What is answered goes when its time has passed, and nothing else, however old: an open recall is a wall."""
    notices = some_notices(6)
    await hear(bench, asked(notices, range(4)), asked(notices, range(2), over=True))
    await bench.tick(KEEP_RECALLS - timedelta(minutes=1))
    early = await marks(bench)
    await bench.tick(KEEP_RECALLS + timedelta(minutes=1))

    assert set(notices.ids[:4]) == early
    assert set(notices.ids[2:4]) == await marks(bench)


async def test_no_replay_brings_back_what_was_recalled_and_forgotten(bench: Bench) -> None:
    """Its attempt stays as the wall: not begun again, whatever block comes again in whatever order."""
    notices = some_notices(2)
    await hear(bench, routed(notices), asked(notices, range(1)))
    await hear(bench, asked(notices, range(1), over=True))
    await bench.tick(KEEP_RECALLS + timedelta(minutes=1))
    forgotten = await marks(bench)
    again = await hear(bench, routed(notices))
    asked_again = await hear(bench, asked(notices, range(1)))

    assert (set(), {}, {notices.ids[0]: True}) == (forgotten, again, asked_again)
    assert {AttemptState.TAKEN: 1, AttemptState.STOPPED: 1} == await bench.states()


async def test_a_recall_that_was_set_aside_and_comes_after_its_end_is_over(bench: Bench) -> None:
    """Somebody had been told, as the others answered: what is attempted next goes on, and nothing stays open."""
    notices = some_notices(2)
    await hear(bench, asked(notices, range(2), over=True))
    await hear(bench, asked(notices, range(2)))
    come = await hear(bench, routed(notices))

    assert {} == come
    assert {AttemptState.TAKEN: 2} == await bench.states()


async def marks(bench: Bench) -> set[bytes]:
    """Return the notices of which is remembered that they were recalled."""
    return {row["notice"] for row in await bench.pool.fetch("select notice from dispatch.recalls")}
