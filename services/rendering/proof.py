"""The proof of an incident: everything that it can say is rendered once, on every channel, before anybody is told.

What does not fit, or has no glyph, is a problem with its place in the document.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec
import typst

from services.core.addressee import AddresseeRole
from services.core.channel import Channel
from services.core.incident import Incident
from services.rendering.contact import Contact
from services.rendering.letters.envelope import envelope
from services.rendering.letters.faces import BOLD, REGULAR, Face, face
from services.rendering.letters.fitting import MM, address_box, fit_envelope
from services.rendering.letters.letterhead import LetterheadError, letterhead
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import print_job
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.messages.email import Letterbox
from services.rendering.messages.plain_text import PlainTexts
from services.rendering.messages.portal import portal_message
from services.rendering.samples import LONGEST, USUAL, Samples, samples_of
from services.rendering.texts import placed_texts, sender_texts
from services.rendering.told import UnfitError
from services.rendering.wording.wording import Wordings, phrases

__all__ = ["Problem", "problems_of"]

Problem = dict[str, str]  # field, problem
# The narrowest column of running text is that of the box, so much narrower; and the sizes of `form.typ`.
_INSET, _TEXT_SIZE, _TITLE_SIZE = 10.0, 10.5, 12.5
_AFTER = re.compile(r"(?<=[/-])")  # where a typesetter breaks an address of the web
_SHOWN = 10  # signs named in a problem
_LIMIT = "cannot be set as a letter"
# Who reads for somebody else reads more, next of kin the most: proved even where an incident has no words for them.
_READERS: Mapping[AddresseeRole, Contact] = {
    role: msgspec.structs.replace(LONGEST, role=role) for role in AddresseeRole if role is not AddresseeRole.SELF
}
_AT = datetime(2000, 1, 1, tzinfo=UTC)


def problems_of(incident: Incident, profile: Profile = USUAL_PROFILE) -> list[Problem]:
    """Return what keeps an incident from being rendered; nothing where all of it can be.

    `profile` is the print house's. Takes some tenths of a second, and a few hundredths for each variant more.
    """
    samples = samples_of(incident, _readers(incident)).different()
    found: list[Problem] = []
    if Channel.LETTER in incident.channels:
        found += _unset(incident, profile) or _letters(samples, profile)
    if Channel.EMAIL in incident.channels:
        found += _mails(samples)
    if Channel.PORTAL in incident.channels:
        found += _messages(samples)
    return found


def _readers(incident: Incident) -> dict[str, Contact]:
    """Return somebody with the longest lines, by who reads of them."""
    others = {AddresseeRole.NEXT_OF_KIN, *incident.readers} - {AddresseeRole.SELF}
    return {AddresseeRole.SELF: LONGEST, **{role: _READERS[role] for role in sorted(others)}}


def _unset(incident: Incident, profile: Profile) -> list[Problem]:
    """Return texts that no letter can show."""
    regular, bold, column = face(REGULAR), face(BOLD), (profile.text_width - _INSET) * MM
    found = []
    for placed in placed_texts(incident):
        heading = placed.block in {"title", "label"}
        size = _TITLE_SIZE if placed.block == "title" else _TEXT_SIZE
        found += list(_of_text(placed.field, placed.text, bold if heading else regular, size, column))
    for place, text in sender_texts(incident):
        found += list(_of_text(place, _AFTER.sub(" ", text), regular, _TEXT_SIZE, column))
    return found or _senders(incident, profile)


def _of_text(place: str, text: str, with_face: Face, size: float, column: float) -> Iterator[Problem]:
    if missing := with_face.missing(text):
        named = ", ".join(f"U+{ord(sign):04X}" for sign in missing[:_SHOWN])
        yield _problem(place, f"has signs that the face of letters lacks: {named}")
    if any(with_face.width(word, size) > column for word in text.split()):
        yield _problem(place, "has a word that is wider than a line of a letter")


def _senders(incident: Incident, profile: Profile) -> list[Problem]:
    found: list[Problem] = []
    for language in incident.languages:
        try:
            letterhead(incident, phrases(language), profile)
        except LetterheadError as error:
            found.append(_problem(error.field, error.problem))
    return [one for at, one in enumerate(found) if one not in found[:at]]


def _letters(samples: Samples, profile: Profile) -> list[Problem]:
    """Set a letter in each wording to somebody whose name and address are as long as the window lets them be."""
    box = address_box(profile)
    found = [fit_envelope(one, box) for contact in (LONGEST, USUAL) if (one := envelope(contact))]
    job = print_job("proof", samples, [next(filter(None, found))] * len(samples.contacts), Wordings(on_paper=True), _AT)
    try:
        Typesetter(profile).set(job)
    except UnfitError as error:
        return [_problem(error.field, error.problem)]
    except (typst.TypstError, RuntimeError) as error:
        return [_problem("content", f"{_LIMIT}: {error}")]
    return []


def _mails(samples: Samples) -> list[Problem]:
    letterbox = Letterbox()
    try:
        for row in range(len(samples.notices)):
            letterbox.mail(samples, row, _AT)
    except ValueError as error:
        return [_problem("content", f"cannot be written as an e-mail: {error}")]
    return []


def _messages(samples: Samples) -> list[Problem]:
    texts = PlainTexts()
    try:
        for row in range(len(samples.notices)):
            portal_message(texts, samples, row)
    except (TypeError, ValueError) as error:
        return [_problem("content", f"cannot be written as a message: {error}")]
    return []


def _problem(field: str, problem: str) -> Problem:
    return {"field": field, "problem": problem}
