"""Where a permission holds: once all is known that was acknowledged before it was given."""

from collections.abc import Sequence
from operator import ge

__all__ = ["is_reached"]


def is_reached(heads: Sequence[int], partition: int, taken: Sequence[int], *, everywhere: bool = False) -> bool:
    """Tell whether a partition has come as far as intake had when a permission was given.

    `heads` and `taken` have the last of intake's blocks of members of each partition: that was written when it was
    given, and that is known now; where nothing is said of it, none is. People of several identities may have data in
    one partition and their notice in another: for them it holds once that is so `everywhere`. Raises IndexError where
    it was given on fewer partitions.
    """
    known = taken or (0,) * len(heads)
    if everywhere:
        return len(known) >= len(heads) and all(map(ge, known, heads))
    return known[partition] >= heads[partition]
