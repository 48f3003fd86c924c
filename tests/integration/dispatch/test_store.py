"""Batches in the database: what they hold, how they part, and what a replay or another owner leaves of them."""

from datetime import UTC, datetime

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_SECRET_ADDRESS, Notices
from services.core.status import AttemptState
from services.dispatch.codec import decode_block, encode_block
from services.dispatch.domain import Batch, Round, Taken
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.rounds import reopened, rounds_of
from services.kit.tracing import TraceParent, text_of
from tests.integration.dispatch.bench import Bench
from tests.unit.dispatch.people import TRAITS, some_notices

ACCEPTED = AttemptOutcome(AttemptState.ACCEPTED)
REFUSED = AttemptOutcome(AttemptState.REFUSED, reason="no-recipient")
UNKNOWN = AttemptOutcome(AttemptState.UNKNOWN)
PUT_OFF = AttemptOutcome(AttemptState.TAKEN, wait=60.0, tries=1)
BEGUN = AttemptOutcome(AttemptState.INTENT, wait=60.0, tries=1)


async def _apply(bench: Bench, *blocks: Notices) -> None:
    async with bench.pool.acquire() as connection, connection.transaction():
        taken = [Taken(0, notices, encode_block(notices)) for notices in blocks]
        await bench.handler().apply(connection, taken)


async def _queue(bench: Bench, limit: int) -> list[Batch]:
    async with bench.pool.acquire() as connection:
        return await bench.store.queue(connection, 0, datetime.max.replace(tzinfo=UTC), limit)


async def _begin(bench: Bench, channel: Channel) -> Round:
    """Write the intent of all that is queued."""
    (one,) = rounds_of(TRAITS[channel], 0, await _queue(bench, 1000), datetime.now(UTC))
    async with bench.pool.acquire() as connection, connection.transaction():
        await bench.store.intend(connection, [one], one.created_at)
    return one


async def _settle(bench: Bench, one: Round, *outcomes: AttemptOutcome) -> list[int]:
    async with bench.pool.acquire() as connection, connection.transaction():
        return await bench.store.record(connection, one, outcomes, datetime.now(UTC))


async def _states(bench: Bench) -> dict[bytes, AttemptState]:
    """Return each attempt's state; a batch must hold exactly the attempts that point to it, and count them right."""
    rows = await bench.pool.fetch("select * from batches")
    pointing = await bench.pool.fetch("select batch, notice, attempt from attempts")
    for row in rows:
        notices = decode_block(row["block"])
        own = {(one["notice"], one["attempt"]) for one in pointing if one["batch"] == row["batch"]}
        assert own == set(zip(notices.ids, notices.attempts, strict=True))
        assert row["count"] == len(notices) > 0
    state = {row["batch"]: AttemptState(row["state"]) for row in rows}
    return {one["notice"]: state[one["batch"]] for one in pointing}


async def test_a_look_at_all_partitions_tells_whose_turn_it_is_and_what_was_begun(mails: Bench) -> None:
    """One question each for the queue and for open intents, however many partitions are owned."""
    await _apply(mails, some_notices(3))
    async with mails.pool.acquire() as connection:
        waiting = await mails.store.first_due(connection, [0, 1])
        nothing = await mails.store.partitions_begun(connection, [0, 1], datetime.now(UTC))
    await _begin(mails, Channel.EMAIL)
    async with mails.pool.acquire() as connection:
        empty = await mails.store.first_due(connection, [0, 1])
        begun = await mails.store.partitions_begun(connection, [0, 1], datetime.now(UTC))

    assert ([*waiting], nothing) == ([0], frozenset())
    assert (empty, begun) == ({}, frozenset({0}))


async def test_what_a_replay_mixes_with_new_attempts_is_taken_once(mails: Bench) -> None:
    """Attempts that are there stay as they are; a batch holds only what was new, each once."""
    notices = some_notices(40)
    await _apply(mails, notices.pick(list(range(10))))
    await _apply(mails, notices.pick([*range(5, 40), 39, 7]), notices.pick([20, 3]))

    assert dict.fromkeys(notices.ids, AttemptState.TAKEN) == await _states(mails)


async def test_letters_to_secret_addresses_are_stored_apart(letters: Bench) -> None:
    """No batch mixes them with others, so no print file does."""
    await _apply(letters, some_notices(5, flags=[0, FLAG_SECRET_ADDRESS, 0, 0, FLAG_SECRET_ADDRESS]))
    found = sorted(batch.notices.flags for batch in await _queue(letters, 1000))

    assert [[0, 0, 0], [FLAG_SECRET_ADDRESS] * 2] == found


