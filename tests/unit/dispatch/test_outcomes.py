"""How hand-overs end, and what becomes of their batches."""

from hypothesis import given
from hypothesis import strategies as st

from services.core.status import AttemptState, can_become
from services.dispatch.outcomes import (
    TEMPORARY_TRIES,
    AttemptOutcome,
    Ending,
    Fate,
    Result,
    classify,
    part_ways,
    staying,
)


@given(st.sampled_from(Ending), st.integers(0, TEMPORARY_TRIES), st.floats(0, 3600))
def test_an_open_attempt_only_moves_where_the_table_of_states_lets_it(ending: Ending, tries: int, wait: float) -> None:
    """However a hand-over ends, what is stored is a move that is allowed, or none."""
    after = classify(Result(ending), tries, wait)

    assert after.state is AttemptState.INTENT or can_become(AttemptState.INTENT, after.state)
    assert after.tries >= tries


def test_a_recipient_that_is_put_off_too_often_gets_the_next_channel() -> None:
    """A full mailbox does not keep somebody waiting for ever."""
    states = [classify(Result(Ending.NOT_NOW), tries, 1.0).state for tries in range(TEMPORARY_TRIES)]

    assert [AttemptState.TAKEN] * (TEMPORARY_TRIES - 1) + [AttemptState.REFUSED] == states


def test_an_outage_counts_against_nobody() -> None:
    """What was not sent because the provider was down keeps its number of tries and waits for nothing of its own."""
    after = classify(Result(Ending.NOT_SENT), 3, 60.0)

    assert (AttemptState.TAKEN, 3, 0.0) == (after.state, after.tries, after.wait)


_ENDINGS = st.builds(classify, st.sampled_from([Result(ending) for ending in Ending]), st.integers(0, 11), st.just(1.0))


@given(st.sampled_from(AttemptState), st.lists(_ENDINGS, min_size=1, max_size=20))
def test_each_attempt_of_a_batch_has_one_fate_and_that_is_its_own(
    state: AttemptState, ended: list[AttemptOutcome]
) -> None:
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
