"""Reads a notice as its receiver would: who is greeted, which data it says was taken, and how certain that is. Pure."""

import re
from typing import NamedTuple

from services.core.facts import Facts
from services.demo.incident import CATEGORIES
from services.demo.people import Person

__all__ = ["Told", "address_block", "greets", "read_notice"]

# How a notice begins its list of what is certain, and of what is not; neither stands anywhere else in it.
_CERTAIN = ("Dat weten wij zeker:", "We are certain of it:")
_POSSIBLE = ("Dat kunnen wij niet uitsluiten:", "We cannot rule it out:")
_GREETING = re.compile(r"(?:Geachte heer of mevrouw|Dear) ([^\n]{1,120}),\s")
_REFERENCE = re.compile(r"\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b")
_LABELS = [labels for _, *labels, _, _ in CATEGORIES]
_COUNTRIES = {"BE": "BELGIUM", "DE": "GERMANY", "ES": "SPAIN", "FR": "FRANCE"}


class Told(NamedTuple):
    """What a notice says: `facts` by position in CATEGORIES, the name greeted, and the references it names."""

    facts: Facts
    greeted: str
    references: frozenset[str]


def read_notice(text: str) -> Told:
    """Read a notice's text, however its lines are broken."""
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


def _find(text: str, sentences: tuple[str, ...]) -> int:
    """Return where one of the sentences stands, past the end where none does."""
    found = [at for at in (text.find(sentence) for sentence in sentences) if at >= 0]
    return min(found, default=len(text))


def _categories(text: str, start: int, end: int) -> int:
    part = text[start:end]
    return sum(1 << at for at, labels in enumerate(_LABELS) if any(label in part for label in labels))


def greets(person: Person, greeted: str) -> bool:
    """Tell whether a greeting names this person: by surname, or by full name."""
    surname = _joined(person.prefix, person.family_name)
    return greeted.lower() in {surname.lower(), _joined(person.initials, surname).lower()}


def address_block(person: Person) -> tuple[str, str, str]:
    """Return the three lines of the envelope: name, street, place (NEN 5825), as the generator understands them."""
    name = _joined(person.initials, person.prefix, person.family_name)
    street = _joined(person.street, _house(person))
    if person.country != "NL":
        return name, street, _joined(person.postcode, person.city)
    return name, street, f"{person.postcode[:4]} {person.postcode[4:]} {person.city.upper()}"


def _house(person: Person) -> str:
    number, letter, addition = person.house_number, person.house_letter, person.house_number_addition
    if letter:
        return f"{number} {letter}{addition}"
    if not addition:
        return number
    return f"{number}-{addition}" if addition[0].isdigit() else f"{number} {addition}"


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
