"""Pace."""

from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.domain import MESSAGES_A_BATCH, Pace


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
