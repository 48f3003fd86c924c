"""Problems of records as their source reads them."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.unsettled import SHOWN_AS, ProblemKind, Unsettled
from services.intake.control.listing import (
    COLUMNS,
    START,
    Cursor,
    Listed,
    as_csv,
    as_json,
    of_rejected,
    of_unsettled,
    read_cursor,
)

SINCE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def a_problem(ref: str = "m-1") -> Listed:
    """Return a record that was rejected for two fields."""
    (listed,) = of_rejected(ref, 7, ["birthDate", "postcode"], ["required", "required"], SINCE)
    return listed


def test_a_rejected_record_is_listed_once_for_each_thing_that_is_wrong() -> None:
    """Fields with the same problem stand together; the record as a whole is no field."""
    listed = of_rejected("m-1", 7, ["bsn", "*", "city"], ["invalid-bsn", "unknown-field", "invalid-bsn"], SINCE)

    assert [("invalid-bsn", ["bsn", "city"]), ("unknown-field", [])] == [(one.reason, one.fields) for one in listed]


def test_every_reason_has_its_words() -> None:
    """Whatever deduplication says of a member can be shown."""
    assert set(Unsettled) - {Unsettled.NOTHING} == set(SHOWN_AS)
    (shown,) = of_unsettled("m-1", 2, Unsettled.TOLD_APART, SINCE)
    assert ProblemKind.CONFLICTING == shown.kind


@pytest.mark.parametrize("ref", ["=1+1", "+1", "-1", "@sum(a1)", "\tx", "\rx", "\uff1dx"])
def test_no_cell_of_csv_is_a_formula(ref: str) -> None:
    """What would be one in a spreadsheet is a text there; other references stand as they are."""
    _, row = csv.reader(io.StringIO(as_csv([a_problem(ref)], header=True), newline=""))

    assert f"'{ref}" == row[1]


@given(st.text(alphabet=st.characters(exclude_characters="\0"), min_size=1, max_size=64))
def test_csv_is_read_back_whole(ref: str) -> None:
    """Quotes, commas and line breaks in a reference make no other cells or rows (RFC 4180)."""
    head, row = csv.reader(io.StringIO(as_csv([a_problem(ref)], header=True), newline=""))

    assert (list(COLUMNS), ref) == (head, row[1].removeprefix("'") if row[1] != ref else ref)
    assert ["rejected", "7", "required", "birthDate|postcode", SINCE.isoformat()] == [row[0], *row[2:]]


def test_json_has_the_columns_of_csv() -> None:
    """The two say the same under the same names."""
    assert list(COLUMNS) == list(as_json([a_problem()])[0])


def test_cursors_are_read_back_and_nothing_else_is() -> None:
    """A page begins where another ended; a text that is no cursor is refused."""
    cursor = Cursor(rejected=False, number=12, record=bytes(range(16)))

    assert cursor == read_cursor(str(cursor))
    assert [None] * 4 == [read_cursor(text) for text in ("", str(START), "r.1.zz", f"{cursor} ")]
    assert read_cursor(f"u.934020464181.{'0' * 32}") is None  # more than the database has numbers for
