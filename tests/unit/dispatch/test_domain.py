"""Rounds, endings and pace."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.notices import FLAG_SECRET_ADDRESS
from services.core.status import AttemptState, can_become
from services.dispatch.domain import (
    MESSAGES_A_BATCH,
    TEMPORARY_TRIES,
    Batch,
    Ending,
    Fate,
    Pace,
    Result,
    Settled,
    by_partition,
    cut,
    gathered,
    part_ways,
    reopened,
    rounds_of,
    settled,
    staying,
)
from tests.unit.dispatch.people import CREATED, a_batch, some_notices


def _some_batches(counts: Sequence[int], flags: Sequence[int] = ()) -> list[Batch]:
    """Return batches of so many attempts each, numbered from 1, each with one of the flags."""
    everybody = some_notices(sum(counts))
    batches = []
    for at, count in enumerate(counts):
        first = sum(counts[:at])
        notices = everybody.pick(list(range(first, first + count)))
        notices.flags = [flags[at] if flags else 0] * count
        batches.append(a_batch(notices, at + 1))
    return batches


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


@given(
    st.sampled_from(Channel), st.lists(st.sampled_from([0, FLAG_SECRET_ADDRESS]), min_size=1, max_size=80),
    st.integers(1, 90),
)  # fmt: skip
def test_what_comes_in_is_cut_into_batches_once_each(channel: Channel, flags: list[int], size: int) -> None:
    """Every attempt is in one batch, none is too large, and no letter to a secret address lies with others."""
    batches = cut(channel, some_notices(len(flags), flags=flags), size)

    assert list(range(len(flags))) == sorted(row for rows in batches for row in rows)
    assert all(1 <= len(rows) <= size for rows in batches)
    assert channel is not Channel.LETTER or all(len({flags[row] for row in rows}) == 1 for rows in batches)


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from([0, FLAG_SECRET_ADDRESS])), min_size=1, max_size=12))
def test_print_files_hold_each_letter_once_and_secret_addresses_by_themselves(wanted: list[tuple[int, int]]) -> None:
    """Every letter is in one file, no file is too large, and none mixes secret addresses with others."""
    batches = _some_batches([count for count, _ in wanted], [flag for _, flag in wanted])
    rounds = rounds_of(Channel.LETTER, 0, batches, CREATED, size=40)

    assert sorted(one for batch in batches for one in batch.notices.ids) == sorted(
        notice for one in rounds for notice in one.notices.ids
    )
    assert all(len(one) <= 40 for one in rounds)
    assert all(len(set(one.notices.flags)) == 1 for one in rounds)
    assert len(rounds) == len({one.batch for one in rounds})


@given(st.permutations(range(4)))
def test_a_print_file_is_the_same_whatever_order_the_queue_gave(order: list[int]) -> None:
    """Who sets a file again has the same pages in the same order."""
    batches = _some_batches([2, 1, 3, 2])

    assert rounds_of(Channel.LETTER, 0, batches, CREATED) == rounds_of(
        Channel.LETTER, 0, [batches[at] for at in order], CREATED
    )


def test_what_was_begun_is_taken_up_as_it_was_and_what_is_in_hand_left_alone() -> None:
    """At take-over a print file has its own membership and date again, less what this process is busy with."""
    batches = [replace(b, job=job) for b, job in zip(_some_batches([2, 1, 3]), (b"a", b"a", b"b"), strict=True)]
    (again,) = reopened(3, batches, {batches[2].number})

    assert batches[0].notices.ids + batches[1].notices.ids == again.notices.ids
    assert (3, b"a", CREATED, True) == (again.partition, again.batch, again.created_at, again.repeated)
    assert [(1, range(2)), (2, range(2, 3))] == list(again.rows())


def test_batches_of_several_partitions_are_taken_apart() -> None:
    """A block never mixes partitions."""
    batches = [replace(batch, partition=at % 2) for at, batch in enumerate(_some_batches([1, 1, 1]))]

    assert {0: [batches[0], batches[2]], 1: [batches[1]]} == by_partition(batches)


def test_batches_of_several_incident_versions_are_not_put_together() -> None:
    """A round has the words of one incident version."""
    first, second = _some_batches([2, 1])
    second.notices.incident_version = 2

    assert [first.notices, second.notices] == [one.notices for one in gathered(0, [first, second], CREATED)]


_ENDINGS = st.builds(settled, st.sampled_from([Result(ending) for ending in Ending]), st.integers(0, 11), st.just(1.0))


@given(st.sampled_from(AttemptState), st.lists(_ENDINGS, min_size=1, max_size=20))
def test_each_attempt_of_a_batch_has_one_fate_and_that_is_its_own(state: AttemptState, ended: list[Settled]) -> None:
    """Where fates part nobody is left out, nobody gets another's, and what is settled stays so."""
    fates = part_ways(state, ended)

    assert list(range(len(ended))) == sorted(row for rows in fates.values() for row in rows)
    for fate, rows in fates.items():
        for row in rows:
            own = ended[row]
            moves = state is AttemptState.INTENT or (state is AttemptState.UNKNOWN and can_become(state, own.state))
            assert fate == (Fate(own.state, own.tries, own.wait) if moves else None)


def test_what_stays_begun_keeps_its_batch() -> None:
    """A repeat finds the same batches, however many of their attempts are settled meanwhile."""
    refused, begun = Fate(AttemptState.REFUSED, 0, 0.0), Fate(AttemptState.INTENT, 1, 1.0)

    assert begun == staying({refused: [0, 1, 2], begun: [3]})
    assert refused == staying({refused: [0, 1, 2], Fate(AttemptState.ACCEPTED, 0, 0.0): [3]})


@given(st.lists(st.tuples(st.integers(1, 512), st.floats(0.001, 120)), max_size=20))
def test_an_intent_never_covers_too_few_or_too_many(rounds: list[tuple[int, float]]) -> None:
    """However a provider answers, a crash leaves a bounded number of unknown outcomes."""
    pace = Pace()
    for sent, seconds in rounds:
        pace.took(sent, seconds)

    assert pace.least <= pace.size <= pace.most
    assert pace.least >= MESSAGES_A_BATCH


def test_pace_settles_at_half_a_second() -> None:
    """At 400 messages a second an intent covers about 200."""
    pace = Pace()
    for _ in range(20):
        pace.took(pace.size, pace.size / 400)

    assert abs(pace.size - 200) <= 2
