"""Who of the members with one pseudonym are the same person. Pure.

Two members contradict each other where both know something and it differs. What is not known contradicts nothing, so
a member that says little may agree with two that contradict each other: it is torn between them, and joins neither.
What an operator said of two records comes before what they say themselves.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from services.core.witnesses import Witnesses, contradict, unpacked
from services.deduplication.judgements import NO_LESSONS, NO_WORD, Lessons, Word, closures

__all__ = ["Groups", "groups_of"]

# Members that are looked at as one: those of a told group, by its number, or who say the same. Of whom an operator said
# something has a node alone, or with those who are one with it.
Node = int | bytes
_ALONE: Final = b"\xff"  # no witnesses begin so


class Groups(NamedTuple):
    """The members of one pseudonym as persons, each group in the order of the members given."""

    together: list[tuple[int, list[bytes]]]  # number of the told group (0 = not told), its members
    torn: list[bytes]  # each a person of its own
    one_with: dict[int, int]  # told groups that are one person with another one, which has the lower number


def groups_of(witnesses: Mapping[bytes, bytes], told: Mapping[bytes, int], word: Word = NO_WORD) -> Groups:
    """Tell persons apart: a function of the set of members, of who was told together, and of what operators said.

    `witnesses` has every member, the oldest first; `told` has the number of the group with which a member was told.
    The room's README says what the groups are.
    """
    numbers, sayings = {*told.values()}, {*witnesses.values()}
    if not word and len(numbers) < 2 and (len(sayings) == 1 or (len(sayings) == 2 and not contradict(*sayings))):
        return Groups([(max(numbers, default=0), [*witnesses])], [], {})
    looked_at = _judged(witnesses, told, word) if word else _Looked({}, {}, set(), NO_LESSONS)
    nodes: dict[Node, list[bytes]] = {}
    for member, said in witnesses.items():
        nodes.setdefault(looked_at.nodes.get(member) or told.get(member) or said, []).append(member)
    profiles = {node: set(map(unpacked, {witnesses[m] for m in members})) for node, members in nodes.items()}
    agreeing = _agreeing(profiles, looked_at.lessons)
    for node, other in _parted(nodes, word):
        agreeing[node].discard(other)
    torn = {n for n in nodes if isinstance(n, bytes) and (n in looked_at.disputed or _is_torn(n, agreeing))}
    one_with = _told_as_one(agreeing)
    one_with |= {number: one_with.get(first, first) for number, first in looked_at.one_with.items()}
    joined: dict[int, list[Node]] = {}
    for number in sorted(numbers - looked_at.one_with.keys()):
        joined.setdefault(one_with.get(number, number), []).append(number)
    apart = []
    classes = _classes([node for node in nodes if isinstance(node, bytes) and node not in torn], agreeing)
    for one in classes:
        if number := _number(one[0], agreeing):
            joined[one_with.get(number, number)] += one
        else:
            apart.append((0, one))
    order = {member: place for place, member in enumerate(witnesses)}
    together = [
        (number, sorted((member for node in theirs for member in nodes[node]), key=order.__getitem__))
        for number, theirs in [*sorted(joined.items()), *apart]
    ]
    return Groups(together, sorted((m for node in torn for m in nodes[node]), key=order.__getitem__), one_with)


class _Looked(NamedTuple):
    """How members are looked at of whom operators said something."""

    nodes: dict[bytes, Node]  # by member
    one_with: dict[int, int]  # told groups that are one with another one by an operator's word
    disputed: set[Node]
    lessons: Lessons


def _judged(witnesses: Mapping[bytes, bytes], told: Mapping[bytes, int], word: Word) -> _Looked:
    sets, disputed = closures(word, told)
    nodes: dict[bytes, Node] = {m: _ALONE + m for m in (*word.one, *word.different) if m not in told}
    one_with: dict[int, int] = {}
    persons = []
    for units in sets:
        groups = sorted(unit for unit in units if isinstance(unit, int))
        members = [m for m in witnesses if (told.get(m) or m) in units]
        nodes.update(dict.fromkeys(members, groups[0] if groups else _ALONE + min(members)))
        one_with.update(dict.fromkeys(groups[1:], groups[0] if groups else 0))
        persons.append({unpacked(witnesses[m]) for m in members})
    return _Looked(nodes, one_with, {_ALONE + unit for unit in disputed if isinstance(unit, bytes)}, Lessons(persons))


def _parted(nodes: Mapping[Node, Sequence[bytes]], word: Word) -> Iterable[tuple[Node, Node]]:
    """Return the nodes of which members were said to be different people, each pair both ways."""
    if not word.different:
        return []
    of = {member: node for node, members in nodes.items() for member in members}
    return [(of[one], of[other]) for one, others in word.different.items() for other in others]


def _agreeing(nodes: Mapping[Node, Collection[Witnesses]], lessons: Lessons) -> dict[Node, set[Node]]:
    """Return with whom each node agrees: with all others that it does not contradict.

    Who knows a whole birth date is compared with those who have the same one, and with those who do not know all of
    theirs: thousands of people under one wrong BSN are not looked at thousands of times each.
    """
    by_birth: dict[bytes | None, list[Node]] = {}
    for node, profiles in nodes.items():
        by_birth.setdefault(_whole_birth(profiles, lessons), []).append(node)
    whole = [node for birth, alike in by_birth.items() if birth for node in alike]
    agreeing: dict[Node, set[Node]] = {node: set() for node in nodes}
    for birth, alike in by_birth.items():
        for at, node in enumerate(alike, 1):
            for other in [*alike[at:], *(() if birth else whole)]:
                if not any(lessons.are_others(one, two) for one in nodes[node] for two in nodes[other]):
                    agreeing[node].add(other)
                    agreeing[other].add(node)
    return agreeing


def _whole_birth(profiles: Iterable[Witnesses], lessons: Lessons) -> bytes | None:
    """Return the birth date of a node if all of its members know all of it, and it is the same, said in one way."""
    births = {profile.birth for profile in profiles}
    birth = births.pop()
    return None if births or 0 in birth or lessons.have(birth) else birth


def _is_torn(node: Node, agreeing: Mapping[Node, set[Node]]) -> bool:
    """Tell whether two that agree with this node contradict each other."""
    near = agreeing[node] | {node}
    return any(not near <= agreeing[other] | {other} for other in agreeing[node])


def _classes(settled: Sequence[bytes], agreeing: Mapping[Node, set[Node]]) -> list[list[Node]]:
    """Return those who agree with each other, who are not torn: for them, agreeing is an equivalence."""
    classes: list[list[Node]] = []
    left: dict[Node, None] = dict.fromkeys(settled)
    for node in settled:
        if node in left:
            classes.append([node, *(agreeing[node] & left.keys())])
            for one in classes[-1]:
                del left[one]
    return classes


def _told_as_one(agreeing: Mapping[Node, set[Node]]) -> dict[int, int]:
    """Return the told groups that are one person with another one: they agree, and with the same ones."""
    told = sorted(node for node in agreeing if isinstance(node, int))
    one_with: dict[int, int] = {}
    for at, number in enumerate(told):
        near = agreeing[number] | {number}
        first = next((one for one in told[:at] if one in near and agreeing[one] | {one} == near), number)
        if first != number:
            one_with[number] = one_with.get(first, first)
    return one_with


def _number(one: Node, agreeing: Mapping[Node, set[Node]]) -> int:
    """Return the told group that a class joins, by one of its nodes: the first that joining does not change; or 0."""
    near = agreeing[one] | {one}
    return min((node for node in near if isinstance(node, int) and agreeing[node] <= near), default=0)
