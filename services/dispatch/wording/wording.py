"""What a notice says, from the incident's words, this person's facts and a language. Pure; all channels use it.

The incident document brings what happened in its own words; `phrases/<language>.json` brings what is the
same in every notice. Which data of *this* person, and what is new in a supplement, comes from the facts.
Both are used as values only: no text is ever run as a template but the phrases of this folder.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from services.core.facts import Facts
from services.core.incident import Incident, Text
from services.dispatch.domain import Contact
from services.dispatch.letters.address import full_name, surname

__all__ = [
    "Item",
    "ItemList",
    "Said",
    "Section",
    "Wording",
    "Wordings",
    "compose",
    "date_in",
    "greeting",
    "greeting_in",
    "phrases",
]

_FOLDER = Path(__file__).with_name("phrases")
_BUILT_IN = frozenset(path.stem for path in _FOLDER.glob("*.json"))
_DEFAULT = "nl"  # the country that this was built for
# Distinct texts kept: an incident has some dozens of combinations of facts; thousands would be odd.
_KEPT = 4096

Phrases = Mapping[str, Any]


class Said(NamedTuple):
    """What decides every word of a notice but name, reference and date."""

    language: str
    exposed: int
    confirmed: int
    told_exposed: int
    told_confirmed: int
    supplement: bool


@dataclass(frozen=True, slots=True)
class Item:
    """One category of this person's data; `mark` says what is new about it."""

    label: str
    mark: str
    advice: str


@dataclass(frozen=True, slots=True)
class ItemList:
    """Categories of one certainty, with the sentence that says which."""

    lead: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs, or with lists."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    lists: tuple[ItemList, ...] = ()


@dataclass(frozen=True, slots=True)
class Wording:
    """A notice but for what is one person's own: salutation, references, date."""

    language: str
    subject: str
    opening: str
    sections: tuple[Section, ...]
    closing: str
    sender: str
    phrases: Phrases


@cache
def phrases(language: str) -> Phrases:
    """Return the built-in phrases of a language (a tag whose primary subtag is built in). Raises KeyError."""
    primary = language.split("-", 1)[0].lower()
    if primary not in _BUILT_IN:
        raise KeyError(language)
    loaded: Phrases = json.loads((_FOLDER / f"{primary}.json").read_text(encoding="utf-8"))
    return loaded


def phrases_for(incident: Incident, language: str) -> Phrases:
    """Return the phrases for `language`, else for the first of the incident's languages that is built in."""
    for tag in (language, *incident.languages, _DEFAULT):
        if tag.split("-", 1)[0].lower() in _BUILT_IN:
            return phrases(tag)
    raise KeyError(language)


def date_in(words: Phrases, day: date) -> str:
    """Write a date out: `6 juli 2025`."""
    return str(words["date"]).format(day=day.day, month=words["months"][day.month - 1], year=day.year)


def greeting(words: Phrases, contact: Contact) -> str:
    """Return the salutation. Nobody's gender is known, so none is guessed."""
    return greeting_in(words)(contact)


def greeting_in(words: Phrases) -> Callable[[Contact], str]:
    """Return what writes salutations in a language, for many people: its phrases are looked up once."""
    name_of = surname if words["name_in_greeting"] == "surname" else full_name
    around_name, unnamed = words["dear"].split("{name}"), str(words["dear_unnamed"])

    def write(contact: Contact) -> str:
        name = name_of(contact)
        return name.join(around_name) if name else unnamed

    return write


def compose(incident: Incident, said: Said, *, on_paper: bool) -> Wording:
    """Put a notice into words. `on_paper` speaks of a letter where others speak of a message."""
    language = incident.language_for(said.language)
    words = phrases_for(incident, language)
    sections = (
        Section(words["heading_nature"], (*_block(incident, "nature", language), _when(incident, words))),
        Section(words["heading_data"], _data_notes(words, said), _data(incident, said, language, words)),
        Section(words["heading_consequences"], _block(incident, "consequences", language)),
        Section(words["heading_measures"], _block(incident, "measures", language)),
        Section(words["heading_advice"], _block(incident, "advice", language)),
        Section(words["heading_contact"], (*_block(incident, "contact", language), _reach(incident, words))),
        Section(words["heading_genuine"], _genuine(incident, words, on_paper=on_paper)),
    )
    return Wording(
        language=language,
        subject=incident.title,
        opening=_opening(words, said),
        sections=sections,
        closing=words["closing"],
        sender=incident.controller.name,
        phrases=words,
    )


