"""Makes a person's own lines fit their boxes on a letter: smaller down to a floor, then broken, then shortened. Pure.

What does not fit then is not printed at all. All lengths are in points, as the sizes of text are.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from services.rendering.letters.envelope import Envelope
from services.rendering.letters.faces import Face
from services.rendering.letters.own_face import own_face
from services.rendering.letters.profile import Profile
from services.rendering.letters.profile_file import USUAL_PROFILE

__all__ = [
    "ADDRESS_SIZE",
    "GREETING_SIZE",
    "MM",
    "AddressBox",
    "Fitted",
    "address_box",
    "at_full_size",
    "fit_envelope",
    "fit_greeting",
    "wrapped",
]

MM = 72 / 25.4

ADDRESS_SIZE, GREETING_SIZE = 11.0, 10.5
_SMALLER = (ADDRESS_SIZE, 10.0, 9.0)  # before a line is broken
_BROKEN = (ADDRESS_SIZE, 10.0, 9.0, 8.0)  # smaller is not read by sorting machines, nor by many people
_SMALLEST_GREETING = 9.0
# Of the text's size: a line, the space between two, and that above a bar code, which is 5 mm high. `stamps.py`.
_LINE, _LEADING, _ABOVE_CODE, _CODE = 0.66, 0.5, 2.3, 5 * MM
# Lines of signs that are no wider than this part of the text's size need not be measured where they are few: in Latin
# they are all of them.
_WIDEST, _LATIN = 0.95, 0x180


class AddressBox(NamedTuple):
    """The box of an address block, what is never measured as it is short enough, and whether a bar code is in it."""

    width: float
    height: float
    short_line: int
    coded: bool


def address_box(profile: Profile) -> AddressBox:
    """Return the box that a print profile has for the address."""
    width, height = profile.address.width * MM, profile.address.height * MM
    return AddressBox(width, height, int(width / ADDRESS_SIZE / _WIDEST), profile.address_code == "kix")


_USUAL_BOX = address_box(USUAL_PROFILE)


class Fitted(NamedTuple):
    """The lines of an address block as they are printed, what the bar code holds, and the size of the text."""

    lines: tuple[str, ...]
    kix: str
    size: float


def at_full_size(envelope: Envelope) -> Fitted:
    """Return an envelope as it is, for those who set it themselves."""
    return Fitted(*envelope, ADDRESS_SIZE)


def fit_envelope(envelope: Envelope, box: AddressBox = _USUAL_BOX) -> Fitted | None:
    """Return an envelope as it is printed; None where a sign has no glyph, or the box is too small for the address."""
    lines, kix = envelope[0], envelope[1] if box.coded else ""
    narrow = _narrow()
    short = all(len(line) <= box.short_line and narrow.issuperset(line) for line in lines)
    if short and _height(len(lines), ADDRESS_SIZE, kix) <= box.height:
        return Fitted(lines, kix, ADDRESS_SIZE)
    regular = own_face()
    if any(map(regular.missing, lines)):
        return None
    for sizes, broken in ((_SMALLER, _as_it_is), (_BROKEN, _at_spaces), (_BROKEN[-1:], wrapped)):
        for size in sizes:
            found = [part for line in lines for part in broken(line, box.width, size, regular)]
            fits = all(regular.width(line, size) <= box.width for line in found)
            if fits and _height(len(found), size, kix) <= box.height:
                return Fitted(tuple(found), kix, size)
    return None


def fit_greeting(greeting: str, unnamed: str, width: float = USUAL_PROFILE.text_width) -> tuple[str, float]:
    """Return a salutation and its size on a line of so many mm. One whose name is too long for it says no name."""
    room = width * MM
    if len(greeting) * GREETING_SIZE * _WIDEST <= room and _narrow().issuperset(greeting):
        return greeting, GREETING_SIZE
    size = min(GREETING_SIZE, room / own_face().width(greeting, 1.0))
    return (greeting, size) if size >= _SMALLEST_GREETING else (unnamed, GREETING_SIZE)


def wrapped(line: str, width: float, size: float, with_face: Face) -> list[str]:
    """Break a line at its spaces; a word that is wider than the box is broken after a mark, else between signs."""
    lines: list[str] = []
    for words in _at_spaces(line, width, size, with_face):
        found = _filled(_pieces(words), width, size, with_face)
        if any(with_face.width(part, size) > width for part in found):
            found = _filled([*words], width, size, with_face)
        lines += found
    return lines


@cache
def _narrow() -> frozenset[str]:
    """Return the Latin signs that a face has, each by itself, and that are narrow."""
    known = own_face().widths.items()
    return frozenset(sign for sign, width in known if ord(sign) < _LATIN and width <= _WIDEST and sign.isprintable())


def _as_it_is(line: str, _width: float, _size: float, _face: Face) -> list[str]:
    return [line]


def _at_spaces(line: str, width: float, size: float, with_face: Face) -> list[str]:
    words = line.split(" ")
    return _filled([*(f"{word} " for word in words[:-1]), words[-1]], width, size, with_face)


def _pieces(words: str) -> list[str]:
    """Cut a text after marks at which people cut addresses; signs by themselves are the last resort of `_filled`."""
    pieces, begin = [], 0
    for at, sign in enumerate(words, 1):
        if sign in " -@./":
            pieces.append(words[begin:at])
            begin = at
    return [*pieces, words[begin:]] if begin < len(words) else pieces


def _filled(parts: Sequence[str], width: float, size: float, with_face: Face) -> list[str]:
    """Fill lines with parts; a part that is wider than a line has one of its own."""
    lines = [""]
    for part in parts:
        if with_face.width((lines[-1] + part).rstrip(), size) <= width:
            lines[-1] += part
        else:
            lines.append(part)
    return [line.rstrip() for line in lines if line.strip()]


def _height(lines: int, size: float, kix: str) -> float:
    text = (lines * _LINE + (lines - 1) * _LEADING) * size
    return text + (_ABOVE_CODE * size + _CODE if kix else _LINE * size / 2)
