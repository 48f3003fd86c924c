"""A member record as it comes: from a line of CSV or NDJSON, or an event, to named fields. Pure.

Reading only names the fields; what they say is checked in `validation`.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import msgspec
import orjson

from services.intake.errors import BadHeaderError, BrokenBodyError

__all__ = [
    "COLUMNS",
    "MAX_REF",
    "CsvReader",
    "NdjsonReader",
    "Reading",
    "Record",
    "Sheet",
    "Unreadable",
    "contact_json",
    "contacts_json",
    "read_object",
]

MAX_REF = 64  # characters of a memberRef
_SHEET_ROWS = 16  # fewer rows are read sooner one by one
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")  # what may be repeated as the name of a column or key
_Text = str | int | None  # JSON writes numbers without quotes, and null for nothing; `validation` evens that out


class Record(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """One member record, field by field; empty text = not given. gc: it holds texts only, so never a cycle."""

    member_ref: _Text = ""
    bsn: _Text = ""
    person_key: str | None = ""
    initials: str | None = ""
    given_name: str | None = ""
    prefix: str | None = ""
    family_name: str | None = ""
    birth_date: str | None = ""
    street: str | None = ""
    house_number: _Text = ""
    house_letter: str | None = ""
    house_number_addition: str | None = ""
    postcode: str | None = ""
    city: str | None = ""
    country: str | None = ""
    care_of: str | None = ""
    email: str | None = ""
    portal_id: str | None = ""
    language: str | None = ""
    data_categories: tuple[str, ...] | str | None = ()
    certainty: str | None = ""
    deceased: bool | str | None = False
    secret_address: bool | str | None = False
    not_at_address: bool | str | None = False


class Contact(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """What is sealed: the fields that a notice needs. As JSON, those not given are left out."""

    initials: str | None = ""
    given_name: str | None = ""
    prefix: str | None = ""
    family_name: str | None = ""
    birth_date: str | None = ""
    street: str | None = ""
    house_number: _Text = ""
    house_letter: str | None = ""
    house_number_addition: str | None = ""
    postcode: str | None = ""
    city: str | None = ""
    country: str | None = ""
    care_of: str | None = ""
    email: str | None = ""
    portal_id: str | None = ""
    language: str | None = ""


_encode = msgspec.json.Encoder().encode
COLUMNS: tuple[str, ...] = Record.__struct_encode_fields__
_REQUIRED = ("memberRef", "dataCategories")
_NUMBERS = {"memberRef", "bsn", "houseNumber"}
_FLAGS = {"deceased", "secretAddress", "notAtAddress"}


class Unreadable(NamedTuple):
    """A record that gives no fields: why, where, and its memberRef if that can be read all the same."""

    problem: str
    field: str | None = None
    member_ref: str | None = None


Reading = Record | Unreadable


class Sheet(msgspec.Struct, gc=False):
    """Rows of CSV as columns of cells; a column that the header has not is empty texts. Fields as in `Record`."""

    rows: list[bytes]  # the cells of each row, commas between them and none within
    member_ref: list[str]
    bsn: list[str]
    person_key: list[str]
    initials: list[str]
    given_name: list[str]
    prefix: list[str]
    family_name: list[str]
    birth_date: list[str]
    street: list[str]
    house_number: list[str]
    house_letter: list[str]
    house_number_addition: list[str]
    postcode: list[str]
    city: list[str]
    country: list[str]
    care_of: list[str]
    email: list[str]
    portal_id: list[str]
    language: list[str]
    data_categories: list[str]
    certainty: list[str]
    deceased: list[str]
    secret_address: list[str]
    not_at_address: list[str]


_Columns = tuple[list[bytes], list[list[str]]]  # what is a sheet's `rows`, and its columns as the header has them


class _Rows(Protocol):
    """What `csv.reader` gives."""

    @property
    def line_num(self) -> int: ...
    def __iter__(self) -> Iterator[list[str]]: ...


class CsvReader:
    """Reads the lines of a CSV body (RFC 4180, strict) whose first line names the columns."""

    def __init__(self, header: bytes) -> None:
        """Take the header row. Raises BadHeaderError, naming each column that is no column of a member record."""
        try:
            names = [name.strip() for name in next(csv.reader([_decoded(header, 1)]), [])]
        except csv.Error:
            names = []
        problems = list(_header_problems(names))
        if problems:
            raise BadHeaderError(problems)
        self._width = len(names)
        self._ref_first = names[0] == "memberRef"
        # Columns that are left out are read from an empty cell put after each row.
        self._at = [names.index(c) if c in names else self._width for c in COLUMNS]
        self._pick = itemgetter(*self._at)

    def sheets(self, lines: Sequence[bytes]) -> Iterator[tuple[int, Sheet | None]]:
        """Return the lines as sheets, each with the number of its lines; None instead of one that is for `read`."""
        try:
            sheet = self._sheet(lines) if len(lines) >= _SHEET_ROWS else None
        except (UnicodeDecodeError, csv.Error):
            if len(lines) >= 2 * _SHEET_ROWS:  # one bad line takes few others with it
                half = len(lines) // 2
                yield from self.sheets(lines[:half])
                yield from self.sheets(lines[half:])
                return
            sheet = None
        yield len(lines), sheet

    def _sheet(self, lines: Sequence[bytes]) -> Sheet | None:
        """Return the lines as one sheet; None where few of them are as wide as the header.

        Raises UnicodeDecodeError or csv.Error where one is no row at all.
        """
        columns = self._cut(lines) or self._parsed(lines)
        if columns is None:
            return None
        rows, cells = columns
        cells.append([])  # each column that is left out gets a list of its own: what is odd is blanked in them
        return Sheet(rows, *(cells[at] or [""] * len(rows) for at in self._at))

    def _cut(self, lines: Sequence[bytes]) -> _Columns | None:
        """Cut lines at their commas; None where that is not all there is to it."""
        count, width = len(lines), self._width
        # A line end between commas is a cell of its own: each in its place proves that every line is as wide.
        joined = b",\n,".join(lines)
        if b'"' in joined or joined.count(b"\n") != count - 1:
            return None
        cells = joined.decode().split(",")
        if len(cells) != count * (width + 1) - 1 or cells[width :: width + 1].count("\n") != count - 1:
            return None
        return list(lines), [cells[at :: width + 1] for at in range(width)]

    def _parsed(self, lines: Sequence[bytes]) -> _Columns | None:
        """Return the columns of lines of any kind; None where few of them are as wide as the header.

        A row of another width is a blank one here: without a memberRef it is taken alone, and told why.
        """
        rows = list(csv.reader([line.decode() for line in lines], strict=True))
        if len(rows) != len(lines):
            raise csv.Error("a quote was left open")
        wide = [row if len(row) == self._width else None for row in rows]
        if wide.count(None) > len(rows) // 2:
            return None
        full = [row or [""] * self._width for row in wide]
        return [_commas_between(row).encode() for row in full], [list(column) for column in zip(*full, strict=True)]

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Return a reading for each line. Raises BrokenBodyError("encoding", first + index) where it is not UTF-8."""
        try:
            texts = [line.decode() for line in lines]
        except UnicodeDecodeError:
            texts = [_decoded(line, at) for at, line in enumerate(lines, first)]
        readings: list[Reading] = []
        rows = csv.reader(texts, strict=True)
        while len(readings) < len(texts):
            try:
                self._read_rows(rows, readings)
            except csv.Error:
                self._fill(rows, readings, texts)
        return readings

    def _read_rows(self, rows: _Rows, readings: list[Reading]) -> None:
        width, pick = self._width, self._pick
        for row in rows:
            if rows.line_num != len(readings) + 1:
                raise csv.Error("a quote was left open")  # so it ran into the next line: neither is a record
            if len(row) == width:
                row.append("")
                readings.append(Record(*pick(row)))
            else:
                readings.append(Unreadable("column-count", None, self._ref_of(row)))

    def _fill(self, rows: _Rows, readings: list[Reading], texts: Sequence[str]) -> None:
        """Return a reading to each line that was used up by one that is no CSV."""
        while len(readings) < rows.line_num:
            readings.append(Unreadable("csv-syntax", None, self._ref_before_fault(texts[len(readings)])))

    def _ref_of(self, row: Sequence[str]) -> str | None:
        """Return the memberRef of a row with too few or too many cells: only the first cell is surely in its place."""
        return _readable_ref(row[0]) if row and self._ref_first else None

    def _ref_before_fault(self, text: str) -> str | None:
        first, comma, _ = text.partition(",")
        return self._ref_of([first]) if comma and '"' not in first else None


