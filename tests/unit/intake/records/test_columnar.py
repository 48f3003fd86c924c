"""Checking rows all together."""

import csv
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stdnum.nl import bsn

from services.intake.domain import Chunk
from services.intake.errors import BrokenBodyError
from services.intake.reading.csv import CsvReader
from services.intake.reading.lines import RecordSplitter
from services.intake.records.bsn import are_bsns, is_bsn
from services.intake.records.columnar import ColumnsChecker
from services.intake.records.fields import FIELD_NAMES
from services.intake.records.record import RecordColumns
from services.intake.records.validation import Validator
from tests.unit.intake.builders import TODAY, a_builder, a_record, an_incident

HEADER = ",".join(FIELD_NAMES).encode()
_FIELDS = len(FIELD_NAMES)
KEY = "abcdef0123456789" * 4
# What each field may say, right, odd and wrong.
SAID = {
    "memberRef": [
        "",
        "m-2",
        "m-3",
        "7",
        "152",
        "999990019",
        "123.456.782",
        "m@x",
        KEY,
        "x" * 64,
        "x" * 65,
        " m-2",
        "ë" * 64,
    ],
    "bsn": [
        *("", "999990342", "123456789", "152", "9999.90.019", "000000000", "１２３990019", "12345678x"),  # noqa: RUF001
        *("999990091", "123456782", "111111110", "11535842.0", "115358420.00", "-99990019", "12 345 678", "11535842"),
        *("999990019\u00a0", "999\u00a0990\u00a0019"),
    ],
    "personKey": ["", KEY, KEY.upper(), "ab"],
    "birthDate": [
        *("", "2026-03-01", "2026-03-02", "1970-02-30", "19700305", "1970-W10-4", "2000-02-29", "5-3-1970"),
        *(
            "1950-00-00",
            "00-00-1950",
            "0000-00-00",
            "0000-03-05",
            "2026-00-00",
            "2027-00-00",
            "0001-01-01",
            "31/12/1980",
        ),
    ],
    "birthName": ["", "de Vries", "-", "onbekend"],
    "partnerName": ["", "Jansen", "-"],
    "postcode": ["", "1234 ab", "0123AB", "12345", "SW1A 1AA"],
    "houseNumber": ["", "012", "0", "12a", "12 bis", "10A-II", "99999", "100000"],
    "houseLetter": ["", "A", "b"],
    "houseNumberAddition": ["", "II", "bis"],
    "country": ["", "nl", "NL", "GB", "gb", "XX", "Nederland", "the netherlands", "België", "Duitsland", "NLD"],
    "email": ["", "J.Vries@EXAMPLE.nl", "nobody", "zoë@example.nl", "x" * 70 + "@example.nl"],
    "language": ["", "en", "dutch language"],
    "dataCategories": ["", "medical", "bsn | medical|", "shoe-size", "name|bsn"],
    "certainty": ["", "possible", "Possible", "maybe"],
    "deceased": ["", "true", "TRUE", "ja", "N", "0", "onbekend"],
    "secretAddress": ["", "J", "?"],
    "notAtAddress": ["", "nee", "?"],
}
TEXTS = [
    *("", " Vries", "Vries ", "Zoë", "Zoe\u0308", "de Vries, Jr.", 'O"Brien', "a\nb", "a\rb", "a\0b", "a\u202eb"),
    *("a\x7fb", "\u00a0", "\u0301x", "x" * 199, "x" * 201, "Vries,", ", ", "---", "1", "王", "\U0001f600", "a\u200bb"),
]
WHERE: list[tuple[int, dict[str, str]]] = [
    *((0, {}), (15, {}), (9, {"bsn": ""}), (3, {"bsn": "", "familyName": ""}), (9, {"bsn": "", "personKey": KEY})),
    *((4, {"portalId": "", "email": ""}), (5, {"bsn": "", "birthDate": "1950-00-00"}), (6, {"dataCategories": ""})),
]
CELLS = st.sampled_from(FIELD_NAMES).flatmap(
    lambda name: st.tuples(st.just(name), st.sampled_from(SAID.get(name, TEXTS)) | st.sampled_from(TEXTS))
)
ROWS = st.lists(st.lists(CELLS, max_size=4).map(dict), max_size=30)


