"""What a print house answers of a job: read from its file, and laid against the letters of a print file. Pure.

    {"job": "<print run, or print file>", "state": "acknowledged" | "posted" | "rejected", "reason"?: "...", "at"?: ...,
     "letters"?: [{"reference": "..." | "noticeId": "...", "state": ..., "reason"?}],
     "sheets"?: [{"first": 3, "last": 7, "state": ..., "reason"?}]}

`state` is that of the whole job but for the letters and sheets that are named; sheets count from 1 in a print file.
`at` is ms since 1970, a time with its offset, or a day. A reason is a word of `REASONS`; whatever else a print house
writes is kept nowhere, as it may name a person.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.core.ids import parse_reference
from services.core.receipts import ReceiptKind, ReceiptReason

__all__ = [
    "REASONS",
    "InvalidAnswer",
    "JobAnswer",
    "PrintState",
    "PrintedLetter",
    "Verdict",
    "is_answer_name",
    "laid_against",
    "read_answer",
]

_HERE: Final = ZoneInfo("Europe/Amsterdam")
_JOB: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}\.json", re.ASCII)
_NOTICE: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MOST: Final = 100_000  # letters or sheets that one answer may name: more than any print file has
_MOST_SHEETS: Final = 10_000_000
_FIRST_MS: Final = 946_684_800_000  # 2000-01-01: before there was anybody to tell by this

_KINDS: Final = {
    "acknowledged": ReceiptKind.ACKNOWLEDGED,
    "posted": ReceiptKind.POSTED,
    "rejected": ReceiptKind.REFUSED,
}
OTHER: Final = "other"  # a reason that is none of the words below

# Whose fault a rejection is. Only what names one letter's recipient sends somebody to the next channel; what nobody
# knows is the print house's own.
REASONS: Final[Mapping[str, ReceiptReason]] = MappingProxyType(
    {
        "bad-address": ReceiptReason.BAD_ADDRESS,
        "not-at-address": ReceiptReason.NOT_AT_ADDRESS,
        "moved": ReceiptReason.MOVED,
        "deceased": ReceiptReason.DECEASED,
        "content": ReceiptReason.CONTENT,
        "font": ReceiptReason.CONTENT,
        "layout": ReceiptReason.CONTENT,
        "page-count": ReceiptReason.CONTENT,
        "window": ReceiptReason.CONTENT,
        "cancelled": ReceiptReason.PROVIDER,
        "damaged": ReceiptReason.PROVIDER,
        "digest": ReceiptReason.PROVIDER,
        "format": ReceiptReason.PROVIDER,
        "incomplete": ReceiptReason.PROVIDER,
        "refused": ReceiptReason.PROVIDER,
        OTHER: ReceiptReason.PROVIDER,
    }
)
_OURS_OR_THEIRS: Final = frozenset({ReceiptReason.CONTENT, ReceiptReason.PROVIDER})


class InvalidAnswer(ValueError):  # noqa: N818 - says what it is
    """An answer cannot be understood; `args` say which field, and repeat nothing of it."""


class PrintState(StrEnum):
    """Where a print file stands with the print house; of several things said the last of these holds."""

    WAITING = "waiting"  # nothing was said of it
    ACKNOWLEDGED = "acknowledged"
    POSTED = "posted"
    REJECTED = "rejected"


class Verdict(NamedTuple):
    """What is said of a letter, or of all. `word` is a rejection's reason, for people."""

    kind: ReceiptKind
    reason: ReceiptReason = ReceiptReason.NOT_SAID
    word: str = ""


class PrintedLetter(NamedTuple):
    """A letter as a manifest has it."""

    notice: bytes
    attempt: int
    reference: str
    sheets: int


class _OfLetter(NamedTuple):
    named: bytes  # a notice's id (16 bytes), or what its reference says (10)
    verdict: Verdict


class _OfSheets(NamedTuple):
    first: int
    last: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class JobAnswer:
    """What is said of a job at a time, in ms since 1970; `whole` holds for all letters that are not named."""

    job: str
    at: int
    whole: Verdict | None
    letters: Sequence[_OfLetter] = ()
    sheets: Sequence[_OfSheets] = ()

    @property
    def names_letters(self) -> bool:
        """Whether it says something of some letters alone: then the letters of the print file are needed."""
        return bool(self.letters or self.sheets)

    @property
    def file(self) -> bytes | None:
        """The print file that it names, None where it names a print run."""
        return bytes.fromhex(self.job) if _NOTICE.fullmatch(self.job) else None


def is_answer_name(name: str) -> bool:
    """Tell whether a file may be called so."""
    return bool(_NAME.fullmatch(name))


