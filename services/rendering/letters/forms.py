"""Forms: what all with the same facts and language read, set once by typst and shown on each of their letters."""

from typing import Any, NamedTuple

import orjson

from services.core.incident import Incident
from services.rendering.letters.imported import Imported, imported
from services.rendering.letters.letterhead import letterhead
from services.rendering.letters.print_job import SharedWords
from services.rendering.letters.profile import Profile
from services.rendering.letters.typeset import Template
from services.rendering.letters.words import words_of
from services.rendering.told import UnfitError
from services.rendering.wording.wording import WordingKey

__all__ = ["Form", "Forms", "form_data", "print_standards"]

_KEPT = 1000  # about 50 KB each; an incident has some dozens


class Form(NamedTuple):
    """The sheets of a form, and in mm where the salutation stands, and how far in the reference at the foot."""

    pages: int
    greeting: float
    foot: float  # mm
    language: str
    sheets: Imported


class Forms:
    """The forms of one print profile, kept. Used by one thread at a time."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._template = Template("form.typ", profile, print_standards(profile))
        self._made: dict[tuple[str, int, WordingKey], Form] = {}

    def form(self, incident: Incident, shared: SharedWords) -> Form:
        """Return a form. Raises UnfitError where it has more pages than the print house takes."""
        of_version = (incident.incident_id, incident.version, shared.key)
        found = self._made.get(of_version)
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            found = self._made[of_version] = self._set(incident, shared)
        return found

    def _set(self, incident: Incident, shared: SharedWords) -> Form:
        data = form_data(incident, shared, self._profile)
        pdf = self._template.pdf(orjson.dumps(data))
        extent, most = self._template.said("<extent>"), self._profile.most_pages
        if extent["pages"] > most:
            raise UnfitError("content", f"makes a letter of {extent['pages']} pages; the print house takes {most}")
        return Form(extent["pages"], extent["greeting"], extent["foot"], data["wording"]["lang"], imported(pdf))


def form_data(incident: Incident, shared: SharedWords, profile: Profile) -> dict[str, Any]:
    """Return a form as `form.typ` takes it. Raises UnfitError where the sender's lines do not fit it."""
    wording = shared.wording
    return {
        "sender": letterhead(incident, wording.phrases, profile).as_json(),
        "wording": words_of(wording),
        "supplement": shared.key.supplement,
    }


def print_standards(profile: Profile) -> list[str]:
    """Return the standards that print files keep to. One in CMYK would need the colour profile of its press."""
    return [] if profile.colour == "cmyk" else ["a-2b"]
