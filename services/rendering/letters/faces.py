"""What the bundled faces can print, and how wide: read from the font files themselves. Pure.

The tables are those of the OpenType specification: `cmap` (format 4 and 12) says which signs have a glyph, `hmtx` how
far each glyph advances. Kerning is left out: it makes lines a little narrower than they are measured here.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["BOLD", "FOLDER", "REGULAR", "Face", "face"]

REGULAR, BOLD = "SourceSans3_400Regular.ttf", "SourceSans3_600SemiBold.ttf"
FOLDER = Path(__file__).with_name("fonts")
# Signs that are no glyph of their own: spaces and marks that a typesetter handles itself.
_UNSEEN = "\t\n\r\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"


@dataclass(frozen=True, slots=True)
class Face:
    """One font file; widths are in units of the text's size."""

    widths: Mapping[str, float]

    def missing(self, text: str) -> list[str]:
        """Return the signs of a text that would be printed as a box, each once."""
        if text.isascii() and text.isprintable():
            return []
        return [sign for sign in dict.fromkeys(text) if sign not in self.widths]

    def width(self, text: str, size: float) -> float:
        """Return how wide a line is in a size, in the unit of that size. A sign without a glyph counts as one wide."""
        known = self.widths
        return sum([known.get(sign, 1.0) for sign in text]) * size


@cache
def face(name: str) -> Face:
    """Return one of the bundled faces."""
    font = (FOLDER / name).read_bytes()
    tables = _tables(font)
    (per_em,) = struct.unpack_from(">H", font, tables[b"head"] + 18)
    (metrics,) = struct.unpack_from(">H", font, tables[b"hhea"] + 34)
    advances = struct.unpack_from(">" + "Hh" * metrics, font, tables[b"hmtx"])[::2]
    widths = {
        chr(code): advances[min(glyph, metrics - 1)] / per_em for code, glyph in _glyphs(font, tables[b"cmap"]) if glyph
    }
    return Face(widths | {sign: widths.get(sign, 0.0) for sign in _UNSEEN})


def _tables(font: bytes) -> dict[bytes, int]:
    (count,) = struct.unpack_from(">H", font, 4)
    rows = (struct.unpack_from(">4sIII", font, 12 + 16 * at) for at in range(count))
    return {tag: offset for tag, _, offset, _ in rows}


def _glyphs(font: bytes, cmap: int) -> Iterator[tuple[int, int]]:
    """Return code points with their glyphs, from the subtables for Unicode."""
    (count,) = struct.unpack_from(">H", font, cmap + 2)
    for at in range(count):
        platform, _, offset = struct.unpack_from(">HHI", font, cmap + 4 + 8 * at)
        (kind,) = struct.unpack_from(">H", font, cmap + offset)
        if platform in {0, 3} and kind == 4:
            yield from _segments(font, cmap + offset)
        elif platform in {0, 3} and kind == 12:
            yield from _groups(font, cmap + offset)


def _segments(font: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Read format 4: ranges of code points, each with a shift or with glyphs in a list."""
    (twice,) = struct.unpack_from(">H", font, at + 6)
    count = twice // 2
    columns = [at + 14, at + 16 + twice, at + 16 + 2 * twice, at + 16 + 3 * twice]
    ends, starts, shifts, ranges = (struct.unpack_from(f">{count}H", font, column) for column in columns)
    for number, (end, start, shift, listed) in enumerate(zip(ends, starts, shifts, ranges, strict=True)):
        for code in range(start, min(end, 0xFFFE) + 1):
            glyph = code
            if listed:
                (glyph,) = struct.unpack_from(">H", font, columns[3] + 2 * number + listed + 2 * (code - start))
            yield code, (glyph + shift) & 0xFFFF if glyph else 0


def _groups(font: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Read format 12: ranges of code points with glyphs that follow each other."""
    (count,) = struct.unpack_from(">I", font, at + 12)
    for number in range(count):
        start, end, glyph = struct.unpack_from(">III", font, at + 16 + 12 * number)
        for code in range(start, end + 1):
            yield code, glyph + code - start
