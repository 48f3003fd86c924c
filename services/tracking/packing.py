"""How what was heard of the notices of a block is packed into one row: columns of bytes. Pure.

Numbers that are the same of all notices of a block, as nearly all are, stand once.
"""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.core.ids import ID_BYTES
from services.tracking.domain import Outcomes
from services.wire.columns import split_ids

__all__ = ["Packed", "count_pairs", "number_at", "numbers_in", "pack", "pack_known", "unpack"]

_NUMBER: Final = struct.Struct(">i")


class Packed(NamedTuple):
    """A row of `blocks`, but for where it stands and its time's form."""

    at: int  # ms since 1970
    channel: int
    cohorts: bytes  # empty where all of its notices have rows of their own
    revisions: bytes
    attempts: bytes
    states: bytes
    notices: bytes
    members: bytes

    @property
    def size(self) -> int:
        """How many notices it has."""
        return len(self.notices) // ID_BYTES


def pack(block: Outcomes, numbers: Mapping[str, int]) -> Packed:
    """Pack a block; `numbers` are those of its cohorts."""
    return Packed(
        block.at,
        block.channel,
        _column([numbers[scope] for scope in block.scopes]),
        _column(block.revisions),
        _column(block.attempts),
        _column(block.states),
        b"".join(block.notices),
        b"".join(block.members),
    )


def pack_known(notices: Sequence[bytes], at: int) -> Packed:
    """Pack notices that have rows of their own: nothing but that they are known."""
    return Packed(at, 0, b"", b"", b"", b"", b"".join(notices), b"")


def _column(values: Sequence[int]) -> bytes:
    if values.count(values[0]) == len(values):
        return _NUMBER.pack(values[0])
    return struct.pack(f">{len(values)}i", *values)


def unpack(packed: Packed, scopes: Mapping[int, str]) -> Outcomes:
    """Return a block as it was, but for the partition that it came from; `scopes` are those of its cohorts' numbers."""
    count = packed.size
    return Outcomes(
        source="",
        channel=packed.channel,
        at=packed.at,
        scopes=[scopes[number] for number in _of_each(packed.cohorts, count)],
        notices=split_ids(packed.notices, count),
        members=split_ids(packed.members, count),
        revisions=_of_each(packed.revisions, count),
        states=_of_each(packed.states, count),
        attempts=_of_each(packed.attempts, count),
    )


def _of_each(column: bytes, count: int) -> list[int]:
    numbers = numbers_in(column)
    return numbers * count if len(numbers) == 1 else numbers


def numbers_in(column: bytes) -> list[int]:
    """Return the numbers that stand in a column: one of all its notices, or one of each."""
    return list(struct.unpack(f">{len(column) // _NUMBER.size}i", column))


def count_pairs(cohorts: bytes, states: bytes, size: int) -> Counter[tuple[int, int]]:
    """Return how many of a block's notices are of which cohort's number and in which state, by those columns."""
    if len(cohorts) == len(states) == _NUMBER.size:
        return Counter({(number_at(cohorts), number_at(states)): size})
    return Counter(zip(_of_each(cohorts, size), _of_each(states, size), strict=True))


def number_at(column: bytes) -> int:
    """Return the number of one notice, which is all that was read of its column."""
    return int(_NUMBER.unpack(column)[0])
