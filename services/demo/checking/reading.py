"""Reads a notice as its receiver would: whom it greets, which data it says was taken, and how certain that is. Pure."""

import re
from typing import NamedTuple

from services.core.facts import Facts
from services.demo.made_up.incident import CATEGORIES
from services.demo.made_up.people import Person

__all__ = ["Told", "address_block", "greets", "lists_end", "read_notice"]

# The sentences before the list of certain categories and before that of possible ones; a notice has each once at most.
_CERTAIN = ("Dat weten wij zeker:", "We are certain of it:")
_POSSIBLE = ("Dat kunnen wij niet uitsluiten:", "We cannot rule it out:")
# The heading that stands after both lists.
_AFTER = ("Wat kan dit voor u betekenen?", "What can this mean for you?")
_GREETING = re.compile(r"(?:Geachte heer of mevrouw|Dear) ([^\n]{1,120}),\s")
_NUMBER_FIRST = frozenset({"FR"})  # of the countries where somebody made up lives
_REFERENCE = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b")
_LABELS = [labels for _, *labels, _ in CATEGORIES]
_COUNTRIES = {"BE": "BELGIUM", "DE": "GERMANY", "ES": "SPAIN", "FR": "FRANCE"}


class Told(NamedTuple):
    """What a notice says: `facts` (bits are positions in CATEGORIES), the name it greets, and the references in it."""

    facts: Facts
    greeted: str
    references: frozenset[str]


def read_notice(text: str) -> Told:
    """Return what a notice's text says, wherever its lines are broken."""
    greeting = _GREETING.search(text)
    flat = " ".join(text.split())
    certain, possible = _find(flat, _CERTAIN), _find(flat, _POSSIBLE)
    confirmed = _categories(flat, certain, possible if possible > certain else len(flat))
    maybe = _categories(flat, possible, certain if certain > possible else len(flat))
    return Told(
        Facts(confirmed | maybe, confirmed),
        greeting[1] if greeting else "",
        frozenset(_REFERENCE.findall(text)),
    )


def lists_end(text: str) -> bool:
    """Return whether a text has all that its notice says of categories: what follows them is in it."""
    flat = " ".join(text.split())
    return any(heading in flat for heading in _AFTER)


def _find(text: str, sentences: tuple[str, ...]) -> int:
    """Return the position of the first sentence that is found, the text's length where none is."""
    found = [at for at in (text.find(sentence) for sentence in sentences) if at >= 0]
    return min(found, default=len(text))


def _categories(text: str, start: int, end: int) -> int:
    """Return the bits of the categories that a part of the text names."""
    part = text[start:end]
    return sum(1 << at for at, labels in enumerate(_LABELS) if any(label in part for label in labels))


def greets(person: Person, greeted: str) -> bool:
    """Return whether a greeting names this person, by surname or full name."""
    surname = _joined(person.prefix, person.family_name)
    return greeted.lower() in {surname.lower(), _joined(person.initials, surname).lower()}


def address_block(person: Person) -> tuple[str, str, str]:
    """Return the three lines of the envelope (NEN 5825): name, street, place.

    Written apart from dispatch, so that an error there is not repeated here.
    """
    name = _joined(person.initials, person.prefix, person.family_name)
    street = _joined(person.street, _house(person))
    if person.country in _NUMBER_FIRST:
        street = _joined(_house(person), person.street)
    if person.country != "NL":
        return name, street, _joined(person.postcode, person.city.upper())
    return name, street, f"{person.postcode[:4]} {person.postcode[4:]} {person.city.upper()}"


def _house(person: Person) -> str:
    """Return number, letter and addition of a house, as NEN 5825 joins them."""
    number, letter, addition = person.house_number, person.house_letter, person.house_number_addition
    if letter:
        return f"{number} {letter}{addition}"
    if not addition:
        return number
    return f"{number}-{addition}" if addition[0].isdigit() else f"{number} {addition}"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
