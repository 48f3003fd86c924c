"""Everything that an incident can say, as files to be looked at: letters as PDF, messages as text.

It is made by the code that makes the real ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from typing import Any, NamedTuple

import orjson

from services.core.channel import Channel
from services.core.incident import Incident
from services.rendering.contact import Contact
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import Fitted, fit_envelope
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import print_job
from services.rendering.messages.email import Letterbox
from services.rendering.messages.plain_text import PlainTexts
from services.rendering.messages.portal import portal_message
from services.rendering.samples import LONGEST, ODD, USUAL, Sample, Samples, samples_of
from services.rendering.wording.wording import Wordings

__all__ = ["Preview", "previews"]

PEOPLE: Mapping[str, Contact] = {"usual": USUAL, "longest": LONGEST, "odd": ODD}


class Preview(NamedTuple):
    """One notice to look at: a name that says whose it is, and its pages or its only text."""

    name: str
    pages: Sequence[bytes]


def previews(incident: Incident, channel: Channel, at: datetime) -> Iterator[Preview]:
    """Return a notice to each made-up person in each wording: a letter as one PDF, a message as one text.

    Raises LetterheadError where the sender does not fit a letter.
    """
    samples = samples_of(incident, PEOPLE)
    if channel is Channel.LETTER:
        yield from _letters(samples, at)
        return
    letterbox, texts = Letterbox(), PlainTexts()
    for row, sample in enumerate(samples.samples):
        if channel is Channel.EMAIL:
            mail = letterbox.mail(samples, row, at)
            shown = _as_read(mail.body) if mail else ""
        else:
            shown = _as_shown(portal_message(texts, samples, row))
        yield Preview(_name(sample), [shown.encode()])


def _letters(samples: Samples, at: datetime) -> Iterator[Preview]:
    typesetter, wordings = Typesetter(), Wordings(on_paper=True)
    for row, sample in enumerate(samples.samples):
        one = samples.pick([row])
        job = print_job(_name(sample), one, [_fitted(one.contacts[0])], wordings, at)
        yield Preview(_name(sample), [typesetter.set(job).pdf])


def _fitted(contact: Contact) -> Fitted:
    found = envelope(contact)
    fitted = fit_envelope(found) if found else None
    if fitted is None:
        raise ValueError("a made-up person has an address that fits no letter")
    return fitted


def _name(sample: Sample) -> str:
    """Return a file's name: `nl-possible-first-longest`, with the group before the person where there is one."""
    reading = sample.reading
    note = sample.note if sample.note == "nothing" else ""
    parts = [reading.language, reading.certainty.value, reading.kind.value, note, reading.group, sample.person]
    return "-".join(part for part in parts if part)


def _as_read(mail: bytes) -> str:
    """Return a mail as its reader sees it: the headers that programs show, and the text."""
    read = message_from_bytes(mail, policy=default)
    headers = [f"{name}: {read[name]}" for name in ("From", "To", "Date", "Subject")]
    return "\n".join([*headers, "", read.get_content()])


def _as_shown(message: bytes) -> str:
    shown: dict[str, Any] = orjson.loads(message)
    return f"{shown['subject']}\n\n{shown['body']}"
