"""What operators said of records: that two are one person's, or different people's. Pure.

A judgement is about records as they were when they were looked at: it holds for that version of each, and for any other
one that says the same of whom it is about. The room's README says what follows from it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import combinations, permutations
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from services.core.witnesses import Witnesses, are_others, differ

__all__ = [
    "NO_JUDGEMENTS",
    "NO_LESSONS",
    "NO_WORD",
    "Judged",
    "Judgement",
    "Judgements",
    "Lessons",
    "Seen",
    "Word",
    "closures",
]

_FORMS, _BIRTH, _INITIALS, _LAST = 1, 2, 3, 6  # places in `Witnesses`
_UNKNOWN: Final[tuple[Any, ...]] = (None, frozenset(), bytes(3), b"", b"", b"", b"")

Unit = int | bytes  # members that stay together whatever is said: a told group, by its number, or one member


class Seen(NamedTuple):
    """A record as an operator saw it."""

    member: bytes
    version: int
    witnesses: bytes = b""  # empty = only this version is meant

    def is_still(self, version: int, witnesses: bytes) -> bool:
        """Tell whether a version of the record, with these witnesses, says the same of whom it is about."""
        return self.version == version or bool(self.witnesses and self.witnesses == witnesses)


class Judgement(NamedTuple):
    """What was said last of two records."""

    one: Seen
    other: Seen
    are_one: bool


class Judged(NamedTuple):
    """What an operator said of records at once, as it was heard: it holds of each two of them.

    Of two records the highest number holds, and that it was undone comes after it was said.
    """

    number: int
    are_one: bool
    undone: bool
    seen: Sequence[Seen]
    pseudonyms: Sequence[bytes]

    def pairs(self) -> list[tuple[Seen, Seen]]:
        """Return each two of the records, in the order of their ids."""
        return list(combinations(sorted(self.seen), 2))


class Word(NamedTuple):
    """What was said of members that are looked at together: with whom each is one, and from whom it differs."""

    one: Mapping[bytes, AbstractSet[bytes]] = MappingProxyType({})
    different: Mapping[bytes, AbstractSet[bytes]] = MappingProxyType({})

    def __bool__(self) -> bool:
        return bool(self.one or self.different)

    def part(self, some: Iterable[bytes], others: Collection[bytes]) -> bool:
        """Tell whether one of the first was said to be somebody else than one of the others."""
        return any(not self.different[one].isdisjoint(others) for one in some if one in self.different)


NO_WORD: Final = Word()


class Judgements:
    """What was said last of an incident's members, at least of those at hand."""

    def __init__(self, judgements: Iterable[Judgement] = ()) -> None:
        self._by_member: dict[bytes, list[Judgement]] = {}
        for judgement in judgements:
            for seen in (judgement.one, judgement.other):
                self._by_member.setdefault(seen.member, []).append(judgement)

    def __bool__(self) -> bool:
        return bool(self._by_member)

    def concern(self, members: Iterable[bytes]) -> bool:
        """Tell whether something was said of one of these members."""
        return not self._by_member.keys().isdisjoint(members)

    def word_on(self, members: Mapping[bytes, tuple[int, bytes]]) -> Word:
        """Return what holds of members, each with its version and witnesses."""
        one: dict[bytes, set[bytes]] = {}
        different: dict[bytes, set[bytes]] = {}
        for member in self._by_member.keys() & members.keys():
            for first, second, are_one in self._by_member[member]:
                if all(seen.member in members and seen.is_still(*members[seen.member]) for seen in (first, second)):
                    other = second.member if first.member == member else first.member
                    (one if are_one else different).setdefault(member, set()).add(other)
        return Word(one, different)


NO_JUDGEMENTS: Final = Judgements()


def closures(word: Word, told: Mapping[bytes, int]) -> tuple[list[set[Unit]], set[Unit]]:
    """Return who is one person by an operator's word, and of whom two were said to be different all the same.

    Those who were told together stay together, whatever is said of them.
    """
    whole: dict[Unit, set[Unit]] = {}
    for one, others in word.one.items():
        for other in others:
            units = [told.get(each) or each for each in (one, other)]
            joined = set[Unit]().union(*(whole.get(unit, {unit}) for unit in units))
            whole.update(dict.fromkeys(joined, joined))
    disputed: set[Unit] = set()
    for one, others in word.different.items():
        mine: Unit = told.get(one) or one
        for other in others:
            theirs: Unit = told.get(other) or other
            if mine != theirs and theirs in whole.get(mine, ()):
                disputed |= whole[mine]
    sets = {id(part): part for unit, part in whole.items() if unit not in disputed}
    return list(sets.values()), disputed


class Lessons:
    """What is known to be said of one person in two ways, since an operator said that two records are one person's.

    Whatever contradicts in them counts as the same, wherever else it is said in the same words: so a third record that
    says what one of the two says is no other person's than before.
    """

    def __init__(self, persons: Iterable[Collection[Witnesses]]) -> None:
        self._ways: dict[tuple[int, Any], set[Any]] = {}
        for profiles in persons:
            for place in range(_FORMS, _LAST + 1):
                said = {profile[place] for profile in profiles} - {_UNKNOWN[place]}
                for value, other in permutations(said, 2):
                    if _clash(place, value, other):
                        self._ways.setdefault((place, value), {value}).add(_filled(place, other, value))

    def have(self, birth: bytes) -> bool:
        """Tell whether a date of birth is known to be said in another way."""
        return (_BIRTH, birth) in self._ways

    def are_others(self, one: Witnesses, other: Witnesses) -> bool:
        """Tell whether two cannot be the same person (`core.witnesses.are_others`), with what is known of each way."""
        return are_others(one, other) and not (self._ways and self._explain(one, other))

    def _explain(self, one: Witnesses, other: Witnesses) -> bool:
        births = [pair for pair in self._pairs(_BIRTH, one, other) if not differ(*pair)]
        if not births:
            return False
        if not any(mine == theirs and 0 not in mine for mine, theirs in births):
            mine, theirs = (frozenset().union(*self._said(_FORMS, each)) for each in (one, other))
            if mine and theirs and mine.isdisjoint(theirs):
                return False
        if one.identified and other.identified:
            return True
        return all(
            any(not _clash(place, *pair) for pair in self._pairs(place, one, other))
            for place in range(_INITIALS, _LAST + 1)
        )

    def _pairs(self, place: int, one: Witnesses, other: Witnesses) -> list[tuple[Any, Any]]:
        return [(mine, theirs) for mine in self._said(place, one) for theirs in self._said(place, other)]

    def _said(self, place: int, profile: Witnesses) -> Collection[Any]:
        return self._ways.get((place, profile[place])) or (profile[place],)


NO_LESSONS: Final = Lessons(())


def _clash(place: int, one: Any, other: Any) -> bool:
    """Tell whether two values of one part cannot both be right."""
    if place == _FORMS:
        return one.isdisjoint(other) and bool(one and other)
    if place in {_BIRTH, _INITIALS}:
        return differ(one, other)
    return one != other and bool(one and other)


def _filled(place: int, value: Any, known: Any) -> Any:
    """Return a value with what it leaves open as it is known: it explains no more than where the two differ."""
    if place in {_BIRTH, _INITIALS}:
        return bytes(new or old for new, old in zip(value, known, strict=True))
    return value