class NdjsonReader:
    """Reads lines of JSON, one object each."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Record).decode

    def sheets(self, lines: Sequence[bytes]) -> Iterator[tuple[int, Sheet | None]]:
        """Return all lines to `read`: JSON has no columns."""
        yield len(lines), None

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Return a reading for each line. Raises BrokenBodyError("encoding", first + index) where it is not UTF-8."""
        decode = self._decode
        readings: list[Reading] = []
        for at, line in enumerate(lines):
            try:
                readings.append(decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                _decoded(line, first + at)
                readings.append(_read_json(line))
        return readings


def contact_json(r: Record) -> bytes:
    """Return the contact data of a checked record as JSON."""
    return _encode(
        Contact(
            r.initials, r.given_name, r.prefix, r.family_name, r.birth_date, r.street, r.house_number,
            r.house_letter, r.house_number_addition, r.postcode, r.city, r.country, r.care_of, r.email,
            r.portal_id, r.language,
        )
    )  # fmt: skip


def contacts_json(s: Sheet) -> list[bytes]:
    """Return the contact data of each row of a checked sheet as JSON."""
    contacts = map(
        Contact, s.initials, s.given_name, s.prefix, s.family_name, s.birth_date, s.street, s.house_number,
        s.house_letter, s.house_number_addition, s.postcode, s.city, s.country, s.care_of, s.email, s.portal_id,
        s.language,
    )  # fmt: skip
    return list(map(_encode, contacts))


def _commas_between(row: Sequence[str]) -> str:
    """Join cells by commas, those within them replaced; one with a line end in it keeps that, and so is seen."""
    joined = "\n".join(row)
    return joined.replace(",", ";").replace("\n", ",") if joined.count("\n") < len(row) else joined


def _read_json(line: bytes) -> Reading:
    """Read a line that the quick decoder refused, for the reason."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return Unreadable("invalid-json")
    return read_object(value)


def read_object(value: Any) -> Reading:
    """Read a record from decoded JSON; the first fault in it is the one that is told."""
    if not isinstance(value, dict):
        return Unreadable("not-an-object")
    ref = value.get("memberRef")
    ref = _readable_ref(str(ref)) if isinstance(ref, str | int) and not isinstance(ref, bool) else None
    for key, given in value.items():
        if key not in COLUMNS:
            return Unreadable("unknown-field", key if _NAME.fullmatch(key) else None, ref)
        if not _fits(key, given):
            return Unreadable("wrong-type", key, ref)
    return msgspec.convert(_without_nulls(value), Record)


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: given for key, given in value.items() if given is not None}


def _fits(key: str, value: Any) -> bool:
    if value is None:
        return True
    if key in _FLAGS:
        return isinstance(value, bool | str)
    if key == "dataCategories":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    return isinstance(value, str) or (key in _NUMBERS and type(value) is int)


def _readable_ref(text: str) -> str | None:
    ref = text.strip()
    return ref if ref and len(ref) <= MAX_REF and ref.isprintable() else None


def _decoded(line: bytes, at: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise BrokenBodyError("encoding", at) from None


def _header_problems(names: Sequence[str]) -> Iterator[dict[str, str]]:
    known = [name for name in names if name in COLUMNS]
    if not known:
        # Nothing of the line is repeated: without a header row it is somebody's record.
        hint = "; columns are separated by commas" if any(";" in name for name in names) else ""
        yield {"field": "header", "problem": f"the first line must name the columns, such as memberRef{hint}"}
        return
    for at, name in enumerate(names, 1):
        shown = name if _NAME.fullmatch(name) else f"column {at}"
        if name not in COLUMNS:
            yield {"field": shown, "problem": "unknown-column"}
        elif name in names[: at - 1]:
            yield {"field": shown, "problem": "repeated-column"}
    for name in _REQUIRED:
        if name not in known:
            yield {"field": name, "problem": "missing-column"}