def read_answer(body: bytes, now: int) -> JobAnswer:
    """Read an answer; `now` is ms since 1970, and nothing happened later. Raises InvalidAnswer."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidAnswer("json") from None
    if not isinstance(said, dict):
        raise InvalidAnswer("json")
    job = said.get("job", said.get("batchId"))
    if not isinstance(job, str) or not _JOB.fullmatch(job):
        raise InvalidAnswer("job")
    letters = [_letter(one, place) for place, one in enumerate(_list(said, "letters"))]
    sheets = [_sheets(one, place) for place, one in enumerate(_list(said, "sheets"))]
    whole = None if said.get("state") is None and (letters or sheets) else _verdict(said, "", one_letter=False)
    return JobAnswer(job, _moment(said.get("at"), now), whole, letters, sheets)


def laid_against(answer: JobAnswer, letters: Sequence[PrintedLetter]) -> dict[int, Verdict]:
    """Return what is said of single letters of a print file, by row. What names a letter holds over its sheets.

    Raises InvalidAnswer where something is named that is not in the file.
    """
    found: dict[int, Verdict] = {}
    of_sheet = list(_rows_of_sheets(letters))
    for place, sheets in enumerate(answer.sheets):
        if sheets.last > len(of_sheet):
            raise InvalidAnswer(f"sheets[{place}]")
        for row in dict.fromkeys(of_sheet[sheets.first - 1 : sheets.last]):
            found[row] = max(found.get(row, sheets.verdict), sheets.verdict)  # a letter lacks whatever a sheet lacks
    rows = {named: row for row, one in enumerate(letters) for named in (one.notice, parse_reference(one.reference))}
    named: defaultdict[int, list[Verdict]] = defaultdict(list)
    for place, letter in enumerate(answer.letters):
        if letter.named not in rows:
            raise InvalidAnswer(f"letters[{place}]")
        named[rows[letter.named]].append(letter.verdict)
    return found | {row: max(verdicts) for row, verdicts in named.items()}


def _rows_of_sheets(letters: Iterable[PrintedLetter]) -> Iterator[int]:
    for row, one in enumerate(letters):
        yield from [row] * one.sheets


def _list(said: Mapping[str, Any], field: str) -> list[Any]:
    found = said.get(field)
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > _MOST:
        raise InvalidAnswer(field)
    return found


def _letter(said: object, place: int) -> _OfLetter:
    where = f"letters[{place}]"
    if not isinstance(said, dict):
        raise InvalidAnswer(where)
    notice, reference = said.get("noticeId"), said.get("reference")
    verdict = _verdict(said, f"{where}.", one_letter=True)
    if isinstance(notice, str) and _NOTICE.fullmatch(notice):
        return _OfLetter(bytes.fromhex(notice), verdict)
    try:
        if isinstance(reference, str):
            return _OfLetter(parse_reference(reference), verdict)
    except ValueError:
        pass
    raise InvalidAnswer(f"{where}.reference")


def _sheets(said: object, place: int) -> _OfSheets:
    where = f"sheets[{place}]"
    if not isinstance(said, dict):
        raise InvalidAnswer(where)
    first, last = (_number(said.get(field)) for field in ("first", "last"))
    if not 1 <= first <= last <= _MOST_SHEETS:
        raise InvalidAnswer(where)
    return _OfSheets(first, last, _verdict(said, f"{where}.", one_letter=False))


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _verdict(said: Mapping[str, Any], where: str, *, one_letter: bool) -> Verdict:
    """Read what is said of one letter, or of several. What is wrong with several is no recipient's fault."""
    state, reason = said.get("state"), said.get("reason")
    kind = _KINDS.get(state) if isinstance(state, str) else None
    if kind is None:
        raise InvalidAnswer(f"{where}state")
    if kind is not ReceiptKind.REFUSED:
        return Verdict(kind)
    word = "-".join(reason.lower().replace("_", " ").replace("-", " ").split()) if isinstance(reason, str) else OTHER
    word = word if word in REASONS else OTHER
    blame = REASONS[word]
    return Verdict(kind, blame if one_letter or blame in _OURS_OR_THEIRS else ReceiptReason.PROVIDER, word)


def _moment(said: object, now: int) -> int:
    """Return when it happened: as it is said, and not later than now; now where nothing is said."""
    if said is None:
        return now
    at = _number(said) or _written(said)
    if at < _FIRST_MS:
        raise InvalidAnswer("at")
    return min(at, now)


def _written(said: object) -> int:
    try:
        if isinstance(said, str) and len(said) == len("2026-08-20"):
            return round(datetime.combine(date.fromisoformat(said), time(23, 59, 59), _HERE).timestamp() * 1000)
        moment = datetime.fromisoformat(str(said))
        if moment.tzinfo is None:
            raise InvalidAnswer("at")
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidAnswer("at") from None
