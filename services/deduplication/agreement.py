"""Who of the members with one pseudonym are the same person. Pure.

Two members contradict each other where both know something and it differs. What is not known contradicts nothing, so
a member that says little may agree with two that contradict each other: it is torn between them, and joins neither.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from services.core.witnesses import Witnesses, are_others, contradict, unpacked

__all__ = ["Groups", "groups_of"]

Node = int | bytes  # members that are looked at as one: those of a told group, by its number, or who say the same


class Groups(NamedTuple):
    """The members of one pseudonym as persons, each group in the order of the members given."""

    together: list[tuple[int, list[bytes]]]  # number of the told group (0 = not told), its members
    torn: list[bytes]  # each a person of its own
    one_with: dict[int, int]  # told groups that are one person with another one, which has the lower number

    @property
    def persons(self) -> int:
        """How many persons there are."""
        return len(self.together) + len(self.torn)


def groups_of(witnesses: Mapping[bytes, bytes], told: Mapping[bytes, int]) -> Groups:
    """Tell persons apart: a function of the set of members, and of who was told together.

    `witnesses` has every member, the oldest first; `told` has the number of the group with which a member was told.
    The room's README says what the groups are.
    """
    numbers, sayings = {*told.values()}, {*witnesses.values()}
    if len(numbers) < 2 and (len(sayings) == 1 or (len(sayings) == 2 and not contradict(*sayings))):
        return Groups([(max(numbers, default=0), [*witnesses])], [], {})
    nodes: dict[Node, list[bytes]] = {}
    for member, said in witnesses.items():
        nodes.setdefault(told.get(member) or said, []).append(member)
    agreeing = _agreeing(
        {node: set(map(unpacked, {witnesses[member] for member in members})) for node, members in nodes.items()}
    )
    torn = {node for node in nodes if isinstance(node, bytes) and _is_torn(node, agreeing)}
    one_with = _told_as_one(agreeing)
    joined: dict[int, list[Node]] = {}
    for number in sorted(numbers):
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
    return Groups(
        together, [member for member in witnesses if not told.get(member) and witnesses[member] in torn], one_with
    )


def _agreeing(nodes: Mapping[Node, Collection[Witnesses]]) -> dict[Node, set[Node]]:
    """Return with whom each node agrees: with all others that it does not contradict.

    Who knows a whole birth date is compared with those who have the same one, and with those who do not know all of
    theirs: thousands of people under one wrong BSN are not looked at thousands of times each.
    """
    by_birth: dict[bytes | None, list[Node]] = {}
    for node, profiles in nodes.items():
        by_birth.setdefault(_whole_birth(profiles), []).append(node)
    whole = [node for birth, alike in by_birth.items() if birth for node in alike]
    agreeing: dict[Node, set[Node]] = {node: set() for node in nodes}
    for birth, alike in by_birth.items():
        for at, node in enumerate(alike, 1):
            for other in [*alike[at:], *(() if birth else whole)]:
                if not any(are_others(one, two) for one in nodes[node] for two in nodes[other]):
                    agreeing[node].add(other)
                    agreeing[other].add(node)
    return agreeing


def _whole_birth(profiles: Iterable[Witnesses]) -> bytes | None:
    """Return the birth date of a node if all of its members know all of it, and it is the same."""
    births = {profile.birth for profile in profiles}
    birth = births.pop()
    return None if births or 0 in birth else birth


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
