"""The gate before every release: what each person must be told (art. 34 GDPR) is there in the words they would read.

A document is taken only with every text in every language; what can still be missing is what was put there to be
written later (`-`, `...`, a space that nobody sees), and the sentences that are not the document's own. Texts do not
differ by certainty, so there is nothing to ask of it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from services.core.facts import Facts
from services.core.incident import CONTENT_BLOCKS, PHRASED_LANGUAGES, DataCategory, Incident, Text
from services.intake.domain import Uses

__all__ = ["Reason", "everything", "gate"]

_MISSING = "is still to be written"
_NO_PHRASES = "is a language in which Heraut has no sentences of its own"


class Reason(NamedTuple):
    """What keeps a release back: a field of the incident document, and what is wrong with it."""

    field: str
    problem: str


def everything(incident: Incident) -> Uses:
    """Return what members use at most, whoever may still come."""
    languages = frozenset(map(_primary, incident.languages))
    return Uses((1 << len(incident.categories)) - 1, languages)


def gate(incident: Incident, uses: Uses) -> list[Reason]:
    """Return what keeps back people who use this of the document; nothing where they can be told."""
    read = _read(incident, uses)
    reasons = [] if _says(incident.title) else [Reason("title", _MISSING)]
    for at, language in enumerate(incident.languages):
        if language in read and _primary(language) not in PHRASED_LANGUAGES:
            reasons.append(Reason(f"languages[{at}]", _NO_PHRASES))
    texts = [*_content(incident), *_categories(incident, uses)] if read else []
    return reasons + [
        Reason(f"{field}.{language}", _MISSING)
        for field, text in texts
        for language in read
        if not _says(text.get(language, ""))
    ]


def _read(incident: Incident, uses: Uses) -> list[str]:
    """Return the offered languages that are read: a record's own, or the first where its own is not offered."""
    offered = {_primary(language) for language in incident.languages}
    first = incident.languages[0]
    return [
        language
        for language in incident.languages
        if _primary(language) in uses.languages or (language == first and uses.languages - offered)
    ]


def _content(incident: Incident) -> Iterator[tuple[str, Text]]:
    for block in CONTENT_BLOCKS:
        yield f"content.{block}", incident.content.get(block, {})


def _categories(incident: Incident, uses: Uses) -> Iterator[tuple[str, Text]]:
    """Return what is said of each category that is used; no advice of its own need be there."""
    for at in Facts(uses.categories, 0).categories():
        category = incident.categories[at] if at < len(incident.categories) else DataCategory("", {})
        yield f"dataCategories[{at}].label", category.label
        if category.advice is not None:
            yield f"dataCategories[{at}].advice", category.advice


def _primary(language: str) -> str:
    return language.split("-", 1)[0].lower()


def _says(text: str) -> bool:
    """Tell whether a text says something: a letter or a digit, of any script."""
    return any(map(str.isalnum, text))