def _is_a_line(raw: bytes) -> bool:
    """Tell whether a splitter would give this as one line: no quote is left open."""
    return RecordSplitter(quoted=True).feed(b"memberRef\n" + raw + b"\n")[1:] == [(2, raw)]


WILD = st.binary(max_size=40).filter(_is_a_line) | st.sampled_from(
    [
        b'""',
        b"\xff",
        b"m-1,x",
        b"," * (_FIELDS - 1),
        b"," * _FIELDS,
        b"m-1" + b",\r1" * (_FIELDS - 1),
        b"m-1" + b",a\0" * (_FIELDS - 1),
        b'm-1,"a"b' + b"," * (_FIELDS - 2),
    ]
)


class OneByOne(CsvReader):
    """Gives no columns, so that every row is checked alone."""

    def columnar(self, lines: Sequence[bytes]) -> Iterator[tuple[int, RecordColumns | None]]:
        """Return all lines to `read`."""
        yield len(lines), None


def a_row(at: int, **changed: Any) -> bytes:
    """Return a valid row of CSV but for what is changed."""
    said = {"memberRef": f"m-{at}", "dataCategories": "name"}
    cells = a_record() | said | changed
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([cells.get(name, "") for name in FIELD_NAMES])
    return written.getvalue().removesuffix("\r\n").encode()


def chunk_of(lines: Sequence[bytes], reader: CsvReader) -> tuple[Chunk, int | None]:
    """Return the chunk that these lines make, and the line that broke them."""
    builder, broken = a_builder(), None
    try:
        builder.add(list(enumerate(lines, 2)), reader)
    except BrokenBodyError as error:
        broken = error.line
    return builder.give(), broken


def both(lines: Sequence[bytes]) -> list[Any]:
    """Return all that the lines come to, together and one by one."""
    chunks = [chunk_of(lines, reader(HEADER)) for reader in (CsvReader, OneByOne)]
    return [(asdict(chunk), list(chunk.rows.items()), list(chunk.rejected), broken) for chunk, broken in chunks]


@given(ROWS, st.integers(16, 40))
@example([{"memberRef": "m-20"}, {"memberRef": "m-20", "city": "Breda"}, {"street": "a\nb"}], 40)
@example([{"portalId": "", "email": "", "street": ""}, {"personKey": KEY, "bsn": "", "memberRef": KEY}], 20)
@settings(max_examples=250)
def test_rows_together_are_rows_one_by_one(changes: list[dict[str, str]], plain: int) -> None:
    """Whatever rows say, taking them as columns gives what taking each alone gives, in the same order."""
    lines = [a_row(at, **said) for at, said in enumerate(changes)] + [a_row(at) for at in range(len(changes), plain)]
    together, alone = both(random.Random(len(lines)).sample(lines, len(lines)))  # noqa: S311 - an order

    assert alone == together


@pytest.mark.parametrize("name", FIELD_NAMES)
def test_each_odd_cell_comes_to_what_it_comes_to_alone(name: str) -> None:
    """A cell that is odd, in the first row, the last or between, is judged as if its row came alone."""
    for text in (*SAID.get(name, ()), *TEXTS):
        for at, other in WHERE:
            lines = [a_row(row, **({**other, name: text} if row == at else {})) for row in range(16)]
            together, alone = both(lines)

            assert alone == together


@pytest.mark.parametrize("left_out", [(), ("familyName",), ("birthName",), ("partnerName",)])
def test_names_count_together_as_alone_whatever_columns_there_are(left_out: tuple[str, ...]) -> None:
    """By which name somebody is matched follows from the row, and not from the header."""
    names = [name for name in ("familyName", "birthName", "partnerName") if name not in left_out]
    header = ["memberRef", *names, "birthDate", "street", "houseNumber", "postcode", "city", "dataCategories"]
    rows = []
    for at in range(20):
        given = ["" if (at >> bit) % 2 else f"{name[0].upper()}aam" for bit, name in enumerate(names)]
        rows.append(",".join([f"m-{at}", *given, "1970-03-05", "Laan", str(at + 1), "1234AB", "Ede", "name"]).encode())
    chunks = [chunk_of(rows, reader(",".join(header).encode())) for reader in (CsvReader, OneByOne)]

    assert asdict(chunks[1][0]) == asdict(chunks[0][0])


