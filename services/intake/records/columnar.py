"""A sheet's records checked all together, column by column, where nothing about them is odd. Pure.

What holds for a whole column is proven in one step over it, not once a person. A row with anything that cannot
be proven so is left to `validation`, which knows every reason: it is only named here, and blanked, so that it
does not stand in the others' way. What this takes, `validation` would take as well, and bring to the same.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from services.core.channel import Channel
from services.intake.records.email import normal_email
from services.intake.records.identity import canonical_name
from services.intake.records.record import MAX_REF, Sheet
from services.intake.records.validation import (
    DEFAULT_COUNTRY,
    MAX_TEXT,
    REMEMBERED,
    Said,
    Validator,
    Words,
    normal_bsn,
    normal_house_number,
    normal_key,
    normal_postcode,
)

__all__ = ["CheckedSheet", "SheetChecker", "are_bsns"]

_NO_CONTROLS = bytes({*range(0x20, 0x100)} - {0x7F}) + b"\n"  # beyond ASCII it is asked of the letters
_SPACE_AT_EDGE = re.compile(rb" (?:,|(?<=, ))")  # begins with a letter, so that it is looked for as one
_POSTCODES = re.compile(r"(?:(?:[1-9][0-9]{3}[A-Z]{2})?+\n)*+", re.ASCII).fullmatch
_HOUSE_NUMBERS = re.compile(r"(?:(?:[1-9][0-9]{0,4})?+\n)*+", re.ASCII).fullmatch
_PORTAL, _EMAIL, _LETTER = int(Channel.PORTAL), int(Channel.EMAIL), int(Channel.LETTER)
_BIRTH_DATES = 65_536  # remembered: more than there are days of people alive
_WRONG = "", 0, 0, 0  # no language is empty

# The products of the 11-test, modulo 11, for each digit at each of the nine places; nine of them fit a byte.
_PRODUCTS = tuple(
    bytes(48) + bytes(weight * digit % 11 for digit in range(10)) + bytes(198)
    for weight in (9, 8, 7, 6, 5, 4, 3, 2, -1)
)
_ELEVENS = bytes(range(0, 256, 11))


@dataclass(slots=True)
class CheckedSheet:
    """What the rows of a sheet come to, beside its own cells in their normal form; nothing meant at odd rows."""

    odd: set[int]  # rows to be checked one by one
    identities: list[bytes]
    exposed: list[int]
    confirmed: list[int]
    channels: list[int]
    flags: list[int]


class SheetChecker:
    """Checks sheets as a `Validator` checks records."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator
        self._birth_dates = {""}  # seen before, and right
        self._said = _Said(validator)

    def check(self, sheet: Sheet) -> CheckedSheet | None:
        """Check a sheet and bring it to its normal form; None where most of its rows are odd."""
        odd = _odd_texts(sheet.rows) | _odd_refs(sheet.member_ref) | _abroad(sheet.country)
        checked = self._check_plain(sheet, odd) if _are_few(odd, sheet) else None
        return checked if _are_few(odd, sheet) else None  # what is no text may be odd as well

    def _check_plain(self, sheet: Sheet, odd: set[int]) -> CheckedSheet:
        """Check a sheet but for the rows that are odd already, which are blanked."""
        _blank(sheet, odd)
        sheet.country = [DEFAULT_COUNTRY] * len(sheet.rows)
        sheet.bsn = _normal(sheet.bsn, are_bsns, normal_bsn, odd)
        sheet.person_key = _normal(sheet.person_key, _are_blank, normal_key, odd)
        sheet.postcode = _normal(sheet.postcode, _are_postcodes, normal_postcode, odd)
        sheet.house_number = _normal(sheet.house_number, _are_house_numbers, normal_house_number, odd)
        sheet.email = _normal(sheet.email, _are_blank, normal_email, odd)
        self._check_birth_dates(sheet.birth_date, odd)
        identities = _identities(sheet, odd)
        exposed, confirmed, flags = self._read_words(sheet, odd)
        return CheckedSheet(odd, identities, exposed, confirmed, _channels(sheet), flags)

    def _check_birth_dates(self, dates: Sequence[str], odd: set[int]) -> None:
        if self._birth_dates.issuperset(dates):
            return
        unseen = set(dates) - self._birth_dates
        wrong = {text for text in unseen if not self._validator.is_birth_date(text)}
        if len(self._birth_dates) < _BIRTH_DATES:
            self._birth_dates |= unseen - wrong
        if wrong:
            odd.update(row for row, text in enumerate(dates) if text in wrong)

    def _read_words(self, sheet: Sheet, odd: set[int]) -> tuple[list[int], list[int], list[int]]:
        """Read the columns whose values are few; returns exposed and confirmed facts, and flags."""
        columns = (
            sheet.language, sheet.data_categories, sheet.certainty,
            sheet.deceased, sheet.secret_address, sheet.not_at_address,
        )  # fmt: skip
        if all(column.count(column[0]) == len(column) for column in columns):  # often the same of everybody
            said = list(map(self._said.__getitem__, islice(zip(*columns, strict=True), 1))) * len(sheet.rows)
        else:
            said = list(map(self._said.__getitem__, zip(*columns, strict=True)))
        if _WRONG in said:
            odd.update(row for row, each in enumerate(said) if each is _WRONG)
        languages, exposed, confirmed, flags = zip(*said, strict=True)
        sheet.language = list(languages)
        return list(exposed), list(confirmed), list(flags)


