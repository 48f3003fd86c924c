"""What a notice says, from the incident's words, this person's facts and a language. Pure; all channels use it.

The incident document says what happened, in the controller's own words. `phrases/<language>.json` has the sentences
that are the same in every notice. The facts say which data of this person was taken, and what is new in a supplement.
Texts of the incident and names of people are placed as values: only the phrases of this folder are templates.
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
from services.core.notices import Notices
from services.rendering.contact import Contact
from services.rendering.wording.names import full_name, surname

__all__ = [
    "KEPT_WORDINGS",
    "Item",
    "ItemList",
    "PlainKey",
    "Section",
    "Wording",
    "WordingKey",
    "Wordings",
    "compose",
    "date_in",
    "greeting",
    "greeting_in",
    "phrases",
    "plain_website",
    "wording_keys",
]

_FOLDER = Path(__file__).with_name("phrases")
_BUILT_IN = frozenset(path.stem for path in _FOLDER.glob("*.json"))
_DEFAULT = "nl"  # the country that this was built for
# Distinct texts kept: an incident has some dozens of combinations of facts; thousands would be odd.
KEPT_WORDINGS = 4096

Phrases = Mapping[str, Any]


class WordingKey(NamedTuple):
    """What decides every word of a notice but name, reference and date."""

    language: str
    exposed: int
    confirmed: int
    told_exposed: int
    told_confirmed: int
    supplement: bool

    @classmethod
    def of(cls, notices: Notices, row: int) -> "WordingKey":
        """Return the key of one notice."""
        return cls(
            language=notices.languages[row],
            exposed=notices.exposed[row],
            confirmed=notices.confirmed[row],
            told_exposed=notices.told_exposed[row],
            told_confirmed=notices.told_confirmed[row],
            supplement=bool(notices.supersedes[row]),
        )


PlainKey = tuple[str, int, int, int, int, bool]  # the fields of a WordingKey, and equal to it


def wording_keys(notices: Notices) -> list[PlainKey]:
    """Return the key of every notice. They are plain tuples, because one is made for every letter of a wave."""
    columns = (notices.languages, notices.exposed, notices.confirmed, notices.told_exposed, notices.told_confirmed)
    return list(zip(*columns, map(bool, notices.supersedes), strict=True))


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
    """The words of a notice that people share: all but one person's own salutation, references and date."""

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
    """Return a function that writes salutations in a language: for many people, its phrases are looked up once."""
    name_of = surname if words["name_in_greeting"] == "surname" else full_name
    around_name, unnamed = words["dear"].split("{name}"), str(words["dear_unnamed"])

    def write(contact: Contact) -> str:
        name = name_of(contact)
        return name.join(around_name) if name else unnamed

    return write


def compose(incident: Incident, key: WordingKey, *, on_paper: bool) -> Wording:
    """Put a notice into words. `on_paper` speaks of a letter where others speak of a message."""
    language = incident.language_for(key.language)
    words = phrases_for(incident, language)
    sections = (
        Section(words["heading_nature"], (*_block(incident, "nature", language), _when(incident, words))),
        Section(words["heading_data"], _data_notes(words, key), _data(incident, key, language, words)),
        Section(words["heading_consequences"], _block(incident, "consequences", language)),
        Section(words["heading_measures"], _block(incident, "measures", language)),
        Section(words["heading_advice"], _block(incident, "advice", language)),
        Section(words["heading_contact"], (*_block(incident, "contact", language), _reach(incident, words))),
        Section(words["heading_genuine"], _genuine(incident, words, on_paper=on_paper)),
    )
    return Wording(
        language=language,
        subject=incident.title,
        opening=_opening(words, key),
        sections=sections,
        closing=words["closing"],
        sender=incident.controller.name,
        phrases=words,
    )


class Wordings:
    """The wordings made so far, by incident version and key: thousands of people share a few dozen."""

    def __init__(self, *, on_paper: bool) -> None:
        self._on_paper = on_paper
        self._made: dict[tuple[str, int, WordingKey], Wording] = {}

    def of(self, incident: Incident, key: WordingKey) -> Wording:
        """Return the wording of this key, made once."""
        of_version = (incident.incident_id, incident.version, key)
        found = self._made.get(of_version)
        if found is None:
            if len(self._made) >= KEPT_WORDINGS:
                self._made.clear()
            found = self._made[of_version] = compose(incident, key, on_paper=self._on_paper)
        return found


def _in(text: Text, language: str, incident: Incident) -> str:
    return text.get(language) or text.get(incident.languages[0], "")


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.replace("\r\n", "\n").split("\n\n"))
    return tuple(part for part in parts if part)


def _block(incident: Incident, name: str, language: str) -> tuple[str, ...]:
    return _paragraphs(_in(incident.content.get(name, {}), language, incident))


def _opening(words: Phrases, key: WordingKey) -> str:
    if key.supplement:
        return str(words["opening_supplement"])
    return str(words["opening_confirmed" if key.confirmed else "opening_possible"])


def _when(incident: Incident, words: Phrases) -> str:
    known = words["aware"].format(date=date_in(words, incident.aware_at.date()))
    if incident.occurred_at is None:
        return str(known)
    return f"{words['occurred'].format(date=date_in(words, incident.occurred_at.date()))} {known}"


def _data_notes(words: Phrases, key: WordingKey) -> tuple[str, ...]:
    return (words["data_replaces"],) if key.supplement else ()


def _data(incident: Incident, key: WordingKey, language: str, words: Phrases) -> tuple[ItemList, ...]:
    """List this person's data, the certain before the possible; a category unknown to this version is left out."""
    facts = Facts(key.exposed, key.confirmed)
    known = [at for at in facts.categories() if at < len(incident.categories)]
    lists = []
    for certain, lead in ((True, "data_confirmed"), (False, "data_possible")):
        items = tuple(_item(incident, key, at, language, words) for at in known if facts.is_confirmed(at) is certain)
        if items:
            lists.append(ItemList(words[lead], items))
    return tuple(lists)


def _item(incident: Incident, key: WordingKey, at: int, language: str, words: Phrases) -> Item:
    category = incident.categories[at]
    advice = _in(category.advice, language, incident) if category.advice else ""
    return Item(_in(category.label, language, incident), _mark(key, at, words), advice)


def _mark(key: WordingKey, at: int, words: Phrases) -> str:
    if not key.supplement:
        return ""
    if not key.told_exposed >> at & 1:
        return str(words["mark_new"])
    return str(words["mark_certain"]) if (key.confirmed & ~key.told_confirmed) >> at & 1 else ""


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
    """Return a web address as people type it, without scheme or closing slash, so that no program makes it a link."""
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
