"""Tells of nearly all notices of a block, from memory, that they are new. Pure.

A Bloom filter (Bloom, 1970) whose bits of one notice lie in one cell: what was put in is always seen again, and of what
was not, one notice in thousands is taken for known and has to be looked up.
"""

from array import array
from typing import Final, NamedTuple

from services.core.ids import ID_BYTES

__all__ = ["Sieve"]

# Three of thirty bits, each among ten of its own: a thousand ways, over and over for each value of two bytes.
_WAYS: Final = [1 << way % 10 | 1 << 10 + way // 10 % 10 | 1 << 20 + way // 100 for way in range(1000)]
_BITS: Final = (_WAYS * 66)[: 1 << 16]
_FIRST_CELLS, _CELLS = 1 << 22, 1 << 24  # of the first layer, and of all others: two a notice, of four bytes


class _Layer(NamedTuple):
    cells: "array[int]"
    mask: int


class Sieve:
    """Ids of notices, in eight bytes each. It forgets nothing, and goes on in another layer when one is full."""

    def __init__(self, first_cells: int = _FIRST_CELLS, cells: int = _CELLS) -> None:
        """Make one without ids; how many cells its layers have is a power of 2."""
        self._cells = first_cells, cells
        self._layers: list[_Layer] = []
        self._left = 0  # how many the last layer still takes

    def put(self, notices: bytes) -> list[int]:
        """Put notices in, their ids one after the other; return the positions of those that may have been in it.

        Those are all that were, and a few that were not.
        """
        if not notices:
            return []
        if self._left <= 0:
            cells = self._cells[min(len(self._layers), 1)]
            self._layers.append(_Layer(array("I", bytes(cells * 4)), cells - 1))
            self._left = cells // 2
        self._left -= len(notices) // ID_BYTES
        words, ways = _words(notices), _ways(notices)
        *older, (cells_now, mask) = self._layers
        seen = _put(cells_now, mask, words, ways)
        for layer in older:
            seen += _seen(layer, words, ways)
        return sorted(set(seen)) if older else seen


def _put(cells: "array[int]", mask: int, words: list[int], ways: list[int]) -> list[int]:
    seen = []
    for at, (word, bits) in enumerate(zip(words, ways, strict=True)):
        cell = cells[word & mask]
        if cell & bits == bits:
            seen.append(at)
        else:
            cells[word & mask] = cell | bits
    return seen


def _seen(layer: _Layer, words: list[int], ways: list[int]) -> list[int]:
    cells, mask = layer
    pairs = enumerate(zip(words, ways, strict=True))
    return [at for at, (word, bits) in pairs if cells[word & mask] & bits == bits]


def _words(notices: bytes) -> list[int]:
    """Return three bytes of each id as a number, taken column by column; `places` goes by the first four."""
    words = bytearray(len(notices) // ID_BYTES * 4)
    for byte in range(3):
        words[byte::4] = notices[13 - byte :: ID_BYTES]
    return memoryview(words).cast("I").tolist()


def _ways(notices: bytes) -> list[int]:
    """Return the bits of each id, by its last two bytes."""
    return list(map(_BITS.__getitem__, memoryview(notices).cast("H")[7::8].tolist()))
