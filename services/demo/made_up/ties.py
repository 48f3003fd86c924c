"""Which identities are one person's by the written rule, once more and apart from Heraut's rooms. Pure.

A record that has a number (BSN or person key) and a whole match key shows that both may be one person's. They are where
- no record with that match key and another number could be of whoever is known by the match key alone: nothing
  contradicts, see `same_person.py`; and
- two such records know initials, or a given name: what makes up a match key could be a twin's as well.
All else is proposed at most, and whoever is proposed to be somebody is told as a person of their own.
"""

from collections.abc import Iterable, Sequence

from services.demo.made_up.people import Person
from services.demo.made_up.same_person import contradict, match_key, number_of

__all__ = ["ties"]


def ties(records: Iterable[Person]) -> dict[str, str]:
    """Return the numbers to which match keys are tied, by match key."""
    numbered, unnumbered = [], dict[str, list[Person]]()
    for record in records:
        if number_of(record):
            numbered.append(record)
        else:
            unnumbered.setdefault(match_key(record), []).append(record)
    doors = {_door(record) for theirs in unnumbered.values() for record in theirs}
    near: dict[str, list[Person]] = {}
    for record in numbered:
        if _door(record) in doors and _is_whole(record):
            near.setdefault(match_key(record), []).append(record)
    found = ((key, _tied_to(unnumbered[key], theirs)) for key, theirs in near.items() if key in unnumbered)
    return {key: number for key, number in found if number}


def _tied_to(without: Sequence[Person], numbered: Sequence[Person]) -> str:
    """Return the number that is the person's of these records without one, empty where that is in doubt."""
    pairs = [(one, other) for one in without for other in numbered if not contradict(one, other)]
    numbers = {number_of(other) for _, other in pairs}
    named = any((one.initials and other.initials) or (one.given_name and other.given_name) for one, other in pairs)
    return numbers.pop() if named and len(numbers) == 1 else ""


def _door(person: Person) -> tuple[str, str]:
    return person.postcode, person.house_number


def _is_whole(person: Person) -> bool:
    """Return whether a record with a number has a whole match key too."""
    born = person.birth_date.split("-")
    return bool(person.family_name and person.postcode and person.house_number) and all(p.strip("0") for p in born)
