"""Witnesses: short keyed hashes of what a record says of somebody, by which two records are seen to disagree.

They travel beside the pseudonym, and are stored with the member. Two records contradict each other where both know
something and it differs; what is not known contradicts nothing. A member's are packed as: a head (one byte), the
forms of its family name (3 bytes each, 4 at most), year, month and day of birth (a byte each), and then those parts
that the head names. What is not known is left out; of the birth date, it is a zero.

A false agreement is at most one in a million. Year, month, day and initials have few values, so each value has a byte
of its own, and no two share one. Anything else is 24 bits: with four forms on both sides, sixteen chances in 2^24.
"""

from typing import Final, NamedTuple

__all__ = [
    "HASH_BYTES",
    "IDENTIFIED",
    "INITIALS",
    "LENGTHS",
    "MAX_FORMS",
    "NO_WITNESSES",
    "PARTS",
    "Witnesses",
    "are_others",
    "contradict",
    "differ",
    "is_bare",
    "unpacked",
]

MAX_FORMS: Final = 4
HASH_BYTES: Final = 3
INITIALS: Final = 4  # those that are compared
_FORMS: Final = 7  # the bits of the head that count the forms of the family name
IDENTIFIED: Final = 128  # the pseudonym was made from a BSN or a person key, not from name, birth date and address
# The parts that the head names, with their lengths, in the order in which they follow the birth date.
PARTS: Final = {8: INITIALS, 16: HASH_BYTES, 32: HASH_BYTES, 64: HASH_BYTES}
_BIRTH: Final = 3
_NO_BIRTH: Final = bytes(_BIRTH)


def _length(head: int) -> int:
    forms = head & _FORMS
    parts = sum(size for bit, size in PARTS.items() if head & bit)
    return 1 + forms * HASH_BYTES + _BIRTH + parts if forms <= MAX_FORMS else 0


LENGTHS: Final = tuple(map(_length, range(256)))  # of all witnesses of a member, by their head; 0 = no such head
NO_WITNESSES: Final = bytes(LENGTHS[0])


class Witnesses(NamedTuple):
    """What is known of somebody; empty bytes, or a zero of the birth date = not known."""

    identified: bool
    forms: frozenset[bytes]
    birth: bytes  # year, month, day
    initials: bytes  # a byte each, zeros after the last
    given_name: bytes
    house_letter: bytes
    addition: bytes


def unpacked(packed: bytes) -> Witnesses:
    """Return the parts of one member's witnesses."""
    head = packed[0]
    at = 1 + (head & _FORMS) * HASH_BYTES
    forms = frozenset(packed[begin : begin + HASH_BYTES] for begin in range(1, at, HASH_BYTES))
    birth = packed[at : at + _BIRTH]
    at += _BIRTH
    parts = []
    for bit, size in PARTS.items():
        size = size if head & bit else 0  # noqa: PLW2901 - as long as it is here
        parts.append(packed[at : at + size])
        at += size
    return Witnesses(bool(head & IDENTIFIED), forms, birth, *parts)


def is_bare(packed: bytes) -> bool:
    """Tell whether a record says neither a name nor anything of a birth date: it is known by its pseudonym alone."""
    return not packed[0] & _FORMS and packed[1 : 1 + _BIRTH] == _NO_BIRTH


def contradict(one: bytes, other: bytes) -> bool:
    """Tell whether two members, by their packed witnesses, cannot be the same person."""
    return one != other and are_others(unpacked(one), unpacked(other))


def are_others(one: Witnesses, other: Witnesses) -> bool:
    """Tell whether two cannot be the same person; README of deduplication has the rule.

    A birth date and a family name are looked at always. Initials and what else tells twins and neighbours apart count
    unless a number is known of both: then it says more than how somebody writes a name.
    """
    if differ(one.birth, other.birth):
        return True
    born_alike = one.birth == other.birth and 0 not in one.birth
    if not born_alike and one.forms and other.forms and one.forms.isdisjoint(other.forms):
        return True
    if one.identified and other.identified:
        return False
    return differ(one.initials, other.initials) or any(
        mine and theirs and mine != theirs for mine, theirs in zip(one[4:], other[4:], strict=True)
    )


def differ(one: bytes, other: bytes) -> bool:
    """Tell whether two differ in a byte that both know."""
    return one != other and any(mine and theirs and mine != theirs for mine, theirs in zip(one, other, strict=False))
