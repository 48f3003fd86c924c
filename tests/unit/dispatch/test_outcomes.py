"""How hand-overs end, and what becomes of their batches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.status import AttemptState, can_become
from services.dispatch.blame import Blame
from services.dispatch.outcomes import (
    PUT_OFF_TOO_OFTEN,
    REFUSED_BY_PROVIDER,
    TEMPORARY_TRIES,
    AttemptOutcome,
    Ending,
    Fate,
    Result,
    classify,
    part_ways,
    refusal_of,
    staying,
)


@given(st.sampled_from(Ending), st.integers(0, TEMPORARY_TRIES), st.floats(0, 3600))
def test_an_open_attempt_only_moves_where_the_table_of_states_lets_it(ending: Ending, tries: int, wait: float) -> None:
    """However a hand-over ends, what is stored is a move that is allowed, or none."""
    after = classify(Result(ending), tries, wait, 60.0)

    assert after.state is AttemptState.INTENT or can_become(AttemptState.INTENT, after.state)
    assert after.tries >= tries


def test_a_recipient_that_is_put_off_too_often_gets_the_next_channel() -> None:
    """A full mailbox does not keep somebody waiting for ever."""
    states = [classify(Result(Ending.NOT_NOW), tries, 1.0, 60.0).state for tries in range(TEMPORARY_TRIES)]

    assert [AttemptState.TAKEN] * (TEMPORARY_TRIES - 1) + [AttemptState.REFUSED_WAITING] == states


def test_an_outage_counts_against_nobody() -> None:
    """What was not sent because the provider was down keeps its number of tries and waits for nothing of its own."""
    after = classify(Result(Ending.NOT_SENT), 3, 60.0, 60.0)

    assert (AttemptState.TAKEN, 3, 0.0) == (after.state, after.tries, after.wait)


_RESULTS = [*(Result(ending) for ending in Ending), Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)]
_ENDINGS = st.builds(classify, st.sampled_from(_RESULTS), st.integers(0, 11), st.just(1.0), st.just(60.0))


@given(
    st.sampled_from(AttemptState),
    st.lists(_ENDINGS, min_size=1, max_size=20),
    st.sampled_from([AttemptState.UNKNOWN, AttemptState.REFUSED_WAITING]),
)
def test_each_attempt_of_a_batch_has_one_fate_and_that_is_its_own(
    state: AttemptState, ended: list[AttemptOutcome], waiting: AttemptState
) -> None:
    """Where fates part nobody is left out, nobody gets another's, and what is settled stays so."""
    fates = part_ways(state, ended, waiting)

    assert list(range(len(ended))) == sorted(row for rows in fates.values() for row in rows)
    for fate, rows in fates.items():
        for row in rows:
            own = ended[row]
            moves = state is AttemptState.INTENT or (state is waiting and can_become(state, own.state))
            assert fate == (Fate(own.state, own.tries, own.wait) if moves else None)


def test_what_a_provider_refuses_waits_to_be_told_and_what_we_know_ourselves_does_not() -> None:
    """A refusal may be the provider's illness; that somebody has no address is nobody's."""
    window = 60.0
    theirs = classify(Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT), 0, 1.0, window)
    ours = classify(Result(Ending.REFUSED, "no-address"), 0, 1.0, window)

    assert (AttemptState.REFUSED_WAITING, window, REFUSED_BY_PROVIDER) == (theirs.state, theirs.wait, theirs.reason)
    assert (AttemptState.REFUSED, "no-address") == (ours.state, ours.reason)


@pytest.mark.parametrize("tries", [0, TEMPORARY_TRIES])
def test_a_refusal_that_waited_has_its_reason_still(tries: int) -> None:
    """Routing hears why, though only the number of tries is stored."""
    result = Result(Ending.NOT_NOW) if tries else Result(Ending.REFUSED, REFUSED_BY_PROVIDER, Blame.RECIPIENT)
    waiting = classify(result, max(0, tries - 1), 1.0, 60.0)
    expected = PUT_OFF_TOO_OFTEN if tries == TEMPORARY_TRIES else REFUSED_BY_PROVIDER

    assert (AttemptState.REFUSED, expected) == (refusal_of(waiting.tries).state, refusal_of(waiting.tries).reason)


def test_what_stays_begun_keeps_its_batch() -> None:
    """A repeat finds the same batches, however many of their attempts are settled meanwhile."""
    refused, begun = Fate(AttemptState.REFUSED, 0, 0.0), Fate(AttemptState.INTENT, 1, 1.0)

    assert begun == staying({refused: [0, 1, 2], begun: [3]})
    assert refused == staying({refused: [0, 1, 2], Fate(AttemptState.ACCEPTED, 0, 0.0): [3]})
