"""The letters of one print file, by column. Pure.

The PDF, the letters as data and the manifest are all made from this, so all name the same address, bar code and
reference of a letter.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from services.core.incident import Incident
from services.rendering.contact import Contact
from services.rendering.letters.fitting import Fitted
from services.rendering.told import Told
from services.rendering.wording.addressees import greeting_in
from services.rendering.wording.wording import (
    PlainKey,
    Wording,
    WordingKey,
    Wordings,
    date_in,
    wording_keys,
)

__all__ = ["PrintJob", "SharedWords", "letter_date", "print_job"]

# Dutch winter time: never a day ahead of the calendar, and no time zone tables whose editions could differ.
_HERE = timezone(timedelta(hours=1))


class SharedWords(NamedTuple):
    """Words that many letters of a file share; `number` counts from 1, in the order in which letters need them."""

    number: int
    key: WordingKey
    wording: Wording
    date: str
    greeting: Callable[[Contact], str]


@dataclass(frozen=True, slots=True, repr=False)
class PrintJob:
    """Letters that lie in one file, by column and in its order. It has no text form, as it holds people's addresses."""

    name: str  # of its files: the id of the print job in hexadecimal
    told: Told
    created_at: datetime
    shared: Sequence[SharedWords]
    notices: Sequence[str]  # their ids in hexadecimal
    references: Sequence[str]
    earlier: Sequence[str]  # references of the notices that these supplement, empty for a first notice
    addresses: Sequence[tuple[str, ...]]
    kix: Sequence[str]  # what the bar codes hold
    sizes: Sequence[float]  # of the text of the addresses, in points
    words: Sequence[SharedWords]  # of each letter
    greetings: Sequence[str]


def print_job(
    name: str, letters: Told, envelopes: Sequence[Fitted], wordings: Wordings, created_at: datetime
) -> PrintJob:
    """Return the letters of one print file; `envelopes` has one entry a row."""
    notices = letters.notices
    keys = wording_keys(letters)
    shared = _shared(letters.incident, keys, letter_date(created_at), wordings)
    words = [shared[key] for key in keys]
    addresses, kix, sizes = zip(*envelopes, strict=True)
    return PrintJob(
        name=name,
        told=letters,
        created_at=created_at,
        shared=list(shared.values()),
        notices=[notice.hex() for notice in notices.ids],
        references=letters.references,
        earlier=letters.earlier,
        addresses=addresses,
        kix=kix,
        sizes=sizes,
        words=words,
        greetings=[own.greeting(contact) for own, contact in zip(words, letters.contacts, strict=True)],
    )


def letter_date(created_at: datetime) -> date:
    """Return the day that a letter is dated: that of its print job, in the Netherlands."""
    return created_at.astimezone(_HERE).date()


def _shared(incident: Incident, keys: Iterable[PlainKey], day: date, wordings: Wordings) -> dict[PlainKey, SharedWords]:
    """Return the words of each combination of facts and language."""
    shared = {}
    for number, plain in enumerate(dict.fromkeys(keys), 1):
        key = WordingKey(*plain)
        wording = wordings.of(incident, key)
        words = wording.phrases
        shared[plain] = SharedWords(number, key, wording, date_in(words, day), greeting_in(words, key.role))
    return shared
