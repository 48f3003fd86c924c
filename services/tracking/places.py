"""Where a notice stands among all that were packed, by the beginning of its id. Pure.

Notices are counted through in the order in which they became known: that number is a *place*. As many as make a
*segment* get an index once it is full. An entry of it is one number: the beginning of an id, and behind it the place
within the segment. So the index is in the order of ids although no notice moves, and the beginning of an id, which is
what a reference leads to, is enough to find its entries.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from services.core.ids import ID_BYTES

__all__ = ["BEGINNING", "SEGMENT", "IdColumns", "bucket_of", "id_columns", "index_of", "places_in", "stand_in"]

A = TypeVar("A", int, float)

BEGINNING: Final = 4  # bytes of an id
SEGMENT: Final = 1 << 17  # notices: so many at most are looked through in memory, 2.3 MB
_BUCKETS: Final = 1 << 10  # rows of an index, of 1 KB each: what is read of it for one notice
_SHIFT: Final = 32 - 10  # bits of the beginning that do not say which bucket
# Floats hold such numbers exactly (they have 49 bits), and sort in a third of the time that integers take.
_STEP: Final = float(SEGMENT)
_FEW: Final = 64  # are sought one by one


def bucket_of(beginning: bytes) -> int:
    """Return which row of an index has the notices that begin so."""
    return int.from_bytes(beginning[:BEGINNING], "big") >> _SHIFT


def index_of(notices: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the rows of a segment's index with their buckets; `notices` are its ids one after the other.

    A bucket without notices has none, but for the first: its rows tell how many segments there are.
    """
    numbers = bytearray(len(notices) // ID_BYTES * BEGINNING)
    for byte in range(BEGINNING):
        numbers[byte::BEGINNING] = notices[BEGINNING - 1 - byte :: ID_BYTES]
    beginnings = _little(array("I", bytes(numbers)))
    entries = array("d", sorted([beginning * _STEP + at for at, beginning in enumerate(beginnings)]))
    first = 0
    for bucket in range(_BUCKETS):
        end = bisect_left(entries, (bucket + 1 << _SHIFT) * _STEP, first)
        if end > first or not bucket:
            yield bucket, _little(entries[first:end]).tobytes()
        first = end


def places_in(
    segments: Sequence[int], lengths: Sequence[int], rows: bytes, beginnings: Collection[bytes]
) -> Iterator[tuple[int, int]]:
    """Return the segments and places in them of notices that begin as one of these.

    `rows` are the rows for these beginnings of the indexes of `segments`, one after the other, and so long in bytes.
    """
    least_of = [int.from_bytes(one[:BEGINNING], "big") * _STEP for one in beginnings]
    entries = _little(array("d", rows))
    end = 0
    for segment, length in zip(segments, lengths, strict=True):
        first, end = end, end + length // entries.itemsize
        for least in least_of:
            at = bisect_left(entries, least, first, end)
            while at < end and entries[at] < least + _STEP:
                yield segment, int(entries[at] - least)
                at += 1


def _little(numbers: "array[A]") -> "array[A]":
    """Turn numbers round where the machine has them the other way: rows have the lowest byte first."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


class IdColumns(NamedTuple):
    """Ids of notices that are looked through, and apart their first and second bytes, as of all the same."""

    notices: bytes
    firsts: bytes
    seconds: bytes


def id_columns(notices: bytes) -> IdColumns:
    """Return ids, one after the other, as they are looked through."""
    return IdColumns(notices, notices[::ID_BYTES], notices[1::ID_BYTES])


def stand_in(blocks: Iterable[IdColumns], wanted: Collection[bytes]) -> Iterator[int]:
    """Return the positions of ids that begin as one of these, counted through all `blocks`; in no order.

    For few it is a search, for many a look at all.
    """
    beginnings = {int.from_bytes(one[:BEGINNING], sys.byteorder) for one in wanted}
    first = 0
    for block in blocks:
        found = _sought(block, wanted) if len(wanted) <= _FEW else _looked_up(block.notices, beginnings)
        for at in found:
            yield first + at
        first += len(block.firsts)


def _sought(block: IdColumns, wanted: Collection[bytes]) -> Sequence[int]:
    notices, firsts, seconds = block
    found = []
    for one in wanted:
        first, second = one[:2]
        at = firsts.find(first)
        while at >= 0:
            if seconds[at] == second and notices.startswith(one[:BEGINNING], at * ID_BYTES):
                found.append(at)
            at = firsts.find(first, at + 1)
    return found


def _looked_up(notices: bytes, beginnings: set[int]) -> Sequence[int]:
    numbers = memoryview(notices).cast("I")[:: ID_BYTES // BEGINNING].tolist()
    if beginnings.isdisjoint(numbers):
        return ()
    return [at for at, beginning in enumerate(numbers) if beginning in beginnings]
