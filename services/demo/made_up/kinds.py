"""The kinds of people who are hard to tell from others, or whose sources disagree: what the real case contains.

A further kind is a member of `Kind` and a row of `KINDS`. Where it takes a second person, `people.py` makes that one;
what each source says of them is in `known_as.py`.
"""

import random
from collections.abc import Callable, Mapping
from enum import Enum, auto
from itertools import accumulate
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["KINDS", "SHARED", "WITHOUT_BSN", "WITH_A_SECOND", "Kind", "Share", "kind_drawer"]


class Kind(Enum):
    """What is special about who a person is."""

    ORDINARY = auto()
    TWINS = auto()
    TWINS_WITHOUT_BSN = auto()
    NAMESAKES_NEXT_DOOR = auto()
    NAMESAKES_BY_INITIALS = auto()
    SHARED_BSN = auto()
    SHARED_BSN_DECEASED = auto()
    SHARED_BSN_ALONE = auto()
    MISTYPED_BSN = auto()
    MISSPELT_NAME = auto()
    OTHER_BIRTH_DATE = auto()
    INCOMPLETE_BIRTH_DATE = auto()
    MOVED = auto()
    TWO_IDENTITIES = auto()
    TIED_BY_A_THIRD = auto()
    TWIN_TIED = auto()
    TIE_PROPOSED = auto()
    TIE_TO_TWINS_PROPOSED = auto()

    @property
    def label(self) -> str:
        """The kind in words."""
        return self.name.lower().replace("_", " ")


class Share(NamedTuple):
    """How often a kind is made up, as a share of the people made up one by one, and why it is there."""

    share: float
    reason: str


# Three in a thousand: more often than in life, so that twenty thousand people hold every kind many times, and so seldom
# that the ordinary case still decides about speed.
_FEW = 0.003

KINDS: Final[Mapping[Kind, Share]] = MappingProxyType(
    {
        Kind.TWINS: Share(_FEW, "two BSNs that share family name, birth date and address: told apart by the number"),
        Kind.TWINS_WITHOUT_BSN: Share(_FEW, "one match key for two people: initials and given name tell them apart"),
        Kind.NAMESAKES_NEXT_DOOR: Share(_FEW, "one match key at 10A and 10B: letter or addition tells them apart"),
        Kind.NAMESAKES_BY_INITIALS: Share(_FEW, "one match key and no given name: initials alone tell them apart"),
        Kind.SHARED_BSN: Share(_FEW, "a source typed the BSN of somebody else: name and birth date contradict"),
        Kind.SHARED_BSN_DECEASED: Share(_FEW, "the same of somebody who died: it must not silence the living"),
        Kind.SHARED_BSN_ALONE: Share(_FEW, "two people and a record with their BSN alone: it is held, nobody is told"),
        Kind.MISTYPED_BSN: Share(_FEW, "a source typed a BSN that nobody has: by the rule two people, `split`"),
        Kind.MISSPELT_NAME: Share(_FEW, "sources spell the name in two ways: the whole birth date agrees, one person"),
        Kind.OTHER_BIRTH_DATE: Share(_FEW, "sources differ in the birth date: told apart, `split`"),
        Kind.INCOMPLETE_BIRTH_DATE: Share(_FEW, "a register knows the year, or nothing: what it knows agrees"),
        Kind.MOVED: Share(_FEW, "sources have two addresses of one person: one notice, to either of them"),
        Kind.TWO_IDENTITIES: Share(_FEW, "BSN here, match key there, and the given name agrees: tied, one notice"),
        Kind.TIED_BY_A_THIRD: Share(_FEW, "BSN alone, match key alone, and a record that has both: tied, one notice"),
        Kind.TWIN_TIED: Share(_FEW, "twins, and a record of one without BSN: tied to that one, not to the other"),
        Kind.TIE_PROPOSED: Share(_FEW, "BSN here, a bare match key there: the tie is only proposed, `split`"),
        Kind.TIE_TO_TWINS_PROPOSED: Share(_FEW, "twins, and a bare match key that fits both: it is tied to neither"),
    }
)

WITHOUT_BSN: Final = frozenset({Kind.TWINS_WITHOUT_BSN, Kind.NAMESAKES_NEXT_DOOR, Kind.NAMESAKES_BY_INITIALS})
SHARED: Final = frozenset({Kind.SHARED_BSN, Kind.SHARED_BSN_DECEASED, Kind.SHARED_BSN_ALONE})
WITH_A_SECOND: Final = WITHOUT_BSN | SHARED | {Kind.TWINS, Kind.TWIN_TIED, Kind.TIE_TO_TWINS_PROPOSED}


def kind_drawer(kinds: Mapping[Kind, Share]) -> Callable[[random.Random], Kind]:
    """Return a function that draws the kind of one more person; whoever gets none of `kinds` is ordinary."""
    bounds = tuple(zip(accumulate(one.share for one in kinds.values()), kinds, strict=True))
    special = bounds[-1][0] if bounds else 0.0

    def draw(rng: random.Random) -> Kind:
        number = rng.random()
        if number >= special:
            return Kind.ORDINARY
        return next(kind for bound, kind in bounds if number < bound)

    return draw
