"""A person's own lines as content of PDF pages (ISO 32000-1, 7.8.2): where `letterhead.typ` puts them too.

Lengths are in points from the lower left of the sheet, as PDF has them; what a profile says is in mm from the top left.
"""

from services.rendering.letters.datamatrix import MODULES, sheet_mark
from services.rendering.letters.fitting import MM
from services.rendering.letters.glyphs import glyphs
from services.rendering.letters.kix import SIGNS, bars
from services.rendering.letters.own_lines import OwnLines
from services.rendering.letters.profile import SHEET, Box, Profile

__all__ = ["BARS_HIGH", "SIGN_WIDE", "Stamps", "bars_of"]

# As `letterhead.typ` has them: the height of a line and what stands between two, of the text's size; places in mm.
_LINE, _PITCH, _ABOVE_CODE = 0.66, 1.16, 2.3
_REFERENCE_LEFT, _EARLIER_LEFT, _VALUES, _REFERENCE_UP, _FOOT = 36.0, 98.0, 4.6, 0.35, 7.0
_TEXT, _REFERENCE, _SMALL = 10.5, 12.5, 8.5
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
_BITS = bytes.maketrans(b"\x00\xff", b"01")  # modules as digits: dark ones are painted
_DRAWN = {sign: f"/K{sign} Do 1 0 0 1 {SIGN_WIDE:.4f} 0 cm " for sign in SIGNS}


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
        self._reference = f"/B {_REFERENCE} Tf 1 0 0 1 {left + _REFERENCE_LEFT * MM:.3f} {spread:.3f} Tm["
        self._earlier = f"/R {_TEXT} Tf 1 0 0 1 {left + _EARLIER_LEFT * MM:.3f} {line:.3f} Tm["
        foot = _up(SHEET.height - profile.margins.bottom + _FOOT) - _LINE * _SMALL
        self._foot, self._foot_up = f"BT {grey} /R {_SMALL} Tf 1 0 0 1", f"{foot:.3f} Tm["
        self._mark = profile.sheet_mark and _mark_of(profile.sheet_mark)

    def own(self, lines: OwnLines) -> str:
        """Return the lines of the first page. Raises NotPlainError where only a typesetter can set them."""
        shown, size = self._plain.shown, lines.size
        block = "]TJ T*[".join([shown(line) for line in lines.address])
        earlier = f"{self._earlier}{shown(lines.earlier)}]TJ " if lines.earlier else ""
        greeting_line = _up(lines.greeting_top) - _LINE * lines.greeting_size
        return (
            f"BT {self._ink} /R {size:g} Tf {_PITCH * size:.2f} TL "
            f"1 0 0 1 {self._address_left:.3f} {self._address_top - _LINE * size:.3f} Tm[{block}]TJ "
            f"{self._date}{shown(lines.date)}]TJ {self._reference}{self._spread.shown(lines.reference)}]TJ {earlier}"
            f"/R {lines.greeting_size:.3f} Tf 1 0 0 1 {self._left:.3f} {greeting_line:.3f} Tm"
            f"[{shown(lines.greeting)}]TJ ET\n"
        )

    def code(self, lines: OwnLines) -> str:
        """Return the bar code below the address; nothing where there is none."""
        if not lines.kix:
            return ""
        height = (_PITCH * (len(lines.address) - 1) + _LINE + _ABOVE_CODE) * lines.size
        low = self._address_top - height - BARS_HIGH
        drawn = "".join([_DRAWN[sign] for sign in lines.kix])
        return f"q 1 0 0 1 {self._bars_left} {low:.3f} cm {drawn}Q\n"

    def foot(self, reference: str, indent: float) -> str:
        """Return the reference at the foot of every page; its label, so many mm wide, stands before it."""
        return f"{self._foot} {self._left + indent * MM:.3f} {self._foot_up}{self._plain.shown(reference)}]TJ ET\n"

    def mark(self, reference: str, sheet: int, sheets: int) -> str:
        """Return the mark of a sheet, counted from 1; nothing where the print house asks for none."""
        return f"{self._mark}{_rows(sheet_mark(reference, sheet, sheets))}> EI Q\n" if self._mark else ""


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
    return f"q 0 g {side:.3f} 0 0 {side:.3f} {left:.3f} {low:.3f} cm BI/W {MODULES}/H {MODULES}/IM true/F/AHx ID "


def _rows(modules: bytes) -> str:
    """Return modules as bits in hexadecimal digits, each row in whole bytes."""
    bits = modules.translate(_BITS)
    rows = b"000000".join([bits[at : at + MODULES] for at in range(0, MODULES * MODULES, MODULES)])
    return f"{int(rows + b'000000', 2):0{MODULES * 6}X}"
