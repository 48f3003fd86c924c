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
    "Unreadable",
    "contact_json",
    "read_object",
]

MAX_REF = 64  # characters of a memberRef
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
        self._pick = itemgetter(*(names.index(c) if c in names else self._width for c in COLUMNS))

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Give a reading for each line. Raises BrokenBodyError("encoding", first + index) where it is not UTF-8."""
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
        """Give a reading to each line that was used up by one that is no CSV."""
        while len(readings) < rows.line_num:
            readings.append(Unreadable("csv-syntax", None, self._ref_before_fault(texts[len(readings)])))

    def _ref_of(self, row: Sequence[str]) -> str | None:
        """Give the memberRef of a row with too few or too many cells: only the first cell is surely in its place."""
        return _readable_ref(row[0]) if row and self._ref_first else None

    def _ref_before_fault(self, text: str) -> str | None:
        first, comma, _ = text.partition(",")
        return self._ref_of([first]) if comma and '"' not in first else None


class NdjsonReader:
    """Reads lines of JSON, one object each."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Record).decode

    def read(self, lines: Sequence[bytes], first: int = 0) -> list[Reading]:
        """Give a reading for each line. Raises BrokenBodyError("encoding", first + index) where it is not UTF-8."""
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
    """Give the contact data of a checked record as JSON."""
    return _encode(
        Contact(
            r.initials, r.given_name, r.prefix, r.family_name, r.birth_date, r.street, r.house_number,
            r.house_letter, r.house_number_addition, r.postcode, r.city, r.country, r.care_of, r.email,
            r.portal_id, r.language,
        )
    )  # fmt: skip


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