@pytest.mark.parametrize(("limit", "attempts"), [(1, 16), (16, 16), (40, 32), (1000, 60)])
async def test_an_intent_covers_no_more_than_its_pace(mails: Bench, limit: int, attempts: int) -> None:
    """What a crash may leave unknown is bounded, and however small the limit something goes on."""
    await _apply(mails, some_notices(60))

    assert attempts == sum(len(batch.notices) for batch in await _queue(mails, limit))


async def test_where_fates_part_the_batch_does(mails: Bench) -> None:
    """Each attempt gets its own outcome, and each batch holds those that share one."""
    await _apply(mails, some_notices(20))
    one = await _begin(mails, Channel.EMAIL)
    ended = [ACCEPTED, REFUSED, UNKNOWN, PUT_OFF] * 5
    done = await _settle(mails, one, *ended)

    assert list(range(20)) == done
    assert {key: end.state for key, end in zip(one.notices.ids, ended, strict=True)} == await _states(mails)


async def test_what_stays_begun_is_the_same_print_file_again(letters: Bench) -> None:
    """A file's id and date stay when some of its letters were refused meanwhile."""
    await _apply(letters, some_notices(6))
    one = await _begin(letters, Channel.LETTER)
    await _settle(letters, one, REFUSED, BEGUN, REFUSED, REFUSED, REFUSED, BEGUN)
    async with letters.pool.acquire() as connection:
        begun = await letters.store.open_intents(connection, 0, datetime.max.replace(tzinfo=UTC))
    (again,) = reopened(0, begun, set())

    assert (one.print_job, one.created_at) == (again.print_job, again.created_at)
    assert one.notices.pick([1, 5]) == again.notices


async def test_late_answers_settle_what_the_next_owner_called_unknown(mails: Bench) -> None:
    """Accepted and refused are truths that hold; nothing goes back to the queue, as it is listed."""
    await _apply(mails, some_notices(4))
    one = await _begin(mails, Channel.EMAIL)
    await _settle(mails, one, *[UNKNOWN] * 4)
    done = await _settle(mails, one, ACCEPTED, REFUSED, PUT_OFF, BEGUN)

    assert [0, 1] == done
    assert [ACCEPTED.state, REFUSED.state, UNKNOWN.state, UNKNOWN.state] == [
        (await _states(mails))[notice] for notice in one.notices.ids
    ]


@pytest.mark.parametrize("first", [[ACCEPTED] * 3, [PUT_OFF] * 3, [ACCEPTED, PUT_OFF, BEGUN]])
async def test_an_outcome_is_written_once(messages: Bench, first: list[AttemptOutcome]) -> None:
    """A second writer of the same outcomes, after a lost answer or a kill, changes nothing and tells nothing."""
    await _apply(messages, some_notices(3))
    one = await _begin(messages, Channel.PORTAL)
    await _settle(messages, one, *first)
    before = await _states(messages)
    done = await _settle(messages, one, REFUSED, REFUSED, REFUSED)

    assert ([], before) == (done, await _states(messages))


async def test_what_led_to_a_batch_stays_with_its_parts(mails: Bench) -> None:
    """Where fates part, and where a replay brings some of it again; what was not traced has nothing."""
    first, again = (TraceParent(digit * 32, digit * 16, sampled=True) for digit in "ab")
    notices = some_notices(12)
    async with mails.pool.acquire() as connection, connection.transaction():
        for causes, part in (((first,), notices.pick([*range(6)])), ((again,), notices.pick([*range(3, 9)]))):
            await mails.handler().apply(connection, [Taken(0, part, encode_block(part), text_of(causes))])
        await mails.handler().apply(connection, [Taken(0, notices, encode_block(notices))])
    one = await _begin(mails, Channel.EMAIL)
    await _settle(mails, one, *[ACCEPTED, REFUSED, UNKNOWN, PUT_OFF] * 3)
    rows = await mails.pool.fetch("select notice, batch from attempts join batches using (batch)")
    async with mails.pool.acquire() as connection:
        led_to = {row["notice"]: await mails.store.led_to(connection, [row["batch"]]) for row in rows}
        everything = await mails.store.led_to(connection, [row["batch"] for row in rows])

    assert dict(zip(notices.ids, [(first,)] * 6 + [(again,)] * 3 + [()] * 3, strict=True)) == led_to
    assert {first, again} == set(everything)