class _Said(dict[Words, Said]):
    """What the fields with few values come to, by what they say."""

    def __init__(self, validator: Validator) -> None:
        super().__init__()
        self._validator = validator

    def __missing__(self, words: Words) -> Said:
        said = self._validator.said(words)
        if said and len(self) < REMEMBERED:
            self[words] = said
        return said or _WRONG


def are_bsns(cells: Sequence[str]) -> bool:
    """Tell whether each cell is a BSN of nine digits, or empty."""
    if not set(map(len, cells)) <= {0, 9} or "000000000" in cells:
        return False
    digits = "".join(cells).encode()
    if not digits.isdigit():
        return not digits
    # Sums of all numbers at once: a byte of these long integers is a number's sum, and none overflows (9 x 10).
    sums = sum(int.from_bytes(digits[at::9].translate(products)) for at, products in enumerate(_PRODUCTS))
    return not sums.to_bytes(len(digits) // 9).translate(None, _ELEVENS)


def _are_blank(cells: Sequence[str]) -> bool:
    return not any(cells)


def _are_postcodes(cells: Sequence[str]) -> bool:
    return _POSTCODES("\n".join([*cells, ""])) is not None


def _are_house_numbers(cells: Sequence[str]) -> bool:
    return _HOUSE_NUMBERS("\n".join([*cells, ""])) is not None


def _normal(
    cells: list[str], are_normal: Callable[[list[str]], bool], normal: Callable[[str], str | None], odd: set[int]
) -> list[str]:
    """Return a column in its normal form, cell by cell only where it is not wholly so; adds rows that are wrong."""
    if are_normal(cells):
        return cells
    brought = [normal(cell) if cell else cell for cell in cells]
    if None in brought:
        odd.update(row for row, cell in enumerate(brought) if cell is None)
    return [cell or "" for cell in brought]


def _odd_texts(rows: Sequence[bytes]) -> set[int]:
    """Return the rows in which some text is not in its one spelling, or may be too long."""
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
    """Tell whether no text has control codes of ASCII in it or a space at its edge."""
    at_edge = cells.startswith(b" ") or cells.endswith(b" ") or _SPACE_AT_EDGE.search(cells)
    return not at_edge and not cells.translate(None, _NO_CONTROLS)


def _is_composed(rows: Iterable[bytes]) -> bool:
    """Tell whether letters beyond ASCII are composed and all of them can be seen."""
    text = b",".join(rows).decode()  # nothing is composed with a comma
    return text.isprintable() and unicodedata.is_normalized("NFC", text)


def _has_long_text(row: bytes) -> bool:
    return len(max(row.split(b","), key=len)) > MAX_TEXT


def _odd_refs(refs: Sequence[str]) -> set[int]:
    if len(max(refs, key=len)) <= MAX_REF and "" not in refs:
        return set()
    return {row for row, ref in enumerate(refs) if not 0 < len(ref) <= MAX_REF}


def _abroad(countries: Sequence[str]) -> set[int]:
    """Return the rows of other countries, known or not: their addresses are read otherwise."""
    abroad = {country for country in set(countries) if country and country.upper() != DEFAULT_COUNTRY}
    return {row for row, country in enumerate(countries) if country in abroad} if abroad else set()


def _are_few(odd: set[int], sheet: Sheet) -> bool:
    """Tell whether taking the others together still pays."""
    return len(odd) <= len(sheet.rows) // 2


def _blank(sheet: Sheet, odd: set[int]) -> None:
    """Take what is odd out of the columns in which one odd cell costs a look at each."""
    for column in (
        sheet.bsn, sheet.person_key, sheet.birth_date, sheet.postcode, sheet.house_number, sheet.email,
    ) if odd else ():  # fmt: skip
        for row in odd:
            column[row] = ""


def _blanks(cells: Sequence[str]) -> list[int]:
    return [row for row, cell in enumerate(cells) if not cell] if "" in cells else []


def _identities(sheet: Sheet, odd: set[int]) -> list[bytes]:
    """Return what stands for each person; adds rows that name nobody."""
    identities = ("bsn:" + "\nbsn:".join(sheet.bsn)).encode().split(b"\n")
    for row in _blanks(sheet.bsn):
        identity = _identity_without_bsn(sheet, row)
        if identity:
            identities[row] = identity
        else:
            odd.add(row)
    return identities


def _identity_without_bsn(sheet: Sheet, row: int) -> bytes | None:
    if sheet.person_key[row]:
        return f"key:{sheet.person_key[row]}".encode()
    named = sheet.family_name[row], sheet.birth_date[row], sheet.postcode[row], sheet.house_number[row]
    return canonical_name(*named) if all(named) else None


def _channels(sheet: Sheet) -> list[int]:
    """Return the channels that there is data for, as `validation` counts them in the Netherlands."""
    letters = [_LETTER] * len(sheet.rows)
    for needed in (sheet.family_name, sheet.street, sheet.city, sheet.postcode, sheet.house_number):
        for row in _blanks(needed):
            letters[row] = 0
    if _are_blank(sheet.portal_id) and _are_blank(sheet.email):
        return letters
    return [
        letter | (_PORTAL if portal else 0) | (_EMAIL if email else 0)
        for letter, portal, email in zip(letters, sheet.portal_id, sheet.email, strict=True)
    ]
