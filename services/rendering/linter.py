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

from services.core.incident import Incident
from services.core.variants import Certainty, Kind, Reading
from services.rendering.texts import Placed, placed_texts

__all__ = ["CERTAIN_WORDS", "Finding", "asserted", "errors_of", "lint"]

CERTAIN_WORDS = "certain-words"
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
    found += _same_titles(incident)
    found += asserted(incident, product(incident.languages, (Certainty.POSSIBLE,), Kind, ("", *incident.groups)))
    return [one for one in dict.fromkeys(found) if (one.rule, one.field) not in incident.exceptions]


def errors_of(incident: Incident, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings for which a document is refused: words of certainty in texts for whom nothing is certain."""
    meant = {one.field for one in placed_texts(incident) if one.when.certainty is Certainty.POSSIBLE}
    return [one for one in findings if one.rule == CERTAIN_WORDS and one.field in meant]


def asserted(incident: Incident, readings: Iterable[tuple[str, Certainty, Kind, str]]) -> list[Finding]:
    """Return the texts that tell such readers for certain that their data was taken."""
    found = []
    for reading in readings:
        said, language = incident.said_to(Reading(*reading)), reading[0]
        for block, text in {"title": said.title, **said.content}.items():
            if any(map(_asserts(language), _SENTENCES.split(text))):
                about = "is read by people of whom it is not certain, and says that their data was taken"
                found.append(Finding(f"{said.places[block]}.{language}", CERTAIN_WORDS, about))
    return [one for one in dict.fromkeys(found) if (one.rule, one.field) not in incident.exceptions]


@cache
def _lists(language: str) -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return loaded


def _known(language: str) -> Mapping[str, Any]:
    return _lists(language.split("-", 1)[0].lower())


def _asserts(language: str) -> Callable[[str], bool]:
    """Return whether a sentence speaks of its reader and of the deed, and leaves no doubt."""
    lists = _known(language)
    reader, deed, doubt = (frozenset(lists[name]) for name in ("reader", "deed", "doubt"))

    def asserts(sentence: str) -> bool:
        words = {word.lower() for word in _WORDS.findall(sentence)}
        return bool(words & reader and words & deed) and not words & doubt

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


def _same_titles(incident: Incident) -> list[Finding]:
    if len(incident.languages) < 2 or len(set(incident.title.values())) > 1:
        return []
    about = "is the same in every language: give one for each, as {nl, en}"
    return [Finding("title", "same-title", about)]
