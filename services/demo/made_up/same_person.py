"""The written rule of who is the same person, once more. Pure.

It is written down here apart from Heraut's rooms, from the same words, so that an error there is not repeated in the
check. Members that share an identity (BSN, person key, or the match key of family name, birth date, postcode and house
number) are one person where nothing contradicts:

- A part of the birth date that both know differs: they contradict.
- Else, unless both know year, month and day: both have a family name, and the names share no form.
- Unless both have a number (BSN or person key): initials, given name, house letter or addition differ as far as both
  have them.

What is absent contradicts nothing. A member that agrees with two that contradict each other belongs to neither of them:
it is held.
"""

import re
import unicodedata
from collections.abc import Sequence

from services.demo.made_up.people import Person

__all__ = ["contradict", "identity", "match_key", "number_of", "told_apart"]

_NO_PARTS = ("", "", "")
_WORD = re.compile(r"[^\W\d_]+")
_PREFIXES = frozenset({"van", "de", "der", "den", "ter", "in", "t", "d", "el", "o"})
_UNKNOWN = frozenset({"", "onbekend", "unknown"})
_NOT_DECOMPOSED = str.maketrans({"ł": "l", "ø": "o", "ı": "i", "þ": "th"})  # noqa: RUF001 - a letter of its own


def identity(person: Person) -> str:
    """Return the strongest identity that a record has; records that share none are different people."""
    return number_of(person) or match_key(person)


def number_of(person: Person) -> str:
    """Return the number by which a record names somebody, empty where it has none."""
    return person.bsn or person.person_key


def match_key(person: Person) -> str:
    """Return the identity of a record that has no number."""
    return f"{_plain(person.family_name)} {person.birth_date} {person.postcode} {person.house_number}"


def contradict(one: Person, other: Person) -> bool:
    """Return whether two records that share an identity are of different people."""
    born, also_born = _birth_date(one), _birth_date(other)
    if any(a and b and a != b for a, b in zip(born, also_born, strict=True)):
        return True
    agreed = all(born) and all(also_born)
    if not agreed and _no_form_shared(_forms(one.family_name), _forms(other.family_name)):
        return True
    numbered = number_of(one) and number_of(other)
    return not numbered and _details_differ(one, other)


def told_apart(records: Sequence[Person]) -> tuple[list[list[int]], list[int]]:
    """Return the places of the records of each person, and the places of those that are held as they fit two.

    All records share an identity. The result does not depend on their order.
    """
    everyone = range(len(records))
    agree = [{b for b in everyone if b == a or not contradict(records[a], records[b])} for a in everyone]
    held = [a for a in everyone if any(not agree[a] <= agree[b] for b in agree[a])]
    # Whoever is not held agrees only with members that agree with each other: these sets are equal or do not overlap.
    persons = {frozenset(agree[a].difference(held)) for a in everyone if a not in held}
    return sorted(map(sorted, persons)), held


def _birth_date(person: Person) -> tuple[str, ...]:
    """Return year, month and day, each empty where it is not known: a register writes zeros then."""
    parts = tuple(part if part.strip("0") else "" for part in person.birth_date.split("-"))
    return parts if len(parts) == len(_NO_PARTS) else _NO_PARTS


def _forms(family_name: str) -> set[str]:
    """Return the forms of a family name: the whole, and the parts of a double name."""
    return {_plain(part) for part in (family_name, *family_name.split("-"))} - _UNKNOWN


def _no_form_shared(forms: set[str], others: set[str]) -> bool:
    return bool(forms) and bool(others) and forms.isdisjoint(others)


def _details_differ(one: Person, other: Person) -> bool:
    """Return whether initials, given name, letter or addition differ as far as both have them."""
    initials = zip("".join(_letters(one.initials)), "".join(_letters(other.initials)), strict=False)
    details = (
        (_plain(one.given_name), _plain(other.given_name)),
        (one.house_letter.lower(), other.house_letter.lower()),
        (one.house_number_addition.lower(), other.house_number_addition.lower()),
    )
    return any(a != b for a, b in initials) or any(a and b and a != b for a, b in details)


def _plain(name: str) -> str:
    """Return the letters of a name, without prefixes, case and diacritics."""
    words = _letters(name)
    while len(words) > 1 and words[0] in _PREFIXES:
        del words[0]
    return "".join(words)


def _letters(text: str) -> list[str]:
    """Return the words of a text, without case and diacritics."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _WORD.findall(plain.translate(_NOT_DECOMPOSED))
