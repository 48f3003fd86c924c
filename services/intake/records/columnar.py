"""Rows of CSV checked together, column by column, where nothing about them is odd. Pure.

What holds for a whole column is proven in one step over it, not once a person. A row with anything that cannot be
proven so is odd: it is named here and blanked, so that it does not spoil the proof for the others, and `validation`
checks it alone. A row that is not odd comes to exactly what `validation` would make of it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter

from services.intake.records.address import DEFAULT_COUNTRY, normal_house_number, normal_lines, normal_postcode
from services.intake.records.bsn import are_bsns, normal_bsn
from services.intake.records.countries import normal_country
from services.intake.records.dates import is_whole
from services.intake.records.email import normal_email
from services.intake.records.fields import MAX_TEXT, SHORT_TEXTS
from services.intake.records.identity import canonical_name
from services.intake.records.record import RecordColumns
from services.intake.records.validation import (
    ATTRIBUTES,
    LETTER,
    REACHED_BY,
    REMEMBERED,
    Attributes,
    GivenAttributes,
    Validator,
    normal_key,
)

__all__ = ["CheckedColumns", "ColumnsChecker"]

_NO_CONTROLS = bytes({*range(0x20, 0x100)} - {0x7F}) + b"\n"  # control codes beyond ASCII are found in the decoded text
_SPACE_AT_EDGE = re.compile(rb" (?:,|(?<=, ))")  # begins with a plain sign: the search skips to spaces quickly
_POSTCODES = re.compile(r"(?:(?:[1-9][0-9]{3}[A-Z]{2})?+\n)*+", re.ASCII).fullmatch
_HOUSE_NUMBERS = re.compile(r"(?:(?:[1-9][0-9]{0,4})?+\n)*+", re.ASCII).fullmatch
_BIRTH_DATES = 65_536  # remembered: more than there are days of people alive
_WRONG: Attributes = ("", 0, 0, 0)  # of no row that is right: its language would not be empty
_given_columns = attrgetter(*ATTRIBUTES)


@dataclass(slots=True)
class CheckedColumns:
    """What is known of each row beside its cells, which have their normal form; entries of odd rows mean nothing."""

    odd: set[int]  # rows to be checked one by one
    identities: list[bytes]
    exposed: list[int]
    confirmed: list[int]
    channels: list[int]
    flags: list[int]


class ColumnsChecker:
    """Checks rows together as a `Validator` checks records one by one."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._birth_dates = {""}  # seen before and in their one spelling
        self._attributes = _AttributesByGiven(validator)

    def check(self, columns: RecordColumns) -> CheckedColumns | None:
        """Check rows and bring their cells to the normal form; None where most of the rows are odd."""
        odd = _odd_texts(columns.rows) | _odd_lengths(columns) | _abroad(columns.country) | _for_others(columns.role)
        checked = self._check_plain(columns, odd) if _are_few(odd, columns) else None
        return checked if _are_few(odd, columns) else None  # the check may have found more odd rows

    def _check_plain(self, columns: RecordColumns, odd: set[int]) -> CheckedColumns:
        """Check all rows but those that are odd already, which are blanked."""
        _blank(columns, odd)
        columns.country = [DEFAULT_COUNTRY] * len(columns.rows)
        columns.bsn = _normal(columns.bsn, are_bsns, normal_bsn, odd)
        columns.person_key = _normal(columns.person_key, _are_blank, normal_key, odd)
        columns.postcode = _normal(columns.postcode, _are_postcodes, normal_postcode, odd)
        columns.house_number = _normal(columns.house_number, _are_house_numbers, normal_house_number, odd)
        columns.email = _normal(columns.email, _are_blank, normal_email, odd)
        columns.address_lines = _normal(columns.address_lines, _are_blank, normal_lines, odd)
        columns.birth_date = self._normal_birth_dates(columns.birth_date, odd)
        identities = _identities(columns, odd)
        exposed, confirmed, flags = self._read_attributes(columns, odd)
        return CheckedColumns(odd, identities, exposed, confirmed, _channels(columns), flags)

    def _normal_birth_dates(self, dates: list[str], odd: set[int]) -> list[str]:
        """Return dates in their one spelling, and add the rows whose date has none to `odd`."""
        if self._birth_dates.issuperset(dates):
            return dates
        unseen = {text: self._validator.birth_date(text) for text in set(dates) - self._birth_dates}
        if len(self._birth_dates) < _BIRTH_DATES:
            self._birth_dates.update(normal for normal in unseen.values() if normal)
        changed = {text: normal for text, normal in unseen.items() if text != normal}
        if None in changed.values():
            odd.update(row for row, text in enumerate(dates) if changed.get(text, text) is None)
        return [changed.get(text, text) or "" for text in dates] if changed else dates

    def _read_attributes(self, columns: RecordColumns, odd: set[int]) -> tuple[list[int], list[int], list[int]]:
        """Read the columns whose values are few; returns exposed and confirmed facts, and flags."""
        given = _given_columns(columns)
        if all(column.count(column[0]) == len(column) for column in given):  # often all rows say the same
            read = list(map(self._attributes.__getitem__, islice(zip(*given, strict=True), 1))) * len(columns.rows)
        else:
            read = list(map(self._attributes.__getitem__, zip(*given, strict=True)))
        if _WRONG in read:
            odd.update(row for row, attributes in enumerate(read) if attributes is _WRONG)
        languages, exposed, confirmed, flags = zip(*read, strict=True)
        columns.language = list(languages)
        return list(exposed), list(confirmed), list(flags)


