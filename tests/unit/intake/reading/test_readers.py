"""Reading lines of either format into records."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import Fault
from services.intake.errors import BadHeaderError, BrokenBodyError
from services.intake.reading.csv import CsvReader
from services.intake.reading.ndjson import NdjsonReader, read_object
from services.intake.records.fields import FIELDS
from services.intake.records.record import Flawed, Record, Unreadable
from tests.unit.intake.builders import a_record

CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def test_csv_cells_go_to_their_columns_in_any_order() -> None:
    """The header row says which cell is what; columns that are left out are empty."""
    (record,) = CsvReader(b"dataCategories,bsn,memberRef").read([b"name|bsn,999990019,m-1"])

    assert Record(member_ref="m-1", bsn="999990019", data_categories="name|bsn", **_unset()) == record


def _unset() -> dict[str, Any]:
    """Return the cells that a CSV without their columns has."""
    return {"deceased": "", "secret_address": "", "not_at_address": ""}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"memberRef,dataCategories,shoeSize", [{"field": "shoeSize", "problem": "unknown-column"}]),
        (b"memberRef,dataCategories,memberRef", [{"field": "memberRef", "problem": "repeated-column"}]),
        (b"bsn", [{"field": f, "problem": "missing-column"} for f in ("memberRef", "dataCategories")]),
        (b"memberRef,dataCategories,999990019", [{"field": "column 3", "problem": "unknown-column"}]),
    ],
)
def test_header_faults_are_named(header: bytes, expected: list[dict[str, str]]) -> None:
    """Each column that cannot be used is named, all of them at once."""
    with pytest.raises(BadHeaderError) as caught:
        CsvReader(header)

    assert expected == caught.value.problems


@pytest.mark.parametrize(
    "line",
    [b"m-1,999990019,Jansen,name", b"m-1;999990019;Jansen;name", b"m-1,999990019,Jansen,bsn,j@x.nl", b'"', b"a\rb"],
)
def test_missing_header_repeats_nobody(line: bytes) -> None:
    """Where there is no header row, the first line is somebody's record, and is not shown."""
    with pytest.raises(BadHeaderError) as caught:
        CsvReader(line)

    assert not any(word in str(caught.value.problems) for word in ("999990019", "Jansen"))


def test_bad_rows_are_told_apart_from_good_ones() -> None:
    """A row that is no CSV, or has cells too many or too few, is unreadable; its neighbours are not hurt."""
    reader = CsvReader(b"memberRef,dataCategories")
    readings = reader.read([b"m-1,name", b'm-2,"na"me', b"m-3", b"m-4,name,x", b"m-5,name"])

    assert [
        "m-1",
        Unreadable("csv-syntax"),
        Unreadable("column-count"),
        Unreadable("column-count"),
        "m-5",
    ] == [r.member_ref if isinstance(r, Record) else r for r in readings]


@pytest.mark.parametrize("line", [b"m-1;999990019;Jansen;Kerkstraat", b"m-1,999990019,Jansen,b", b'm-1,"Jan"sen'])
def test_shifted_cells_are_not_taken_for_a_member_ref(line: bytes) -> None:
    """In a row of the wrong shape, what stands at memberRef's place may be anything, somebody's whole record too."""
    (reading,) = CsvReader(b"memberRef,familyName,dataCategories").read([line])

    assert isinstance(reading, Unreadable)
    assert reading.member_ref is None


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
        (b'{"memberRef": 7, "999990019": 1}', Unreadable("unknown-field", None, "7")),
    ],
)
def test_unreadable_json_says_why(line: bytes, expected: Unreadable) -> None:
    """A line that gives no fields says why, and whose record it is where that can be read."""
    assert [expected] == NdjsonReader().read([line])


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (b'{"memberRef": "m-1", "city": 1}', ["city"]),
        (b'{"memberRef": "m-1", "bsn": 1.5, "email": []}', ["bsn", "email"]),
        (b'{"memberRef": true}', ["memberRef"]),
        (b'{"dataCategories": [1]}', ["dataCategories"]),
        (b'{"deceased": 2.0}', ["deceased"]),
    ],
)
def test_fields_of_the_wrong_kind_are_left_out_and_told(line: bytes, wrong: list[str]) -> None:
    """What holds something of another kind is empty in the record; each such field is named."""
    (reading,) = NdjsonReader().read([line])

    assert isinstance(reading, Flawed)
    assert [Fault(name, "wrong-type") for name in wrong] == list(reading.faults)
    assert all(not getattr(reading.record, field.attribute) for field in FIELDS if field.name in wrong)


def test_flags_may_be_numbers() -> None:
    """Databases write 1 and 0 for true and false, without quotes too."""
    read = NdjsonReader().read([b'{"deceased": 1, "secretAddress": 0}'])

    assert [("1", "0")] == [(r.deceased, r.secret_address) for r in read if isinstance(r, Record)]


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
