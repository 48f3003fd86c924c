"""Days are those of a calendar in the Netherlands."""

from datetime import UTC, datetime

import pytest

from services.core.days import day_here


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-01-31T22:59:59", "2026-01-31"),
        ("2026-01-31T23:00:00", "2026-02-01"),
        ("2026-03-28T23:00:00", "2026-03-29"),
        ("2026-03-29T21:59:59", "2026-03-29"),  # summer time since one o'clock UTC
        ("2026-03-29T22:00:00", "2026-03-30"),
        ("2026-10-24T22:00:00", "2026-10-25"),
        ("2026-10-25T22:59:59", "2026-10-25"),
        ("2026-10-25T23:00:00", "2026-10-26"),
    ],
)
def test_a_day_is_a_calendar_day_in_the_netherlands(now: str, day: str) -> None:
    """Whoever reads `today` on a wall there means the same day."""
    assert day == day_here(datetime.fromisoformat(now).replace(tzinfo=UTC)).isoformat()
