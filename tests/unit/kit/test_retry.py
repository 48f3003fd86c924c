"""Waiting before the next try."""

from hypothesis import given
from hypothesis import strategies as st

from services.kit.retry import backoff


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_wait_grows_to_its_cap_and_is_never_nothing(attempt: int, luck: float) -> None:
    """However many failures: between half the base and the cap."""
    wait = backoff(attempt, base=0.1, cap=5.0, random=lambda: luck)

    assert 0.05 <= wait <= 5.0


def test_the_wait_doubles() -> None:
    """Each failure makes the next wait twice as long."""
    waits = [backoff(attempt, base=1.0, cap=60.0, random=lambda: 1.0) for attempt in range(4)]

    assert [1.0, 2.0, 4.0, 8.0] == waits
