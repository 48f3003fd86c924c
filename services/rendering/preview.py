"""Everything that an incident can say, as files to be looked at: letters as PDF, messages as text.

It is made by the code that makes the real ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from typing import Any, NamedTuple

import orjson

from services.core.channel import Channel
from services.core.incident import Incident
from services.rendering.contact import Contact
from services.rendering.letters.copies import Copies
from services.rendering.letters.envelope import envelope
from services.rendering.letters.fitting import address_box, fit_envelope
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob, print_job
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.messages.email import Letterbox
from services.rendering.messages.plain_text import PlainTexts
from services.rendering.messages.portal import portal_message
from services.rendering.samples import (
    ARABIC,
    CHILD,
    CHINESE,
    DEAD,
    LONGEST,
    ODD,
    REPRESENTED,
    USUAL,
    Sample,
    Samples,
    samples_of,
)
from services.rendering.wording.addressees import addressees_of
from services.rendering.wording.wording import Wordings, phrases

__all__ = ["PEOPLE", "Preview", "held", "previews"]

PEOPLE: Mapping[str, Contact] = {
    "usual": USUAL, "longest": LONGEST, "odd": ODD,
    "arabic": ARABIC, "chinese": CHINESE,
    "guardian": CHILD, "next-of-kin": DEAD, "representative": REPRESENTED,
}  # fmt: skip


class Preview(NamedTuple):
    """One notice to look at: a name that says whose it is, and its pages or its only text."""

    name: str
    pages: Sequence[bytes]


def previews(
    incident: Incident,
    channel: Channel,
    at: datetime,
    profile: Profile = USUAL_PROFILE,
    *,
    copies: bool = False,
    people: Mapping[str, Contact] = PEOPLE,
) -> Iterator[Preview]:
    """Return a notice to each made-up person in each wording: a letter as one PDF, a message as one text.

    Letters are as `profile` asks, for print or as `copies` for a screen; whose address does not fit it gets none, as
    such people are held. Raises UnfitError where the sender or the text does not fit a letter.
    """
    samples = samples_of(incident, people)
    if channel is Channel.LETTER:
        yield from _letters(samples, at, profile, _copied(profile) if copies else _printed(profile))
        return
    letterbox, texts = Letterbox(), PlainTexts()
    for row, sample in enumerate(samples.samples):
        if channel is Channel.EMAIL:
            mail = letterbox.mail(samples, row, at)
            shown = _as_read(mail.body) if mail else ""
        else:
            shown = _as_shown(portal_message(texts, samples, row))
        yield Preview(_name(sample), [shown.encode()])


def held(profile: Profile = USUAL_PROFILE) -> list[str]:
    """Return which of the made-up people get no letter: no face has their name, or their address fits no window."""
    box = address_box(profile)
    found = {name: envelope(contact) for name, contact in PEOPLE.items()}
    return [name for name, one in found.items() if one is None or fit_envelope(one, box) is None]


def _letters(samples: Samples, at: datetime, profile: Profile, made: Callable[[PrintJob], bytes]) -> Iterator[Preview]:
    wordings, box = Wordings(on_paper=True), address_box(profile)
    for row, sample in enumerate(samples.samples):
        one = samples.pick([row])
        found = envelope(one.contacts[0], *addressees_of(one, phrases))
        fitted = found and fit_envelope(found, box)
        if fitted:
            yield Preview(_name(sample), [made(print_job(_name(sample), one, [fitted], wordings, at))])


def _printed(profile: Profile) -> Callable[[PrintJob], bytes]:
    typesetter = Typesetter(profile)
    return lambda job: typesetter.set(job).pdf


def _copied(profile: Profile) -> Callable[[PrintJob], bytes]:
    copies = Copies(profile)
    return lambda job: next(copies.of(job))


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
