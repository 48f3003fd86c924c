"""A person's own lines as content of PDF pages (ISO 32000-1, 7.8.2): where `letterhead.typ` puts them too.

Lengths are in points from the lower left of the sheet, as PDF has them; what a profile says is in mm from the top left.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from services.rendering.letters.datamatrix import BITS, MODULES, sheet_mark
from services.rendering.letters.fitting import MM
from services.rendering.letters.glyphs import glyphs
from services.rendering.letters.kix import SIGNS, bars
from services.rendering.letters.own_lines import OwnLines
from services.rendering.letters.profile import SHEET, Box, Profile

__all__ = ["BARS_HIGH", "SIGN_WIDE", "Stamp", "Stamps", "bars_of"]

# As `letterhead.typ` has them: the height of a line and what stands between two, of the text's size; places in mm.
_LINE, _PITCH, _ABOVE_CODE = 0.66, 1.16, 2.3
_REFERENCE_LEFT, _EARLIER_LEFT, _VALUES, _REFERENCE_UP, _FOOT = 36.0, 98.0, 4.6, 0.35, 7.0
_TEXT, _REFERENCE, _SMALL = 10.5, 12.5, 8.5
_APART = 0.06 * _REFERENCE  # what stands between the signs of a reference, as `letterhead.typ` has it
_INKS = {  # text, and small print
    "rgb": ("0.10588 0.10588 0.10588 rg", "0.32549 0.32549 0.32549 rg"),
    "cmyk": ("0 0 0 1 k", "0 0 0 0.78 k"),
    "black": ("0 g", "0.25098 g"),
}
# Bars as PostNL asks: 22 to the inch, 5 mm high in full, half a millimetre wide (Royal Mail's four-state sizes).
_BAR, _BARS_APART, BARS_HIGH = 0.5 * MM, 1.155 * MM, 5.0 * MM
_TOPS = tuple(top * MM for top in (0.0, 0.0, 1.85, 1.85))  # full, ascender, descender, tracker
_ENDS = tuple(end * MM for end in (5.0, 3.15, 5.0, 3.15))
SIGN_WIDE = 4 * _BARS_APART
_DIGITS = MODULES * BITS // 4  # of a mark, in hexadecimal
_KEPT = 256  # sizes and places that were written before
_DRAWN = {sign: f"/K{sign} Do 1 0 0 1 {SIGN_WIDE:.4f} 0 cm " for sign in SIGNS}


class Stamp(NamedTuple):
    """What is written of somebody's own lines; nothing on the first page where only a typesetter can set them."""

    own: str
    reference: str  # as the foot of each page has it


