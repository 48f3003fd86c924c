"""The gate before every release: what each person must be told (art. 34 GDPR) is there in the words they would read.

A document is taken only with every text in every language; what can still be missing is what was put there to be
written later (`-`, `...`, a space that nobody sees). Of variants, those are asked that the cohort's people may read, or
who reads for them.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from services.core.facts import Facts
from services.core.incident import CONTENT_BLOCKS, DataCategory, Incident
from services.core.variants import Certainty, Kind, Reading, Text
from services.intake.domain import Uses
from services.rendering.linter import asserted

__all__ = ["Reason", "everything", "gate", "untrue"]

_MISSING = "is still to be written"
_OF_RECORDS = frozenset({Certainty.CONFIRMED, Certainty.POSSIBLE})


class Reason(NamedTuple):
    """What keeps a release back: a field of the incident document, and what is wrong with it."""

    field: str
    problem: str


def everything(incident: Incident) -> Uses:
    """Return what members use at most, whoever may still come."""
    languages = frozenset(map(_primary, incident.languages))
    return Uses((1 << len(incident.categories)) - 1, languages, _OF_RECORDS)


def gate(incident: Incident, uses: Uses, group: str = "") -> list[Reason]:
    """Return what keeps back people of a group who use this of the document; nothing where they can be told."""
    if not uses.languages:
        return []
    found = [place for reading in _readings(incident, uses, group) for place in _unsaid(incident, reading)]
    texts = list(_categories(incident, uses))
    found += [
        f"{field}.{language}"
        for field, text in texts
        for language in _read(incident, uses)
        if not _says(text.get(language, ""))
    ]
    return [Reason(place, _MISSING) for place in dict.fromkeys(found)]


def untrue(incident: Incident, uses: Uses, group: str = "") -> list[Reason]:
    """Return the texts that tell for certain those of whom it is not certain that their data was taken."""
    read = [one for one in _readings(incident, uses, group) if one.certainty is Certainty.POSSIBLE]
    return [Reason(found.field, found.problem) for found in asserted(incident, read)]


def _readings(incident: Incident, uses: Uses, group: str) -> list[Reading]:
    """Return the kinds of readers that people who use this may be; what a later notice says to them is asked too."""
    certainties = _certainties(uses)
    every = product(_read(incident, uses), certainties, Kind, (group,), incident.readers)
    return [Reading(*one) for one in every]


def _certainties(uses: Uses) -> list[Certainty]:
    """Return how certain notices may be as a whole: with other cohorts' facts, all may come to be mixed."""
    return [one for one in Certainty if one in uses.certainties or one is Certainty.MIXED]


def _unsaid(incident: Incident, reading: Reading) -> Iterator[str]:
    """Return the places of texts for a reader that say nothing."""
    said = incident.said_to(reading)
    if not _says(said.title) and (said.title or reading.language in incident.title):  # else it has a phrase of ours
        yield f"{said.places['title']}.{reading.language}"
    for block in dict.fromkeys([*CONTENT_BLOCKS, *said.content]):
        if not _says(said.content.get(block, "")):
            yield f"{said.places.get(block, f'content.{block}')}.{reading.language}"


def _read(incident: Incident, uses: Uses) -> list[str]:
    """Return the offered languages that are read: a record's own, or the first where its own is not offered."""
    offered = {_primary(language) for language in incident.languages}
    first = incident.languages[0]
    return [
        language
        for language in incident.languages
        if _primary(language) in uses.languages or (language == first and uses.languages - offered)
    ]


def _categories(incident: Incident, uses: Uses) -> Iterator[tuple[str, Text]]:
    """Return what is said of each category that is used; no advice of its own need be there."""
    for at in Facts(uses.categories, 0).categories():
        category = incident.categories[at] if at < len(incident.categories) else DataCategory("", {})
        yield f"dataCategories[{at}].label", category.label
        if category.advice is not None:
            yield f"dataCategories[{at}].advice", category.advice
        yield from ((f"dataCategories[{at}].adviceFor.{reader}", text) for reader, text in category.advice_for.items())


def _primary(language: str) -> str:
    return language.split("-", 1)[0].lower()


def _says(text: str) -> bool:
    """Tell whether a text says something: a letter or a digit, of any script."""
    return any(map(str.isalnum, text))
