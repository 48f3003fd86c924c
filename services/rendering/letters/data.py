"""Letters as data: one JSON object a line, for print houses that compose themselves. Pure.

First come the words that many letters share, a line each. The letters follow and name theirs by `wordingId`.
"""

from itertools import starmap

import msgspec
import orjson

from services.rendering.contact import Contact, Textless
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.words import sender_of, words_of

__all__ = ["as_lines"]

_encode_lines = msgspec.json.Encoder().encode_lines


class _Fields(Textless, frozen=True):
    """An address in fields of their own, as the record has them."""

    care_of: str
    street: str
    house_number: str
    house_letter: str
    house_number_addition: str
    postcode: str
    city: str
    country: str  # ISO 3166


class _Letter(Textless, frozen=True):
    """A letter's line."""

    notice_id: str
    attempt: int
    reference: str
    supplement_to: str
    revision: int
    date: str
    address: tuple[str, ...]
    address_fields: _Fields
    kix: str
    greeting: str
    wording_id: int


def as_lines(job: PrintJob) -> tuple[bytes, int]:
    """Return the file of a print job, and the line of its first letter, counted from 1."""
    notices = job.told.notices
    rows = zip(
        job.notices,
        notices.attempts,
        job.references,
        job.earlier,
        notices.revisions,
        [own.date for own in job.words],
        job.addresses,
        list(map(_fields, job.told.contacts)),
        job.kix,
        job.greetings,
        [own.number for own in job.words],
        strict=True,
    )
    words = _words(job)
    return b"\n".join([*words, _encode_lines(list(starmap(_Letter, rows)))]), len(words) + 1


def _fields(one: Contact) -> _Fields:
    return _Fields(
        one.care_of, one.street, one.house_number, one.house_letter, one.house_number_addition, one.postcode, one.city,
        (one.country or "NL").upper(),
    )  # fmt: skip


def _words(job: PrintJob) -> list[bytes]:
    sender = sender_of(job.told.incident)
    return [
        orjson.dumps({"wordingId": shared.number, "sender": sender, "wording": words_of(shared.wording)})
        for shared in job.shared
    ]
