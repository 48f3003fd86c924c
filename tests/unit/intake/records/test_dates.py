"""Birth dates."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.records.dates import is_future, is_whole, normal_date
from tests.unit.intake.builders import TODAY

DATES = st.dates(date(1850, 1, 1), date(2100, 1, 1))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("1980-12-31", "1980-12-31"),
        ("1980/12/31", "1980-12-31"),
        ("19801231", "1980-12-31"),
        ("31-12-1980", "1980-12-31"),
        ("31/12/1980", "1980-12-31"),
        ("31.12.1980", "1980-12-31"),
        ("1-2-1980", "1980-02-01"),
        ("1950-00-00", "1950-00-00"),
        ("19500000", "1950-00-00"),
        ("00-00-1950", "1950-00-00"),
        ("1950-03-00", "1950-03-00"),
        ("00-03-1950", "1950-03-00"),
        ("1950-00-12", "1950-00-12"),
        ("0000-03-05", "0000-03-05"),
        ("0000-02-29", "0000-02-29"),
        ("0000-00-00", ""),
        ("00000000", ""),
        ("00-00-0000", ""),
        ("1950-02-30", None),
        ("1951-02-29", None),
        ("0000-02-30", None),
        ("1950-13-00", None),
        ("1950-00-32", None),
        ("12/31/1980", None),
        ("31-12/1980", None),
        ("31-12-80", None),
        ("1980-1-2", None),
        ("0001-01-01", None),
        ("1849-12-31", None),
        ("1970-W10-4", None),
        ("１９８０-12-31", None),  # noqa: RUF001 - wide digits are the point
        ("29221", None),
        ("onbekend", None),
    ],
)
def test_dates_come_to_one_spelling(given: str, expected: str | None) -> None:
    """Ways of writing a date that can only mean one day come to it, known as far as it goes; others are none."""
    assert expected == normal_date(given)


@given(DATES)
def test_every_way_of_writing_a_day_is_that_day(day: date) -> None:
    """All ways that are taken agree, and what is normal stays as it is."""
    ways = ("%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d-%m-%Y", "%d/%m/%Y", "%d.%m.%Y")

    assert {day.isoformat()} == {normal_date(day.strftime(way)) for way in ways}


@given(st.text(alphabet="0123456789-/.", max_size=10))
def test_anything_may_be_asked(text: str) -> None:
    """A text is a date in its one spelling, which stays as it is, or none."""
    normal = normal_date(text)

    assert not normal or normal == normal_date(normal)


def test_what_is_known_in_part_is_not_whole() -> None:
    """Only a day names somebody together with name and address."""
    assert [True, False, False, False, False] == [
        is_whole(text) for text in ("1950-03-01", "1950-00-00", "1950-03-00", "0000-03-01", "")
    ]


def test_future_is_what_is_surely_after_today() -> None:
    """A date that is known in part is in the future only where its known part is."""
    dates = ("2026-03-01", "2026-03-02", "2026-00-00", "2026-03-00", "2026-04-00", "2027-00-00", "0000-12-31")

    assert [False, True, False, False, True, True, False] == [is_future(text, TODAY.isoformat()) for text in dates]
