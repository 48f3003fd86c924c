"""What a notice says, from the incident's words, this person's facts and a language. Pure; all channels use it.

The incident document says what happened, in the controller's own words. `phrases/<language>.json` has the sentences
that are the same in every notice. The facts say which data of this person was taken, and what is new in a supplement.
Texts of the incident and names of people are placed as values: only the phrases of this folder are templates.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from services.core.addressee import AddresseeRole
from services.core.days import day_here
from services.core.facts import Facts
from services.core.incident import Incident
from services.core.variants import Certainty, Kind, Reading, Said, certainty_of
from services.rendering.told import Told
from services.rendering.wording.addressees import role_of, roles_of

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
    "phrases",
    "plain_website",
    "speaks_of_reader",
    "spoken_to",
    "wording_keys",
]

_FOLDER = Path(__file__).with_name("phrases")
_BUILT_IN = frozenset(path.stem for path in _FOLDER.glob("*.json"))
# Distinct texts kept: an incident has some dozens of combinations of facts; thousands would be odd.
KEPT_WORDINGS = 4096

Phrases = Mapping[str, Any]
_OTHERS = "_others"  # ends the names of phrases for those who read on somebody's behalf


class WordingKey(NamedTuple):
    """What decides every word of a notice but name, reference and date."""

    language: str
    exposed: int
    confirmed: int
    told_exposed: int
    told_confirmed: int
    supplement: bool
    group: str = ""
    role: str = ""  # of who reads it

    @property
    def certainty(self) -> Certainty:
        """How certain its facts are as a whole."""
        return certainty_of(self.exposed, self.confirmed)

    @property
    def kind(self) -> Kind:
        """What it is to the notice before."""
        if self.wrong or self.uncertain:
            return Kind.CORRECTION
        return Kind.SUPPLEMENT if self.supplement else Kind.FIRST

    @property
    def reader(self) -> AddresseeRole:
        """What its reader is to the person."""
        return AddresseeRole(self.role or AddresseeRole.SELF)

    @property
    def is_of_nobody(self) -> bool:
        """Whether nothing is left of what somebody was told: their data was not taken."""
        return self.kind is Kind.CORRECTION and not self.exposed

    @property
    def wrong(self) -> int:
        """The categories that the person was told of and that do not hold (any more)."""
        return self.told_exposed & ~self.exposed if self.supplement else 0

    @property
    def uncertain(self) -> int:
        """The categories that the person was told were certainly taken, and that are only possible now."""
        return self.told_confirmed & ~self.confirmed & self.exposed if self.supplement else 0

    @classmethod
    def of(cls, told: Told, row: int) -> "WordingKey":
        """Return the key of one notice."""
        notices = told.notices
        return cls(
            language=notices.languages[row],
            exposed=notices.exposed[row],
            confirmed=notices.confirmed[row],
            told_exposed=notices.told_exposed[row],
            told_confirmed=notices.told_confirmed[row],
            supplement=bool(notices.supersedes[row]),
            group=told.groups.get(notices.cohorts[row], ""),
            role=role_of(told, row),
        )


PlainKey = tuple[str, int, int, int, int, bool, str, str]  # the fields of a WordingKey, and equal to it


def wording_keys(told: Told) -> list[PlainKey]:
    """Return the key of every notice. They are plain tuples, because one is made for every letter of a wave."""
    notices, groups = told.notices, told.groups
    group = [groups.get(cohort, "") for cohort in notices.cohorts] if groups else repeat("", len(notices))
    columns = (notices.languages, notices.exposed, notices.confirmed, notices.told_exposed, notices.told_confirmed)
    return list(zip(*columns, map(bool, notices.supersedes), group, roles_of(told), strict=True))


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
    earlier: str  # what the reference of the notice before is called
    opening: tuple[str, ...]  # paragraphs
    sections: tuple[Section, ...]
    closing: str
    sender: str
    phrases: Phrases
    signatory: tuple[str, ...] = ()
    role: str = ""  # of its reader


@cache
def phrases(language: str) -> Phrases:
    """Return the built-in phrases of a language (a tag whose primary subtag is built in). Raises KeyError."""
    primary = language.split("-", 1)[0].lower()
    if primary not in _BUILT_IN:
        raise KeyError(language)
    loaded: Phrases = json.loads((_FOLDER / f"{primary}.json").read_text(encoding="utf-8"))
    return loaded


@cache
def spoken_to(language: str, reader: AddresseeRole) -> Phrases:
    """Return the phrases of a language as they are said to a reader: whose data it is stands in them."""
    words = phrases(language)
    others = {key.removesuffix(_OTHERS): text for key, text in words.items() if key.endswith(_OTHERS)}
    spoken = {**words, **({} if reader is AddresseeRole.SELF else others)}
    of, data = words[f"of_{reader}"], words[f"data_of_{reader}"]
    return {
        key: text.replace("{of}", of).replace("{data}", data) if isinstance(text, str) else text
        for key, text in spoken.items()
    }


def speaks_of_reader(language: str, text: str) -> bool:
    """Tell whether a text speaks of something as its reader's own: read on somebody's behalf, that is wrong."""
    return bool(re.search(phrases(language)["speaks_of_reader"], text, re.IGNORECASE))


def date_in(words: Phrases, day: date) -> str:
    """Write a date out: `6 juli 2025`."""
    return str(words["date"]).format(day=day.day, month=words["months"][day.month - 1], year=day.year)


def compose(incident: Incident, key: WordingKey, *, on_paper: bool) -> Wording:
    """Put a notice into words. `on_paper` speaks of a letter where others speak of a message."""
    language = incident.language_for(key.language)
    words = spoken_to(language, key.reader)
    said = incident.said_to(Reading(language, key.certainty, key.kind, key.group, key.reader))
    sections = (
        *_apology(said, key, words),
        *_corrected(incident, key, language, words),
        *_breach(incident, said, key, words),
        Section(words["heading_contact"], (*_block(said, "contact"), _reach(incident, words))),
        Section(words["heading_genuine"], _genuine(incident, words, on_paper=on_paper)),
    )
    return Wording(
        language=language,
        subject=_subject(said, key, language, words),
        earlier=words["label_corrected" if key.kind is Kind.CORRECTION else "label_earlier"],
        opening=tuple(_opening(incident, said, key, language, words)),
        sections=sections,
        closing=words["closing"],
        sender=incident.controller.name,
        phrases=words,
        signatory=tuple((incident.controller.signatory or "").splitlines()),
        role=key.role,
    )


def _apology(said: Said, key: WordingKey, words: Phrases) -> tuple[Section, ...]:
    """Return the incident's apology; who is told that nothing was taken had one for being told otherwise."""
    return () if key.is_of_nobody else _extra(said, "apology", words["heading_apology"])


