"""Records that say neither name nor birth date: they can neither agree nor contradict. Pure.

They are of the person that has their identity, as far as that is one person; an incident's policy may hold them.
"""

from collections.abc import Collection, Mapping, Sequence

from services.core.witnesses import is_bare
from services.deduplication.domain import Member, Standing, age

__all__ = ["bare_of", "held_for_bare", "joined_of", "joins_unseen"]


def bare_of(members: Sequence[Member], judged: Collection[bytes]) -> list[bytes]:
    """Return the bare ones of a group; those of whom an operator said with whom they are one are none."""
    return [m.member for m in members if is_bare(m.witnesses) and m.member not in judged]


def joined_of(members: Sequence[Member], bare: Sequence[bytes]) -> Sequence[bytes]:
    """Return those of a group that joined others by the identity alone: where all are bare, all but the oldest."""
    return bare[1:] if len(bare) == len(members) else bare


def held_for_bare(members: Sequence[Member], bare: Sequence[bytes], told: Mapping[bytes, int]) -> Sequence[bytes]:
    """Return those of a group that are held where policy holds bare joins; the oldest come first in all of these.

    What was told stays. Where it was told to bare records alone, nobody can tell whether anybody else is who was told.
    """
    stay = [m.member for m in members if m.member in told]
    if not stay:
        return joined_of(members, bare)
    if all(m in bare for m in stay):
        return [m.member for m in members if m.member not in told]
    return [m for m in bare if m not in told]


def joins_unseen(member: Member, known: Member, standing: Standing) -> bool:
    """Tell whether a known member stands as it did once another one came: not a bare one that has joined that then."""
    if standing.joined or not is_bare(known.witnesses):
        return True
    return is_bare(member.witnesses) and age(known) < age(member)
