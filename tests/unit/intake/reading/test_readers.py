"""Reading lines of either format into records."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.reading.csv import CsvReader
from services.intake.reading.ndjson import NdjsonReader, read_object
from services.intake.records.record import Record, Unreadable
from tests.unit.intake.builders import a_record

CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def test_csv_cells_go_to_their_columns_in_any_order() -> None:
    """The header row says which cell is what; columns that are left out are empty."""
    (record,) = CsvReader(b"dataCategories,bsn,memberRef").read([b"name|bsn,123456782,m-1"])

    assert Record(member_ref="m-1", bsn="123456782", data_categories="name|bsn", **_unset()) == record


def _unset() -> dict[str, Any]:
    """Return the cells that a CSV without their columns has."""
    return {"deceased": "", "secret_address": "", "not_at_address": ""}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"memberRef,dataCategories,shoeSize", [{"field": "shoeSize", "problem": "unknown-column"}]),
        (b"memberRef,dataCategories,memberRef", [{"field": "memberRef", "problem": "repeated-column"}]),
        (b"bsn", [{"field": f, "problem": "missing-column"} for f in ("memberRef", "dataCategories")]),
        (b"memberRef,dataCategories,123456782", [{"field": "column 3", "problem": "unknown-column"}]),
    ],
)
def test_header_faults_are_named(header: bytes, expected: list[dict[str, str]]) -> None:
    """Each column that cannot be used is named, all of them at once."""
    with pytest.raises(BadHeaderError) as caught:
        CsvReader(header)

    assert expected == caught.value.problems


@pytest.mark.parametrize("line", [b"m-1,123456782,Jansen,name", b"m-1;123456782;Jansen;name", b'"', b"a\rb"])
def test_missing_header_repeats_nobody(line: bytes) -> None:
    """Where there is no header row, the first line is somebody's record, and is not shown."""
    with pytest.raises(BadHeaderError) as caught:
        CsvReader(line)

    assert not any(word in str(caught.value.problems) for word in ("123456782", "Jansen"))


def test_bad_rows_are_told_apart_from_good_ones() -> None:
    """A row that is no CSV, or has cells too many or too few, is unreadable; its neighbours are not hurt."""
    reader = CsvReader(b"memberRef,dataCategories")
    readings = reader.read([b"m-1,name", b'm-2,"na"me', b"m-3", b"m-4,name,x", b"m-5,name"])

    assert [
        "m-1",
        Unreadable("csv-syntax", None, "m-2"),
        Unreadable("column-count", None, "m-3"),
        Unreadable("column-count", None, "m-4"),
        "m-5",
    ] == [r.member_ref if isinstance(r, Record) else r for r in readings]


def test_shifted_cells_are_not_taken_for_a_member_ref() -> None:
    """In a row of the wrong width, what stands at memberRef's place may be anything."""
    assert [Unreadable("column-count")] == CsvReader(b"familyName,memberRef,dataCategories").read([b"a,Jansen,b,c"])


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_csv_gives_back_what_was_written(rows: list[list[str]]) -> None:
    """Whatever cells are written by the rules of CSV are read as they were."""
    reader = CsvReader(b"memberRef,city,dataCategories")
    lines = []
    for row in rows:
        written = io.StringIO()
        csv.writer(written, lineterminator="", quoting=csv.QUOTE_ALL).writerow(row)
        lines.append(written.getvalue().encode())

    assert rows == [[r.member_ref, r.city, r.data_categories] for r in reader.read(lines) if isinstance(r, Record)]


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_lines_give_a_reading_each(lines: list[bytes]) -> None:
    """Any bytes are read to one reading a line, or break the body as not UTF-8; nothing crashes."""
    for reader in (CsvReader(b"memberRef,dataCategories"), NdjsonReader()):
        try:
            count = len(reader.read([line.replace(b"\n", b"") for line in lines]))
        except BrokenBodyError as error:
            assert "encoding" == error.reason  # noqa: PT017 - either outcome is right
        else:
            assert len(lines) == count


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_json_gives_a_reading(value: Any) -> None:
    """Any JSON value, alone or as a field, is read or is unreadable; nothing crashes."""
    lines = [json.dumps(v).encode() for v in (value, {"memberRef": value}, {"dataCategories": value})]

    assert 3 == len(NdjsonReader().read(lines))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", Unreadable("invalid-json")),
        (b"[]", Unreadable("not-an-object")),
        (b'{"memberRef": "m-1", "shoeSize": 43}', Unreadable("unknown-field", "shoeSize", "m-1")),
        (b'{"memberRef": 7, "123456782": 1}', Unreadable("unknown-field", None, "7")),
        (b'{"memberRef": "m-1", "city": 1}', Unreadable("wrong-type", "city", "m-1")),
        (b'{"memberRef": "m-1", "bsn": 1.5}', Unreadable("wrong-type", "bsn", "m-1")),
        (b'{"memberRef": true}', Unreadable("wrong-type", "memberRef")),
        (b'{"dataCategories": [1]}', Unreadable("wrong-type", "dataCategories")),
        (b'{"deceased": 1}', Unreadable("wrong-type", "deceased")),
    ],
)
def test_unreadable_json_says_why(line: bytes, expected: Unreadable) -> None:
    """A line that gives no fields says why, and whose record it is where that can be read."""
    assert [expected] == NdjsonReader().read([line])


def test_quick_and_slow_reading_agree() -> None:
    """A record in an event is read like the same record on a line."""
    record = a_record(houseNumber=12, deceased=True, givenName="Zoë")
    (quick,) = NdjsonReader().read([json.dumps(record).encode()])

    assert quick == read_object(record)


def test_line_that_is_not_utf8_breaks_the_body() -> None:
    """The first line that is not UTF-8 is pointed at."""
    for reader in (CsvReader(b"memberRef,dataCategories"), NdjsonReader()):
        with pytest.raises(BrokenBodyError, match="encoding") as caught:
            reader.read([b'{"memberRef":"m"}', b'{"memberRef":"\xff"}'], 5)

        assert 6 == caught.value.line