def _breach(incident: Incident, said: Said, key: WordingKey, words: Phrases) -> tuple[Section, ...]:
    """Return what is told of a breach; nothing of it is said to somebody of whom nothing was taken."""
    if key.is_of_nobody:
        return ()
    language = incident.language_for(key.language)
    return (
        Section(words["heading_nature"], (*_block(said, "nature"), _when(incident, words))),
        Section(words["heading_data"], _data_notes(words, key), _data(incident, key, language, words)),
        *_extra(said, "notTaken", words["heading_not_taken"]),
        *_extra(said, "whereNow", words["heading_where_now"]),
        Section(words["heading_consequences"], _block(said, "consequences")),
        Section(words["heading_measures"], _block(said, "measures")),
        Section(words["heading_advice"], _block(said, "advice")),
    )


def _corrected(incident: Incident, key: WordingKey, language: str, words: Phrases) -> tuple[Section, ...]:
    """Say what of the notice before does not hold: of which data nothing was taken, and what is less certain."""
    if key.kind is not Kind.CORRECTION:
        return ()
    lists = []
    for categories, lead in ((key.wrong, "corrected_wrong"), (key.uncertain, "corrected_uncertain")):
        known = [at for at in Facts(categories, 0).categories() if at < len(incident.categories)]
        if known:
            items = tuple(Item(incident.categories[at].label.get(language, ""), "", "") for at in known)
            lists.append(ItemList(words[lead], items))
    rest = words["corrected_rest" if key.exposed else "corrected_all"]
    return (Section(words["heading_corrected"], (rest,), tuple(lists)),)


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