class Wordings:
    """Wordings made so far of the incident versions in use: thousands of people share a few dozen."""

    def __init__(self, *, on_paper: bool) -> None:
        self._on_paper = on_paper
        self._made: dict[tuple[str, int, Said], Wording] = {}

    def of(self, incident: Incident, said: Said) -> Wording:
        """Return the wording of these facts in this language."""
        key = (incident.incident_id, incident.version, said)
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            found = self._made[key] = compose(incident, said, on_paper=self._on_paper)
        return found


def _in(text: Text, language: str, incident: Incident) -> str:
    return text.get(language) or text.get(incident.languages[0], "")


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.replace("\r\n", "\n").split("\n\n"))
    return tuple(part for part in parts if part)


def _block(incident: Incident, name: str, language: str) -> tuple[str, ...]:
    return _paragraphs(_in(incident.content.get(name, {}), language, incident))


def _opening(words: Phrases, said: Said) -> str:
    if said.supplement:
        return str(words["opening_supplement"])
    return str(words["opening_confirmed" if said.confirmed else "opening_possible"])


def _when(incident: Incident, words: Phrases) -> str:
    known = words["aware"].format(date=date_in(words, incident.aware_at.date()))
    if incident.occurred_at is None:
        return str(known)
    return f"{words['occurred'].format(date=date_in(words, incident.occurred_at.date()))} {known}"


def _data_notes(words: Phrases, said: Said) -> tuple[str, ...]:
    return (words["data_replaces"],) if said.supplement else ()


def _data(incident: Incident, said: Said, language: str, words: Phrases) -> tuple[ItemList, ...]:
    """List this person's data, the certain before the possible; a category unknown to this version is left out."""
    facts = Facts(said.exposed, said.confirmed)
    known = [at for at in facts.categories() if at < len(incident.categories)]
    lists = []
    for certain, lead in ((True, "data_confirmed"), (False, "data_possible")):
        items = tuple(_item(incident, said, at, language, words) for at in known if facts.is_confirmed(at) is certain)
        if items:
            lists.append(ItemList(words[lead], items))
    return tuple(lists)


def _item(incident: Incident, said: Said, at: int, language: str, words: Phrases) -> Item:
    category = incident.categories[at]
    advice = _in(category.advice, language, incident) if category.advice else ""
    return Item(_in(category.label, language, incident), _mark(said, at, words), advice)


def _mark(said: Said, at: int, words: Phrases) -> str:
    if not said.supplement:
        return ""
    if not said.told_exposed >> at & 1:
        return str(words["mark_new"])
    return str(words["mark_certain"]) if (said.confirmed & ~said.told_confirmed) >> at & 1 else ""


def _reach(incident: Incident, words: Phrases) -> str:
    sender = incident.controller
    return str(words["reach"]).format(controller=sender.name, phone=sender.phone, email=sender.email)


def _genuine(incident: Incident, words: Phrases, *, on_paper: bool) -> tuple[str, ...]:
    """Say how to check that the notice is genuine: by calling or typing an address oneself, never by a link."""
    sender = incident.controller
    if sender.website:
        call = words["genuine_call_or_type"].format(phone=sender.phone, website=plain_website(sender.website))
    else:
        call = words["genuine_call"].format(phone=sender.phone)
    return (words["genuine_letter" if on_paper else "genuine_message"], call)


def plain_website(address: str) -> str:
    """Return a web address as one types it: without scheme or closing slash, so that nothing makes it a link."""
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
