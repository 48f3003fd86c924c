"""Citizen service numbers (BSN): the 11-test, the ways in which people write them, and those of nobody. Pure."""

import re
from collections.abc import Sequence

__all__ = ["are_bsns", "is_bsn", "names_a_bsn", "normal_bsn"]

# Numbers that pass the 11-test and stand where somebody had to fill in something: one digit eight times, digits in
# their order up or down, and the example of every explanation and library (111222333 in the documentation of
# python-stdnum, 123456782 in explanations of the test). Each would make one person of all who carry it. The numbers of
# the register's own test persons (999990019 and on) name one made-up person each, so they are not among them.
_PLACEHOLDERS = frozenset(
    [*(f"{digit * 8}0" for digit in "0123456789"), "012345672", "123456782", "987654329", "111222333"]
)

# Eight or nine digits, all together or in the groups that people make: 4-2-3 and 3-3-3, or with the leading zero
# lost 3-2-3 and 2-3-3. One kind of separator throughout. Anything else may be another kind of number: a decimal tail
# (a spreadsheet's 11535842.0) would add a digit, and fewer digits are row numbers.
_WRITTEN = re.compile(r"[0-9]{8,9}|[0-9]{3,4}([ .])[0-9]{2}\1[0-9]{3}|[0-9]{2,3}([ .])[0-9]{3}\2[0-9]{3}", re.ASCII)
_SEPARATORS = {ord(separator): None for separator in " ."}
_DIGITS = re.compile(r"[0-9]{8,}", re.ASCII)

# The weighted sum of the 11-test, looked up three digits at a time: a third of the price of nine products.
_WEIGHTS = ((9, 8, 7), (6, 5, 4), (3, 2, -1))
_HIGH, _MIDDLE, _LOW = (
    {f"{n:03}": sum(w * int(d) for w, d in zip(weights, f"{n:03}", strict=True)) for n in range(1000)}
    for weights in _WEIGHTS
)

# The products of the 11-test, modulo 11, for each digit at each of the nine places; nine of them fit a byte.
_PRODUCTS = tuple(
    bytes(48) + bytes(weight * digit % 11 for digit in range(10)) + bytes(198)
    for weight in (9, 8, 7, 6, 5, 4, 3, 2, -1)
)
_ELEVENS = bytes(range(0, 256, 11))


def is_bsn(digits: str) -> bool:
    """Tell whether a text is nine digits that pass the 11-test and are no placeholder.

    The test: 9a+8b+7c+6d+5e+4f+3g+2h-i divides by 11.
    """
    return _passes(digits) and digits not in _PLACEHOLDERS


def are_bsns(cells: Sequence[str]) -> bool:
    """Tell whether each cell is a BSN of nine digits, or empty."""
    if not set(map(len, cells)) <= {0, 9} or not _PLACEHOLDERS.isdisjoint(cells):
        return False
    digits = "".join(cells).encode()
    if not digits.isdigit():
        return not digits
    # Sums of all numbers at once: a byte of these long integers is a number's sum, and none overflows (9 x 10).
    sums = sum(int.from_bytes(digits[at::9].translate(products)) for at, products in enumerate(_PRODUCTS))
    return not sums.to_bytes(len(digits) // 9).translate(None, _ELEVENS)


def normal_bsn(text: str) -> str | None:
    """Return the nine digits of a BSN as people write it; None where the text is no BSN."""
    if not _WRITTEN.fullmatch(text):
        return None
    digits = text.translate(_SEPARATORS).zfill(9)
    return digits if is_bsn(digits) else None


def names_a_bsn(text: str) -> bool:
    """Tell whether eight or nine digits that stand together somewhere in a text pass the 11-test, dots aside."""
    runs = [run for part in (text, text.replace(".", "")) for run in _DIGITS.findall(part)]
    return any(
        _passes(run[at : at + size].zfill(9)) for run in runs for size in (8, 9) for at in range(len(run) - size + 1)
    )


def _passes(digits: str) -> bool:
    try:
        return (_HIGH[digits[:3]] + _MIDDLE[digits[3:6]] + _LOW[digits[6:]]) % 11 == 0
    except KeyError:
        return False