def _paragraphs(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.replace("\r\n", "\n").split("\n\n"))
    return tuple(part for part in parts if part)


def _block(said: Said, name: str) -> tuple[str, ...]:
    return _paragraphs(said.content.get(name, ""))


def _extra(said: Said, name: str, heading: str) -> tuple[Section, ...]:
    """Return the section of a block that need not be there."""
    paragraphs = _block(said, name)
    return (Section(heading, paragraphs),) if paragraphs else ()


def _subject(said: Said, key: WordingKey, language: str, words: Phrases) -> str:
    """Return the subject. Whoever gets a second notice sees by it that it is not the first one again.

    A title of another language stands above no notice, and one that speaks of its reader's data is not for those who
    read on somebody's behalf.
    """
    title, names_kind = said.title, said.titled.kind is not None
    if not title or (key.role and "title" not in said.own and speaks_of_reader(language, title)):
        title, names_kind = str(words["subject_untitled"]), False
    if key.is_of_nobody and not names_kind:
        return str(words["subject_not_taken"])
    if key.supplement and not names_kind:
        return str(words[f"subject_{key.kind.value}"]).format(title=title)
    return title


def _opening(incident: Incident, said: Said, key: WordingKey, language: str, words: Phrases) -> Iterator[str]:
    """Return how a notice begins; whoever reads it for somebody else is told so first."""
    if key.role:
        yield words[f"about_{key.role}"]
    opening = words[f"opening_{key.kind.value if key.supplement else key.certainty.value}"]
    yield opening if key.supplement else f"{opening} {words['outline']}"
    if key.role and any(speaks_of_reader(language, text) for text in _for_everybody(incident, said, key, language)):
        yield words["read_as"]


def _for_everybody(incident: Incident, said: Said, key: WordingKey, language: str) -> Iterator[str]:
    """Return the texts of a notice that were written for everybody, and not for what its reader is."""
    blocks = ["contact"] if key.is_of_nobody else said.content
    yield from (said.content[block] for block in blocks if block in said.content and block not in said.own)
    for at in Facts(key.exposed | key.wrong, 0).categories():
        if at < len(incident.categories):
            category = incident.categories[at]
            yield category.label.get(language, "")
            yield "" if key.reader in category.advice_for else category.advice_to(key.reader, language)


def _when(incident: Incident, words: Phrases) -> str:
    known = words["aware"].format(date=date_in(words, day_here(incident.aware_at)))
    if incident.occurred_at is None:
        return str(known)
    return f"{words['occurred'].format(date=date_in(words, day_here(incident.occurred_at)))} {known}"


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
    return Item(category.label.get(language, ""), _mark(key, at, words), category.advice_to(key.reader, language))


def _mark(key: WordingKey, at: int, words: Phrases) -> str:
    if not key.supplement:
        return ""
    if not key.told_exposed >> at & 1:
        return str(words["mark_new"])
    return str(words["mark_certain"]) if (key.confirmed & ~key.told_confirmed) >> at & 1 else ""


def _reach(incident: Incident, words: Phrases) -> str:
    sender = incident.controller
    reach = str(words["reach"]).format(controller=sender.name, phone=sender.phone, email=sender.email)
    return f"{reach} {words['reach_abroad'].format(phone=sender.phone_abroad)}" if sender.phone_abroad else reach


def _genuine(incident: Incident, words: Phrases, *, on_paper: bool) -> tuple[str, ...]:
    """Say how to check that the notice is genuine: in a place that its reader finds without it, never by a link."""
    sender = incident.controller
    check = words["genuine_find"].format(controller=sender.name)
    if sender.website:
        check = words["genuine_find_or_type"].format(controller=sender.name, website=plain_website(sender.website))
    return (words["genuine_letter" if on_paper else "genuine_message"], check)


def plain_website(address: str) -> str:
    """Return a web address as people type it, without scheme or closing slash, so that no program makes it a link."""
    return address.removeprefix("https://").removeprefix("http://").rstrip("/")
