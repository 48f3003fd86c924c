"""A list of returned mail as CSV: `reference,reason,date`, by these names or their Dutch ones. Pure.

Other columns are read past, so that a post company's own export can be loaded as it is where it has these. A reference
or a reason is never repeated: whoever loads a list finds the line.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from services.core.channel import Channel
from services.core.receipts import ReceiptKind
from services.tracking.said import Said, named_by_reference, reason_of

__all__ = ["Fault", "InvalidList", "read_list"]

_HERE: Final = ZoneInfo("Europe/Amsterdam")
_COLUMNS: Final = {
    "reference": ("reference", "kenmerk", "referentie", "klantreferentie"),
    "reason": ("reason", "reden", "retourreden"),
    "date": ("date", "datum", "retourdatum"),
}
_FORMS: Final = ("%Y-%m-%d", "%d-%m-%Y", "%Y%m%d", "%d/%m/%Y")
_TIME: Final = re.compile(r"[T ].*")  # behind a day: it may be when a letter was scanned, and says no more than the day


class InvalidList(ValueError):  # noqa: N818 - says what it is
    """No line of the list can be read; `args` say why."""


class Fault(NamedTuple):
    """What is wrong with a line: its number in the body, the field, and a code."""

    line: int
    field: str
    problem: str


def read_list(body: bytes, today: date) -> Iterator[Said | Fault]:
    """Return what each line says: a letter that came back, or what is wrong. Raises InvalidList."""
    text = _text(body)
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text), delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        places = _places(next(rows, []))
        for row in rows:
            if any(cell.strip() for cell in row):
                yield _read(rows.line_num, row, places, today)
    except csv.Error:
        raise InvalidList("csv-syntax") from None


def _text(body: bytes) -> str:
    """Return a list as text: in UTF-8, or as old programs write it. Raises InvalidList where it is neither.

    What is read of a line has no accents; names beside it may have some.
    """
    if b"\0" in body:  # UTF-16, a workbook
        raise InvalidList("encoding")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _places(header: list[str]) -> Mapping[str, int]:
    """Return where the columns are. Raises InvalidList where there is no reference or no date."""
    names = ["".join(cell.lower().split()) for cell in header]
    found = {field: names.index(known) for field, words in _COLUMNS.items() for known in words[::-1] if known in names}
    if not {"reference", "date"} <= found.keys():
        raise InvalidList("missing-column")
    return found


def _read(line: int, row: list[str], places: Mapping[str, int], today: date) -> Said | Fault:
    cells = {field: row[place].strip() if place < len(row) else "" for field, place in places.items()}
    try:
        named = named_by_reference(cells["reference"])
    except ValueError:
        return Fault(line, "reference", "mistyped-reference")
    day = _day(cells["date"])
    if day is None or day.year < 2000:  # before there was anybody to tell by this
        return Fault(line, "date", "invalid-date")
    if day > today:
        return Fault(line, "date", "date-in-future")
    # Its end: what was handed over on that day may have come back on it, as far as a date can say.
    at = datetime.combine(day, time(23, 59, 59), _HERE)
    reason = reason_of(cells.get("reason", ""))
    return Said(named, int(Channel.LETTER), 0, int(ReceiptKind.RETURNED), round(at.timestamp() * 1000), int(reason))


def _day(text: str) -> date | None:
    day = _TIME.sub("", text)
    for form in _FORMS:
        try:
            return datetime.strptime(day, form).replace(tzinfo=_HERE).date()
        except ValueError:
            continue
    return None
