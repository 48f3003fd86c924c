"""The ledger's words: a share as people read it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.ledger import percent


@pytest.mark.parametrize(
    ("part", "whole", "read"),
    [
        (0, 7, "0%"),
        (1, 10_000_000, "under 1%"),
        (1, 100, "1%"),
        (29, 100, "29%"),
        (2, 3, "66%"),
        (9_999_999, 10_000_000, "99%"),
        (7, 7, "100%"),
    ],
)
def test_a_share_is_rounded_down(part: int, whole: int, read: str) -> None:
    """It is whole only when nobody is left, and nothing only while there is nobody."""
    assert read == percent(part / whole)


@given(st.integers(1, 10_000_000), st.data())
def test_a_share_is_that_of_whole_numbers(whole: int, data: st.DataObject) -> None:
    """What the division leaves out never moves a percent."""
    part = data.draw(st.integers(0, whole))

    expected = "under 1%" if 0 < 100 * part < whole else f"{100 * part // whole}%"
    assert expected == percent(part / whole)


def test_of_nobody_there_is_no_share() -> None:
    """A dash says that there is nothing to have a share of."""
    assert "\N{EN DASH}" == percent(None)
