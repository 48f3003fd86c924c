"""Letters as data: one JSON object a line, for print houses that compose themselves. Pure.

First come the words that many letters share, a line each, then the letters, which name theirs by `wordingId`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

import msgspec
import orjson

from services.core.ids import format_references
from services.core.notices import Notices
from services.dispatch.domain import Contact, Unprinted, Work
from services.dispatch.letters.pdf import letter_date, sender_of, words_of
from services.dispatch.wording.wording import Said, Wording, Wordings, date_in, greeting_in

__all__ = ["Marks", "as_lines"]

_encode_lines = msgspec.json.Encoder().encode_lines

_Key = tuple[str, int, int, int, int, bool]  # the fields of Said, as a plain tuple: it is made for every letter


@dataclass(frozen=True, slots=True, repr=False)
class Marks:
    """By column: the notices, the references that their readers have, and what the bar codes hold."""

    notices: Sequence[str]
    references: Sequence[str]
    kix: Sequence[str]


class _Shared(NamedTuple):
    """Words that many letters of a file share, by their number in it."""

    number: int
    wording: Wording
    date: str
    greeting: Callable[[Contact], str]


class _Letter(Unprinted, frozen=True):
    """A letter's line."""

    notice_id: str
    attempt: int
    reference: str
    supplement_to: str
    revision: int
    date: str
    address: tuple[str, ...]
    kix: str
    greeting: str
    wording_id: int


def as_lines(
    letters: Work, addresses: Sequence[tuple[str, ...]], marks: Marks, wordings: Wordings
) -> tuple[bytes, int]:
    """Return a batch's file, and the line of its first letter."""
    notices = letters.round.notices
    said = _said(notices)
    used = _shared(letters, said, wordings)
    own = [used[key] for key in said]
    rows = zip(
        marks.notices,
        notices.attempts,
        marks.references,
        _earlier(notices.supersedes),
        notices.revisions,
        [shared.date for shared in own],
        addresses,
        marks.kix,
        [shared.greeting(contact) for shared, contact in zip(own, letters.contacts, strict=True)],
        [shared.number for shared in own],
        strict=True,
    )
    words = _words(letters, used.values())
    return b"\n".join([*words, _encode_lines(list(starmap(_Letter, rows)))]), len(words) + 1


def _words(letters: Work, used: Iterable[_Shared]) -> list[bytes]:
    sender = sender_of(letters.incident)
    return [
        orjson.dumps({"wordingId": shared.number, "sender": sender, "wording": words_of(shared.wording)})
        for shared in used
    ]


def _earlier(supersedes: Sequence[bytes]) -> list[str]:
    """Return the references of the notices before; empty for a first notice, as nearly all of a wave are."""
    references = iter(format_references([before for before in supersedes if before]))
    return [next(references) if before else "" for before in supersedes]


def _said(notices: Notices) -> list[_Key]:
    columns = (notices.languages, notices.exposed, notices.confirmed, notices.told_exposed, notices.told_confirmed)
    return list(zip(*columns, map(bool, notices.supersedes), strict=True))


def _shared(letters: Work, said: Iterable[_Key], wordings: Wordings) -> dict[_Key, _Shared]:
    """Return the words of each combination of facts, numbered from 1 in the order of the letters."""
    day = letter_date(letters.round.created_at)
    used = {}
    for number, key in enumerate(dict.fromkeys(said), 1):
        wording = wordings.of(letters.incident, Said(*key))
        used[key] = _Shared(number, wording, date_in(wording.phrases, day), greeting_in(wording.phrases))
    return used
