"""Rounds, endings and pace."""

from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import FLAG_SECRET_ADDRESS
from services.core.status import AttemptState, can_become
from services.dispatch.domain import (
    LETTERS_A_BATCH,
    TEMPORARY_TRIES,
    Ending,
    Pace,
    Result,
    by_partition,
    reopened,
    rounds_of,
    settled,
)
from tests.unit.dispatch.people import CREATED, as_rows, some_notices


@given(st.sampled_from(Ending), st.integers(0, TEMPORARY_TRIES), st.floats(0, 3600))
def test_an_open_attempt_only_moves_where_the_table_of_states_lets_it(ending: Ending, tries: int, wait: float) -> None:
    """However a hand-over ends, what is stored is a move that is allowed, or none."""
    after = settled(Result(ending), tries, wait)

    assert after.state is AttemptState.INTENT or can_become(AttemptState.INTENT, after.state)
    assert after.tries >= tries


def test_a_recipient_that_is_put_off_too_often_gets_the_next_channel() -> None:
    """A full mailbox does not keep somebody waiting for ever."""
    states = [settled(Result(Ending.NOT_NOW), tries, 1.0).state for tries in range(TEMPORARY_TRIES)]

    assert [AttemptState.TAKEN] * (TEMPORARY_TRIES - 1) + [AttemptState.REFUSED] == states


def test_an_outage_counts_against_nobody() -> None:
    """What was not sent because the provider was down keeps its number of tries and waits for nothing of its own."""
    after = settled(Result(Ending.NOT_SENT), 3, 60.0)

    assert (AttemptState.TAKEN, 3, 0.0) == (after.state, after.tries, after.wait)


@given(st.lists(st.sampled_from([0, FLAG_SECRET_ADDRESS]), min_size=1, max_size=3 * LETTERS_A_BATCH))
def test_letters_are_batched_once_each_and_secret_addresses_by_themselves(flags: list[int]) -> None:
    """Every letter is in one batch, no batch is too large, and none mixes secret addresses with others."""
    notices = some_notices(len(flags), flags=flags)
    rounds = rounds_of(Channel.LETTER, 0, [as_rows(notices)], CREATED)

    assert sorted(notices.ids) == sorted(notice for one in rounds for notice in one.notices.ids)
    assert all(len(one) <= LETTERS_A_BATCH for one in rounds)
    assert all(len(set(one.notices.flags)) == 1 for one in rounds)
    assert len(rounds) == len({one.batch for one in rounds})


@given(st.permutations(range(8)))
def test_a_batch_is_the_same_whatever_order_the_queue_gave(order: list[int]) -> None:
    """Who sets a batch again has the same pages in the same order."""
    rows = as_rows(some_notices(8))

    assert rounds_of(Channel.LETTER, 0, [rows], CREATED) == rounds_of(Channel.LETTER, 0, [rows.pick(order)], CREATED)


def test_what_was_begun_is_taken_up_as_it_was_and_what_is_in_hand_left_alone() -> None:
    """At take-over a batch has its own membership and date again, less what this process is busy with."""
    rows = as_rows(some_notices(4))
    rows.batches = [b"a", b"a", b"b", b"b"]
    mine = set(zip(rows.notices.ids[2:], rows.notices.attempts[2:], strict=True))
    (again,) = reopened(3, [rows], mine)

    assert sorted(rows.notices.ids[:2]) == again.notices.ids
    assert (3, b"a", CREATED, True) == (again.partition, again.batch, again.created_at, again.repeated)


def test_rows_of_several_partitions_are_taken_apart() -> None:
    """A block never mixes partitions."""
    rows = as_rows(some_notices(4))
    rows.partitions = [1, 2, 1, 2]

    assert {1: rows.notices.ids[::2], 2: rows.notices.ids[1::2]} == {
        partition: part.notices.ids for partition, part in by_partition(rows).items()
    }


@given(st.lists(st.tuples(st.integers(1, 512), st.floats(0.001, 120)), max_size=20))
def test_an_intent_never_covers_too_few_or_too_many(rounds: list[tuple[int, float]]) -> None:
    """However a provider answers, a crash leaves a bounded number of unknown outcomes."""
    pace = Pace()
    for sent, seconds in rounds:
        pace.took(sent, seconds)

    assert pace.least <= pace.size <= pace.most


def test_pace_settles_at_half_a_second() -> None:
    """At 400 messages a second an intent covers about 200."""
    pace = Pace()
    for _ in range(20):
        pace.took(pace.size, pace.size / 400)

    assert abs(pace.size - 200) <= 2