@pytest.mark.parametrize("given", range(8))
def test_whole_columns_of_contact_data_count_as_each_row_alone(given: int) -> None:
    """A source that has one kind of contact data only reaches its people by that, rows taken together or alone."""
    kinds = ({"portalId": "p"}, {"email": "a@b.example"}, {"street": "Laan", "city": "Ede", "postcode": "6711AB"})
    said = {name: "" for kind in kinds for name in kind}
    for at, kind in enumerate(kinds):
        said |= kind if given >> at & 1 else {}
    together, alone = both([a_row(at, **said) for at in range(20)])

    assert alone == together


@given(st.lists(WILD, max_size=8), st.integers(0, 60))
def test_lines_of_anything_spoil_no_others(wild: list[bytes], plain: int) -> None:
    """Lines that are no rows, or not UTF-8, come to the same beside rows that are."""
    lines = [a_row(at) for at in range(plain)]
    for at, line in enumerate(wild):
        lines.insert(at * 7 % (len(lines) + 1), line)
    together, alone = both(lines)

    assert alone == together


@given(st.lists(st.integers(0, 999_999_999), min_size=1, max_size=20))
def test_numbers_together_are_judged_as_the_library_does(numbers: list[int]) -> None:
    """A column holds BSNs exactly where each of them alone is one; empty cells do not matter."""
    texts = [f"{number:09}" for number in numbers]

    assert all(map(is_bsn, texts)) == are_bsns(["", *texts])


def test_one_wrong_digit_anywhere_is_seen() -> None:
    """Among valid numbers, each other last digit of each of them is found."""
    rng = random.Random(7)  # noqa: S311 - made-up numbers
    valid = [n for n in (f"{rng.randrange(10**9):09}" for _ in range(3000)) if bsn.is_valid(n)]

    assert are_bsns(valid)
    for at in range(0, len(valid), 25):
        changed = f"{valid[at][:8]}{(int(valid[at][8]) + 1) % 10}"
        assert bsn.is_valid(changed) == are_bsns([*valid[:at], changed, *valid[at + 1 :]])


@pytest.mark.parametrize(
    "text",
    ["12345678", "9999900193", "１２３990019", "12345678x", "000000000", "-23456782", "123456782"],  # noqa: RUF001
)
def test_texts_are_no_number(text: str) -> None:
    """Only nine digits can be a BSN."""
    assert not are_bsns(["999990019", text])


def test_plain_rows_are_not_odd() -> None:
    """What a source usually sends is checked together: abroad, quoted or without a BSN is not all of that."""
    name = {"bsn": ""}
    lines = [a_row(at) for at in range(20)] + [a_row(20, city="Bergen, NH"), a_row(21, **name), a_row(22, country="GB")]
    ((count, columns),) = CsvReader(HEADER).columnar(lines)
    checked = columns and ColumnsChecker(Validator(an_incident(), TODAY)).check(columns)

    assert (23, {22}) == (count, checked and checked.odd)


@pytest.mark.parametrize("odd", [{"country": "GB"}, {"bsn": "1"}, {"city": "Breda "}])
def test_source_that_is_odd_throughout_comes_to_the_same(odd: dict[str, str]) -> None:
    """Where most rows are odd none is taken together, and each still comes to what it comes to."""
    lines = [a_row(at, **(odd if at % 5 else {})) for at in range(40)]
    together, alone = both(lines)

    assert alone == together


def test_bad_line_takes_few_others_with_it() -> None:
    """One line that is no CSV leaves most of the others to be taken together; one too narrow, all of them."""
    lines = [a_row(at) for at in range(1000)]
    lines[333], lines[600] = b'm-1,"a"b', b"m-1"
    alone = sum(count for count, columns in CsvReader(HEADER).columnar(lines) if columns is None)

    assert 0 < alone < 32


def test_lines_that_are_too_narrow_throughout_are_not_columns() -> None:
    """Where most lines are no rows, nothing is gained by blanking them."""
    assert [(40, None)] == list(CsvReader(HEADER).columnar([b"m-1"] * 30 + [a_row(at) for at in range(10)]))