class _AttributesByGiven(dict[GivenAttributes, Attributes]):
    """The attributes that the fields with few values come to, by what they hold."""

    def __init__(self, validator: Validator) -> None:
        super().__init__()
        self._validator = validator

    def __missing__(self, given: GivenAttributes) -> Attributes:
        attributes = self._validator.attributes(given)
        if attributes and len(self) < REMEMBERED:
            self[given] = attributes
        return attributes or _WRONG


def _are_blank(cells: Sequence[str]) -> bool:
    return not any(cells)


def _are_postcodes(cells: Sequence[str]) -> bool:
    return _POSTCODES("\n".join([*cells, ""])) is not None


def _are_house_numbers(cells: Sequence[str]) -> bool:
    return _HOUSE_NUMBERS("\n".join([*cells, ""])) is not None


def _normal(
    cells: list[str], are_normal: Callable[[list[str]], bool], normal: Callable[[str], str | None], odd: set[int]
) -> list[str]:
    """Return a column in its normal form, and add the rows whose cell has none to `odd`.

    Cells are looked at one by one only where the column as a whole is not normal.
    """
    if are_normal(cells):
        return cells
    normalised = [normal(cell) if cell else cell for cell in cells]
    if None in normalised:
        odd.update(row for row, cell in enumerate(normalised) if cell is None)
    return [cell or "" for cell in normalised]


def _odd_texts(rows: Sequence[bytes]) -> set[int]:
    """Return the rows in which some text is not in its one spelling, or may be longer than `MAX_TEXT`."""
    odd: set[int] = set()
    whole = b",\n,".join(rows)
    if whole.count(b"\n") != len(rows) - 1 or not _is_plain(whole):
        odd.update(at for at, row in enumerate(rows) if b"\n" in row or not _is_plain(row))
    if not whole.isascii() and not _is_composed([row for row in rows if not row.isascii()]):
        odd.update(at for at, row in enumerate(rows) if not _is_composed([row]))
    if len(max(rows, key=len)) > MAX_TEXT:
        odd.update(at for at, row in enumerate(rows) if len(row) > MAX_TEXT and _has_long_text(row))
    return odd


def _is_plain(cells: bytes) -> bool:
    """Tell whether no text has a control code of ASCII in it or a space at its edge."""
    at_edge = cells.startswith(b" ") or cells.endswith(b" ") or _SPACE_AT_EDGE.search(cells)
    return not at_edge and not cells.translate(None, _NO_CONTROLS)


