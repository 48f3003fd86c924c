"""What a reader of an incident's texts would stumble over, found before anybody reads them. Pure.

Word lists by language are in `lint/`. A document may say that a finding is meant so (`exceptions`), with a reason.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from services.core.addressee import AddresseeRole
from services.core.incident import Incident
from services.core.variants import Certainty, Kind, Reading
from services.rendering.texts import Placed, placed_texts
from services.rendering.wording.wording import speaks_of_reader

__all__ = ["CERTAIN_WORDS", "Finding", "asserted", "errors_of", "lint"]

CERTAIN_WORDS = "certain-words"
_CALLED = {
    AddresseeRole.GUARDIAN: "parents or carers of a minor",
    AddresseeRole.NEXT_OF_KIN: "next of kin of somebody who has died",
    AddresseeRole.REPRESENTATIVE: "representative of somebody",
}
_SHOWN = 8  # places named in one finding
_FOLDER = Path(__file__).with_name("lint")
_LONGEST_SENTENCE = 25  # words; plain language (B1) has 10 to 15 on average
_MOST_PASSIVES = 2  # in one text
_SENTENCES = re.compile(r"(?<=[.!?:])\s+|\n+")
_WORDS = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_LINK = re.compile(r"https?://|\bwww\.|\b[a-z0-9-]+\.(?:nl|be|de|eu|com|org|net|info|gov|example)\b", re.IGNORECASE)


class Finding(NamedTuple):
    """What one rule found in one text; `field` is its place in the document."""

    field: str
    rule: str
    problem: str

    def as_json(self) -> dict[str, str]:
        """Return it as it is answered."""
        return self._asdict()


def lint(incident: Incident) -> list[Finding]:
    """Return what would be better otherwise, in the order of the document; what is meant so is left out."""
    found = [Finding(placed.field, *said) for placed in placed_texts(incident) for said in _of_text(placed)]
    found += _one_title(incident)
    uncertain = product(incident.languages, (Certainty.POSSIBLE,), Kind, ("", *incident.groups), incident.readers)
    found += asserted(incident, uncertain)
    found += filter(None, (_unsuited(incident, role) for role in AddresseeRole if role is not AddresseeRole.SELF))
    return [one for one in dict.fromkeys(found) if (one.rule, one.field) not in incident.exceptions]


def errors_of(incident: Incident, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings for which a document is refused: words of certainty in texts for whom nothing is certain."""
    meant = {one.field for one in placed_texts(incident) if one.when.certainty is Certainty.POSSIBLE}
    return [one for one in findings if one.rule == CERTAIN_WORDS and one.field in meant]


def asserted(incident: Incident, readings: Iterable[tuple[str, Certainty, Kind, str, AddresseeRole]]) -> list[Finding]:
    """Return the texts that tell such readers for certain that their data was taken."""
    found = []
    for reading in readings:
        said, language, reader = incident.said_to(Reading(*reading)), reading[0], reading[4]
        for block, text in {"title": said.title, **said.content}.items():
            if any(map(_asserts(language, reader), _SENTENCES.split(text))):
                about = "is read by people of whom it is not certain, and says that their data was taken"
                found.append(Finding(f"{said.places[block]}.{language}", CERTAIN_WORDS, about))
    return [one for one in dict.fromkeys(found) if (one.rule, one.field) not in incident.exceptions]


@cache
def _lists(language: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return loaded


def _known(language: str) -> Mapping[str, Any]:
    return _lists(language.split("-", 1)[0].lower())


def _asserts(language: str, role: AddresseeRole) -> Callable[[str], bool]:
    """Return whether a sentence speaks of the person and of the deed, and leaves no doubt."""
    lists = _known(language)
    person, deed, doubt = (frozenset(lists[name]) for name in ("reader", "deed", "doubt"))
    if role is not AddresseeRole.SELF:
        person |= frozenset(lists["others"])

    def asserts(sentence: str) -> bool:
        words = {word.lower() for word in _WORDS.findall(sentence)}
        return bool(words & person and words & deed) and not words & doubt

    return asserts


def _of_text(placed: Placed) -> Iterator[tuple[str, str]]:
    lists, text = _known(placed.language), placed.text
    if not any(map(str.isalnum, text)):
        yield "missing-text", "is still to be written"
        return
    if _LINK.search(text):
        yield "link", "has an address that mail programs make a link of: say where readers find it themselves"
    for sentence in _SENTENCES.split(text):
        if (count := len(_WORDS.findall(sentence))) > _LONGEST_SENTENCE:
            yield "long-sentence", f"has a sentence of {count} words: more than {_LONGEST_SENTENCE} are hard to read"
    passives = sum(bool(re.search(lists["passive"], one, re.IGNORECASE)) for one in _SENTENCES.split(text))
    if passives > _MOST_PASSIVES:
        yield "passive", f"has {passives} sentences in which nobody does what happens: say who does it"
    yield from _jargon(text, lists["jargon"])
    if placed.block == "title" and placed.when.kind in {None, Kind.FIRST} and not _happens(text, lists["event"]):
        yield "title", "does not say what happened: say it in the words that people use for it"


def _jargon(text: str, jargon: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in jargon:
        if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE):
            yield "jargon", f"has a word that few readers know: {word}"


def _happens(title: str, events: Iterable[str]) -> bool:
    return not {word.lower() for word in _WORDS.findall(title)}.isdisjoint(events)


def _unsuited(incident: Incident, reader: AddresseeRole) -> Finding | None:
    """Return the texts that speak of data as its reader's own, to somebody who reads on somebody's behalf.

    None where there are none.
    """
    readings = product(incident.languages, Certainty, Kind, ("", *incident.groups), (reader,))
    places = [place for reading in readings for place in _speaking(incident, Reading(*reading))]
    places += [place for language in incident.languages for place in _labelled(incident, reader, language)]
    if not places:
        return None
    found = [*dict.fromkeys(places)]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    about = f"the {_CALLED[reader]} would read of somebody else's data as their own: {', '.join(found[:_SHOWN])}{more};"
    hint = f'give variants for "reader": "{reader}", or words that are true whoever reads them'
    return Finding("variants", f"reader-{reader}", f"{about} {hint}")


def _speaking(incident: Incident, reading: Reading) -> Iterator[str]:
    said = incident.said_to(reading)
    for block, text in {"title": said.title, **said.content}.items():
        if block not in said.own and speaks_of_reader(reading.language, text):
            yield f"{said.places[block]}.{reading.language}"


def _labelled(incident: Incident, reader: AddresseeRole, language: str) -> Iterator[str]:
    for at, category in enumerate(incident.categories):
        if speaks_of_reader(language, category.label.get(language, "")):
            yield f"dataCategories[{at}].label.{language}"
        if reader not in category.advice_for and speaks_of_reader(language, category.advice_to(reader, language)):
            yield f"dataCategories[{at}].advice.{language}"


def _one_title(incident: Incident) -> list[Finding]:
    if len(incident.languages) < 2 or len(set(incident.title.values())) > 1:
        return []
    about = "is one text for all languages: give one for each, as {nl, en}"
    return [Finding("title", "same-title", about)]
