"""Problems of records as their source reads them: JSON, and CSV that no spreadsheet takes for a formula. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from services.core.status import unprintable
from services.core.unsettled import SHOWN_AS, ProblemKind, Unsettled

__all__ = [
    "COLUMNS",
    "CURSOR_FORM",
    "START",
    "Cursor",
    "Listed",
    "as_csv",
    "as_json",
    "of_rejected",
    "of_unprinted",
    "of_unsettled",
    "read_cursor",
]

COLUMNS: Final = ("kind", "memberRef", "line", "reason", "fields", "since")
# What makes a formula of a cell (OWASP, "CSV Injection"), in full width too. Who reads a cell with an apostrophe before
# it sees a text, and spreadsheets hide the apostrophe.
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
# Lines are counted by the billion at most, blocks of references by fewer: their columns hold no larger number.
CURSOR_FORM: Final = r"(?:r\.[0-9]{1,18}|u\.[0-9]{1,9})\.[0-9a-f]{32}"
_CURSOR: Final = re.compile(CURSOR_FORM, re.ASCII)


class Cursor(NamedTuple):
    """Where a page ended: among the rejected records or after them, and the key of the last row."""

    rejected: bool
    number: int  # line, or block of references
    record: bytes

    def __str__(self) -> str:
        return f"{'r' if self.rejected else 'u'}.{self.number}.{self.record.hex()}"


START: Final = Cursor(rejected=True, number=0, record=b"")


class Listed(NamedTuple):
    """One thing that is wrong with one record. `member_ref` is whole; None where it is not to be found any more."""

    kind: str
    member_ref: str | None
    line: int | None  # of the upload that said this last
    reason: str
    fields: Sequence[str]  # empty where the record as a whole is meant
    since: datetime


def read_cursor(text: str) -> Cursor | None:
    """Return the cursor that a page gave; None where the text is none."""
    if not _CURSOR.fullmatch(text):
        return None
    part, number, record = text.split(".")
    return Cursor(part == "r", int(number), bytes.fromhex(record))


def of_rejected(
    ref: str | None, line: int, fields: Sequence[str], problems: Sequence[str], since: datetime
) -> list[Listed]:
    """Return what is wrong with a rejected record: each problem once, with all fields that have it."""
    by_problem: dict[str, list[str]] = {}
    for field, problem in zip(fields, problems, strict=True):
        by_problem.setdefault(problem, []).extend([] if field == "*" else [field])
    return [Listed(ProblemKind.REJECTED, ref, line, problem, named, since) for problem, named in by_problem.items()]


def of_unsettled(ref: str | None, line: int | None, reason: int, since: datetime) -> list[Listed]:
    """Return why an accepted member is listed; nothing where deduplication has no reason."""
    if not reason:
        return []
    kind, word, fields = SHOWN_AS[Unsettled(reason)]
    return [Listed(kind, ref, line, word, fields, since)]


def of_unprinted(
    ref: str | None, line: int | None, fields: Sequence[str], since: datetime | None, why: str
) -> list[Listed]:
    """Return the member whose letter cannot be printed since then, or whose notice came back; nothing without a time.

    `why` is empty where it cannot be printed: such a member is held, and one whose notice came back is exhausted.
    """
    kind = ProblemKind.EXHAUSTED if why else ProblemKind.HELD
    return [Listed(kind, ref, line, why or unprintable(()), fields, since)] if since else []


def as_json(listed: Iterable[Listed]) -> list[dict[str, Any]]:
    """Return problems as JSON."""
    return [
        {
            "kind": one.kind,
            "memberRef": one.member_ref,
            "line": one.line,
            "reason": one.reason,
            "fields": list(one.fields),
            "since": one.since.isoformat(),
        }
        for one in listed
    ]


def as_csv(listed: Iterable[Listed], *, header: bool) -> str:
    """Return problems as rows of CSV (RFC 4180), several fields with `|` between them, as uploads have lists."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    if header:
        writer.writerow(COLUMNS)
    for one in listed:
        cells = one.kind, one.member_ref or "", one.line, one.reason, "|".join(one.fields), one.since.isoformat()
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell
