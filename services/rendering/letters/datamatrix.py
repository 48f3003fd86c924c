"""DataMatrix symbols of sheets (ISO/IEC 16022, ECC 200): which letter a sheet is of, and which of its sheets. Pure.

One size, 18 by 18 modules, holds a reference, the sheet's number, how many there are, and whether it is the last. Both
error correction and placement are linear: each codeword at its place turns the same modules dark, whatever the others
are. So a symbol is eighteen look-ups in a table, made once.
"""

from collections.abc import Iterator, Sequence
from functools import cache, reduce
from operator import xor

__all__ = ["MODULES", "sheet_mark", "symbol"]

MODULES = 18  # a side, with the border that readers find it by
_REGION = 16
_DATA, _CORRECTION = 18, 14  # codewords
_TO_C40, _FROM_C40, _PAD = 230, 254, 129
_SIGNS = "   0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ "
_C40 = {sign: value for value, sign in enumerate(_SIGNS[:3] + " " + _SIGNS[3:39]) if sign != " "}
_LENGTH = 21  # signs: three in two codewords
_FIELD = 0x12D  # the polynomial of the field of 256
_DARK, _LIGHT = b"\x00", b"\xff"
_PIXELS = bytes.maketrans(b"01", _LIGHT + _DARK)
_TOP = (_DARK + _LIGHT) * (MODULES // 2)
_BOTTOM = _DARK * MODULES


def sheet_mark(reference: str, sheet: int, sheets: int) -> bytes:
    """Return the symbol of a sheet, counted from 1: `5S56GBDCRJJH9FTM` `01` `02` `C`, the last one with `E`."""
    end = "E" if sheet == sheets else "C"
    return symbol(f"{reference.replace('-', '')}{sheet:02}{sheets:02}{end}")


def symbol(text: str) -> bytes:
    """Return a symbol's modules row by row, 0 where they are dark, 255 where they are light.

    Raises ValueError where the text is not 21 digits and capitals.
    """
    table = _table()
    dark = reduce(xor, [table[place][word] for place, word in enumerate(_codewords(text))])
    pixels = f"{dark:0{_REGION * _REGION}b}".encode().translate(_PIXELS)
    rows = [_TOP]
    for row in range(_REGION):
        right = _LIGHT if row % 2 else _DARK
        rows.append(_DARK + pixels[row * _REGION : (row + 1) * _REGION] + right)
    return b"".join([*rows, _BOTTOM])


def _codewords(text: str) -> list[int]:
    if len(text) != _LENGTH or not set(text) <= _C40.keys():
        raise ValueError(f"must be {_LENGTH} digits and capitals")
    words, values = [_TO_C40], [_C40[sign] for sign in text]
    for at in range(0, _LENGTH, 3):
        words += divmod(1600 * values[at] + 40 * values[at + 1] + values[at + 2] + 1, 256)
    words += [_FROM_C40, _PAD]
    padded = _PAD + 149 * (len(words) + 1) % 253 + 1
    return [*words, padded if padded <= 254 else padded - 254]


@cache
def _table() -> Sequence[Sequence[int]]:
    """Return for each place and codeword the modules that it turns dark, as bits of a number."""
    places = _places()
    logs, powers = _logarithms()
    generator = _generator(logs, powers)
    table = []
    for place in range(_DATA):
        row = [0]
        for bit in range(8):
            words = [0] * _DATA
            words[place] = 1 << bit
            dark = _bits([*words, *_correction(words, generator, logs, powers)], places)
            row += [dark ^ others for others in row]
        table.append(row)
    return table


def _bits(words: Sequence[int], places: Sequence[int]) -> int:
    found = 0
    for at, place in enumerate(places):
        if words[at // 8] >> (7 - at % 8) & 1:
            found |= 1 << (_REGION * _REGION - 1 - place)
    return found


def _logarithms() -> tuple[list[int], list[int]]:
    logs, powers, value = [0] * 256, [0] * 255, 1
    for exponent in range(255):
        powers[exponent], logs[value] = value, exponent
        value <<= 1
        if value & 256:
            value ^= _FIELD
    return logs, powers


def _generator(logs: Sequence[int], powers: Sequence[int]) -> list[int]:
    """Return the generator polynomial without its leading 1, from the highest power down."""
    found = [1]
    for root in range(1, _CORRECTION + 1):
        shifted = [*found, 0]
        for at, factor in enumerate(found):
            if factor:
                shifted[at + 1] ^= powers[(logs[factor] + root) % 255]
        found = shifted
    return found[1:]


def _correction(
    words: Sequence[int], generator: Sequence[int], logs: Sequence[int], powers: Sequence[int]
) -> list[int]:
    """Return the codewords of Reed and Solomon: the remainder of the division by the generator."""
    rest = [0] * _CORRECTION
    for word in words:
        first = word ^ rest[0]
        rest = [*rest[1:], 0]
        if first:
            rest = [
                one ^ (powers[(logs[first] + logs[factor]) % 255] if factor else 0)
                for one, factor in zip(rest, generator, strict=True)
            ]
    return rest


def _places() -> list[int]:
    """Return the module of each bit of each codeword, highest bit first (annex F)."""
    taken: dict[tuple[int, int], int] = {}
    word = 0
    for shape in _walk():
        if _wrapped(*shape[-1]) not in taken:
            for bit, module in enumerate(shape):
                taken[_wrapped(*module)] = 8 * word + bit
            word += 1
    by_bit = {bit: row * _REGION + column for (row, column), bit in taken.items()}
    return [by_bit[bit] for bit in range(8 * word)]


def _walk() -> Iterator[list[tuple[int, int]]]:
    """Return the shapes of codewords along the diagonals, up and down; a region of 16 has no corner cases."""
    row, column = 4, 0
    while row < _REGION or column < _REGION:
        while row >= 0 and column < _REGION:
            if row < _REGION and column >= 0:
                yield _shape(row, column)
            row, column = row - 2, column + 2
        row, column = row + 1, column + 3
        while row < _REGION and column >= 0:
            if row >= 0 and column < _REGION:
                yield _shape(row, column)
            row, column = row + 2, column - 2
        row, column = row + 3, column + 1


def _shape(row: int, column: int) -> list[tuple[int, int]]:
    return [
        (row - 2, column - 2), (row - 2, column - 1), (row - 1, column - 2), (row - 1, column - 1),
        (row - 1, column), (row, column - 2), (row, column - 1), (row, column),
    ]  # fmt: skip


def _wrapped(row: int, column: int) -> tuple[int, int]:
    """Return the module that one beyond the edge comes to stand on."""
    if row < 0:
        row, column = row + _REGION, column + 4 - (_REGION + 4) % 8
    if column < 0:
        row, column = row + 4 - (_REGION + 4) % 8, column + _REGION
    return row, column
