"""A whole number is one however it is written, and nothing else becomes one."""

from typing import Any

import pytest

from services.core.numbers import whole


@pytest.mark.parametrize(
    ("given", "read"), [(195.0, 195), (-0.0, 0), (7, 7), (1.5, 1.5), (True, True), ("3", "3"), (None, None)]
)
def test_whole_numbers_may_have_a_point(given: Any, read: Any) -> None:
    """Only a float without a fraction changes."""
    assert (read, type(read)) == (whole(given), type(whole(given)))


@pytest.mark.parametrize("endless", [float("inf"), float("nan")])
def test_what_has_no_end_is_no_number(endless: float) -> None:
    """It stays what it is, and is refused by whoever asks for a count."""
    assert type(whole(endless)) is float