class Stamps:
    """Writes own lines for one print profile."""

    def __init__(self, profile: Profile) -> None:
        self._plain, self._spread = glyphs()
        self._ink, grey = _INKS[profile.colour]
        address, left, values = profile.address, profile.margins.left * MM, profile.particulars + _VALUES
        self._address_left, self._address_top, self._left = address.x * MM, _up(address.y), left
        self._bars_left = f"{address.x * MM - _BAR / 2:.3f}"
        line = _up(values) - _LINE * _TEXT
        self._date = f"/R {_TEXT} Tf 1 0 0 1 {left:.3f} {line:.3f} Tm["
        spread = _up(values - _REFERENCE_UP) - _LINE * _REFERENCE
        self._reference = f"/B {_REFERENCE} Tf {_APART} Tc 1 0 0 1 {left + _REFERENCE_LEFT * MM:.3f} {spread:.3f} Tm["
        self._earlier = f"/R {_TEXT} Tf 1 0 0 1 {left + _EARLIER_LEFT * MM:.3f} {line:.3f} Tm["
        foot = _up(SHEET.height - profile.margins.bottom + _FOOT) - _LINE * _SMALL
        self._foot, self._foot_up = f"BT {grey} /R {_SMALL} Tf 1 0 0 1", f"{foot:.3f} Tm["
        self._mark = profile.sheet_mark and _mark_of(profile.sheet_mark)
        # Few letters differ in these from all others.
        self._before_address = lru_cache(_KEPT)(self._to_address)
        self._before_greeting = lru_cache(_KEPT)(self._to_greeting)
        self._before_code = lru_cache(_KEPT)(self._to_code)

    def stamps(self, lines: Sequence[OwnLines]) -> list[Stamp]:
        """Return what is written of everybody's lines."""
        references = [own.reference for own in lines]
        spread, small = self._spread.shown_all(references), self._plain.shown_all(references)
        greetings = self._plain.shown_all([own.greeting for own in lines])
        earlier = self._plain.shown_all([own.earlier for own in lines])
        addresses = iter(self._plain.shown_all([line for own in lines for line in own.address]))
        days = list({own.date for own in lines})
        dates = dict(zip(days, self._plain.shown_all(days), strict=True))
        return [
            Stamp(self._own(own, list(islice(addresses, len(own.address))), (dates[own.date], *shown)), foot)
            for own, foot, *shown in zip(lines, small, spread, earlier, greetings, strict=True)
        ]

    def _own(self, lines: OwnLines, address: Sequence[str], shown: Sequence[str]) -> str:
        date, reference, earlier, greeting = shown
        if not (date and greeting and all(address)):
            return ""
        before = f"{self._earlier}{earlier}]TJ " if lines.earlier else ""
        return (
            f"{self._before_address(lines.size)}{']TJ T*['.join(address)}]TJ "
            f"{self._date}{date}]TJ {self._reference}{reference}]TJ 0 Tc {before}"
            f"{self._before_greeting(lines.greeting_size, lines.greeting_top)}{greeting}]TJ ET\n"
        )

    def _to_address(self, size: float) -> str:
        return (
            f"BT {self._ink} /R {size:g} Tf {_PITCH * size:.2f} TL "
            f"1 0 0 1 {self._address_left:.3f} {self._address_top - _LINE * size:.3f} Tm["
        )

    def _to_greeting(self, size: float, top: float) -> str:
        return f"/R {size:.3f} Tf 1 0 0 1 {self._left:.3f} {_up(top) - _LINE * size:.3f} Tm["

    def code(self, lines: OwnLines) -> str:
        """Return the bar code below the address; nothing where there is none."""
        if not lines.kix:
            return ""
        drawn = "".join([_DRAWN[sign] for sign in lines.kix])
        return f"{self._before_code(len(lines.address), lines.size)}{drawn}Q\n"

    def _to_code(self, lines: int, size: float) -> str:
        height = (_PITCH * (lines - 1) + _LINE + _ABOVE_CODE) * size
        return f"q 1 0 0 1 {self._bars_left} {self._address_top - height - BARS_HIGH:.3f} cm "

    def foot(self, indent: float) -> str:
        """Return what begins the foot of every page; its label, so many mm wide, stands before the reference."""
        return f"{self._foot} {self._left + indent * MM:.3f} {self._foot_up}"

    def mark(self, reference: str, sheet: int, sheets: int, letter: int) -> str:
        """Return the mark of a sheet of a letter, both counted from 1; nothing where the print house asks for none."""
        if not self._mark:
            return ""
        return f"{self._mark}{sheet_mark(reference, sheet, sheets, letter):0{_DIGITS}X}> EI Q\n"


def _up(top: float) -> float:
    """Return a place in points from the lower edge, of one in mm from the upper one."""
    return (SHEET.height - top) * MM


def bars_of(sign: str) -> str:
    """Return what draws a sign of a bar code, in a box of `SIGN_WIDE` by `BARS_HIGH`."""
    drawn = "".join(_bar(at, state) for at, state in enumerate(bars(sign)))
    return f"0 G {_BAR:.3f} w {drawn}S"


def _bar(at: int, state: int) -> str:
    across, top, end = _BAR / 2 + at * _BARS_APART, BARS_HIGH - _TOPS[state], BARS_HIGH - _ENDS[state]
    return f"{across:.3f} {end:.3f} m {across:.3f} {top:.3f} l "


def _mark_of(box: Box) -> str:
    """Return what begins a mark; a picture of one bit a module, with one module left free around it."""
    module = box.width / (MODULES + 2)
    side, left, low = MODULES * module * MM, (box.x + module) * MM, _up(box.y + module + MODULES * module)
    return (
        f"q 0 g {side:.3f} 0 0 {side:.3f} {left:.3f} {low:.3f} cm BI/W {MODULES}/H {MODULES}/IM true/D[1 0]/F/AHx ID "
    )