def _is_composed(rows: Iterable[bytes]) -> bool:
    """Tell whether all letters are composed and can be seen; control codes beyond ASCII cannot."""
    text = b",".join(rows).decode()  # nothing is composed with a comma
    return text.isprintable() and unicodedata.is_normalized("NFC", text)


def _has_long_text(row: bytes) -> bool:
    return len(max(row.split(b","), key=len)) > MAX_TEXT


def _odd_lengths(columns: RecordColumns) -> set[int]:
    """Return the rows that have no memberRef, or a text over a limit below `MAX_TEXT`."""
    odd = set(_blanks(columns.member_ref))
    for field in SHORT_TEXTS:
        cells: list[str] = getattr(columns, field.attribute)
        limit = field.about.limit
        if len(max(cells, key=len)) > limit:
            odd.update(row for row, cell in enumerate(cells) if len(cell) > limit)
    return odd


def _abroad(countries: Sequence[str]) -> set[int]:
    """Return the rows of other countries, known or not: other rules hold for their addresses."""
    abroad = {country for country in set(countries) if country and normal_country(country) != DEFAULT_COUNTRY}
    return {row for row, country in enumerate(countries) if country in abroad} if abroad else set()


def _for_others(roles: Sequence[str]) -> set[int]:
    """Return the rows whose notice somebody else reads: what the role says is not of this row's texts alone."""
    return set() if _are_blank(roles) else {row for row, role in enumerate(roles) if role}


def _are_few(odd: set[int], columns: RecordColumns) -> bool:
    """Tell whether checking the other rows together still pays."""
    return len(odd) <= len(columns.rows) // 2


def _blank(columns: RecordColumns, odd: set[int]) -> None:
    """Empty the cells of odd rows in the columns where one odd cell means that each cell is looked at."""
    for column in (
        columns.bsn, columns.person_key, columns.birth_date, columns.postcode, columns.house_number, columns.email,
    ) if odd else ():  # fmt: skip
        for row in odd:
            column[row] = ""


def _blanks(cells: Sequence[str]) -> list[int]:
    return [row for row, cell in enumerate(cells) if not cell] if "" in cells else []


def _identities(columns: RecordColumns, odd: set[int]) -> list[bytes]:
    """Return the canonical identity of each person, and add the rows that name nobody to `odd`."""
    identities = ("bsn:" + "\nbsn:".join(columns.bsn)).encode().split(b"\n")
    for row in _blanks(columns.bsn):
        identity = _identity_without_bsn(columns, row)
        if identity:
            identities[row] = identity
        else:
            odd.add(row)
    return identities


def _identity_without_bsn(columns: RecordColumns, row: int) -> bytes | None:
    if columns.person_key[row]:
        return f"key:{columns.person_key[row]}".encode()
    name = columns.family_name[row] or columns.birth_name[row] or columns.partner_name[row]
    named = name, columns.birth_date[row], columns.postcode[row], columns.house_number[row]
    return canonical_name(*named) if all(named) and is_whole(columns.birth_date[row]) else None


def _channels(columns: RecordColumns) -> list[int]:
    """Return the channels that each row has data for, by the rules of `validation` for the Netherlands."""
    letters = [LETTER] * len(columns.rows)
    for needed in (columns.street, columns.city, columns.postcode, columns.house_number):
        for row in _blanks(needed):
            letters[row] = LETTER if columns.address_lines[row] else 0
    for row in _blanks(columns.family_name):
        if not (columns.birth_name[row] or columns.partner_name[row] or columns.addressee[row]):
            letters[row] = 0
    masks = letters
    for channel, field in REACHED_BY:
        if not _are_blank(cells := getattr(columns, field)):
            masks = [mask | channel if cell else mask for mask, cell in zip(masks, cells, strict=True)]
    return masks
