"""Letters as data: one JSON object a line, for print houses that compose themselves. Pure.

First come the words that many letters share, a line each, then the letters, which name theirs by `wordingId`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from services.core.ids import format_reference
from services.core.notices import Notices
from services.dispatch.address import address_lines
from services.dispatch.domain import Work
from services.dispatch.typeset import letter_date, sender_of, words_of
from services.dispatch.wording import Said, Wording, Wordings, date_in, greeting

__all__ = ["Mark", "as_lines"]

Mark = tuple[str, str, str]  # a letter's notice, the reference that its reader has, and what its bar code holds

_Key = tuple[str, int, int, int, int, bool]  # the fields of Said, as a plain tuple: it is made for every letter


class _Shared(NamedTuple):
    """Words that many letters of a file share, by their number in it."""

    number: int
    wording: Wording
    date: str


def as_lines(letters: Work, marks: Sequence[Mark], wordings: Wordings) -> tuple[bytes, int]:
    """Give a batch's file, and the line of its first letter."""
    notices = letters.round.notices
    said = _said(notices)
    used = _shared(letters, said, wordings)
    sender = sender_of(letters.incident)
    lines: list[dict[str, Any]] = [
        {"wordingId": shared.number, "sender": sender, "wording": words_of(shared.wording)} for shared in used.values()
    ]
    rows = zip(marks, notices.attempts, notices.revisions, notices.supersedes, letters.contacts, said, strict=True)
    for (notice, reference, kix), attempt, revision, before, contact, key in rows:
        number, wording, date = used[key]
        own = {
            "noticeId": notice,
            "attempt": attempt,
            "reference": reference,
            "supplementTo": format_reference(before) if before else "",
            "revision": revision,
            "date": date,
            "address": address_lines(contact),
            "kix": kix,
            "greeting": greeting(wording.phrases, contact),
            "wordingId": number,
        }
        lines.append(own)
    return _a_line_each(lines), len(used) + 1


def _a_line_each(lines: Sequence[dict[str, Any]]) -> bytes:
    """Give JSON lines, in one call of the library: one for each letter takes more time than all else about it.

    Where the first name of a line stands right after a bracket and a comma, there is the end of the line before:
    within a text its quotation mark would have a backslash.
    """
    whole = orjson.dumps(lines)[1:-1]
    for first in (b'{"wordingId":', b'{"noticeId":'):
        whole = whole.replace(b"}," + first, b"}\n" + first)
    return whole + b"\n"


def _said(notices: Notices) -> list[_Key]:
    columns = (notices.languages, notices.exposed, notices.confirmed, notices.told_exposed, notices.told_confirmed)
    return list(zip(*columns, map(bool, notices.supersedes), strict=True))


def _shared(letters: Work, said: Iterable[_Key], wordings: Wordings) -> dict[_Key, _Shared]:
    """Give the words of each combination of facts, numbered from 1 in the order of the letters."""
    day = letter_date(letters.round.created_at)
    used = {}
    for number, key in enumerate(dict.fromkeys(said), 1):
        wording = wordings.of(letters.incident, Said(*key))
        used[key] = _Shared(number, wording, date_in(wording.phrases, day))
    return used
