"""Where people are at home who come under several identities. Pure."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from services.core.ids import partitions_of

__all__ = ["NO_HOMES", "Home", "homes_in", "places_of", "share_a_home"]


class Home(NamedTuple):
    """The identity under which everything about somebody meets; each change of it is the next version."""

    home: bytes
    version: int


NO_HOMES: Final[Mapping[bytes, Home]] = MappingProxyType({})


def places_of(pseudonyms: Sequence[bytes], partitions: int, homes: Mapping[bytes, Home]) -> list[int]:
    """Return the partition of each pseudonym's home; `homes` has those that were ever moved."""
    if homes:
        pseudonyms = [homes[one].home if one in homes else one for one in pseudonyms]
    return partitions_of(pseudonyms, partitions)


def homes_in(pseudonyms: Sequence[bytes], homes: Mapping[bytes, Home]) -> dict[int, Home]:
    """Return the homes of these pseudonyms, of those that were ever moved, by their place."""
    if homes.keys().isdisjoint(pseudonyms):
        return {}
    return {at: homes[one] for at, one in enumerate(pseudonyms) if one in homes}


def share_a_home(one: bytes, other: bytes, homes: Mapping[bytes, Home]) -> bool:
    """Tell whether two pseudonyms are at home under one identity."""
    own, theirs = (homes[each].home if each in homes else each for each in (one, other))
    return own == theirs
