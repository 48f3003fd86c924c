"""DataMatrix symbols of sheets (ISO/IEC 16022, ECC 200): which letter a sheet is of, and which of its sheets. Pure.

One size, 18 by 18 modules, holds a reference, the sheet's number, how many there are, whether it is the last, and the
letter's number. Both error correction and placement are linear: each codeword at its place turns the same modules dark,
whatever the others are. So a symbol is eighteen look-ups in a table, made once.
"""

from collections.abc import Iterator, Sequence
from functools import cache

__all__ = ["BITS", "MODULES", "sheet_mark", "sheet_said", "symbol"]

MODULES = 18  # a side, with the border that readers find it by
BITS = 24  # of a row in whole bytes
_REGION = 16
_DATA, _CORRECTION = 18, 14  # codewords
_TO_C40, _FROM_C40 = 230, 254
_SIGNS = "   0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_C40 = {sign: value for value, sign in enumerate(_SIGNS[:3] + " " + _SIGNS[3:]) if sign != " "}
_SAID = {value: sign for sign, value in _C40.items()}
_LENGTH = 24  # signs: three in two codewords
_FIELD = 0x12D  # the polynomial of the field of 256
_RUNNING = 1000  # numbers of letters, before they begin at 0 again


def sheet_mark(reference: str, sheet: int, sheets: int, letter: int) -> int:
    """Return the symbol of a sheet of a letter; both are counted from 1, the letters in their file.

    It says `5S56GBDCRJJH9FTM` `01` `02` `C` `017`; on the last sheet `E`. The letter's number is that modulo 1000.
    """
    end = "E" if sheet == sheets else "C"
    return symbol(f"{reference.replace('-', '')}{sheet:02}{sheets:02}{end}{letter % _RUNNING:03}")


def symbol(text: str) -> int:
    """Return a symbol's modules, 1 where they are dark, in rows of whole bytes from the top.

    Raises ValueError where the text is not 24 digits and capitals.
    """
    dark, table = _border(), _table()
    for row, word in zip(table, _codewords(text), strict=True):
        dark ^= row[word]
    return dark


def sheet_said(modules: int) -> str:
    """Return what a symbol says, from its modules as they were read. Raises ValueError where they are no mark's.

    Codewords are taken out by their places, whatever has put them there; what corrects errors is left alone.
    """
    data = 0
    for row, part in zip(_readers(), modules.to_bytes(MODULES * BITS // 8), strict=True):
        data |= row[part]
    first, *words, last = data.to_bytes(_DATA)
    if (first, last) != (_TO_C40, _FROM_C40):
        raise ValueError("is no mark of a sheet")
    values = [256 * one + other - 1 for one, other in zip(words[::2], words[1::2], strict=True)]
    try:
        return "".join([_SAID[value // 1600] + _SAID[value // 40 % 40] + _SAID[value % 40] for value in values])
    except KeyError:
        raise ValueError("is no mark of a sheet") from None


def _codewords(text: str) -> list[int]:
    try:
        values = [_C40[sign] for sign in text]
    except KeyError:
        values = []
    if len(values) != _LENGTH:
        raise ValueError(f"must be {_LENGTH} digits and capitals")
    words = [_TO_C40]
    for one, two, three in zip(values[::3], values[1::3], values[2::3], strict=True):
        words += divmod(1600 * one + 40 * two + three + 1, 256)
    words.append(_FROM_C40)
    return words


@cache
def _border() -> int:
    """Return the modules that every symbol has: left and lower edge dark, upper and right one dark in turn."""
    upper = [(0, column) for column in range(0, MODULES, 2)]
    right = [(row, MODULES - 1) for row in range(1, MODULES, 2)]
    left, lower = [(row, 0) for row in range(MODULES)], [(MODULES - 1, column) for column in range(MODULES)]
    return sum(1 << _up(row, column) for row, column in {*upper, *right, *left, *lower})


def _up(row: int, column: int) -> int:
    """Return which bit of a symbol a module is, counted from the lowest."""
    return (MODULES - 1 - row) * BITS + BITS - 1 - column


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
            found |= 1 << place
    return found


@cache
def _readers() -> Sequence[Sequence[int]]:
    """Return for each byte of a symbol, and each value of it, the bits of data codewords that it holds."""
    bits = {place: _DATA * 8 - 1 - at for at, place in enumerate(_places()[: _DATA * 8])}
    table = []
    for low in range((MODULES * BITS // 8 - 1) * 8, -1, -8):
        row = [0]
        for place in range(low, low + 8):
            bit = 1 << bits[place] if place in bits else 0
            row += [others | bit for others in row]
        table.append(row)
    return table


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
    """Return which bit of a symbol each bit of each codeword is, highest bit of a codeword first (annex F)."""
    taken: dict[tuple[int, int], int] = {}
    word = 0
    for shape in _walk():
        if _wrapped(*shape[-1]) not in taken:
            for bit, module in enumerate(shape):
                taken[_wrapped(*module)] = 8 * word + bit
            word += 1
    by_bit = {bit: _up(row + 1, column + 1) for (row, column), bit in taken.items()}
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
