"""Text of the bundled faces as PDF shows it: glyphs, how far they stand apart, and the font that a file needs of them.

HarfBuzz shapes each pair of signs once. A line is then a look-up a sign, and looks as if it was shaped whole. That is
so for Latin letters and what goes with them; all else is not plain, and a typesetter sets it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from string import ascii_lowercase
from typing import NamedTuple

import uharfbuzz

from services.rendering.letters.faces import BOLD, FOLDER, REGULAR

__all__ = ["Glyphs", "NotPlainError", "Subset", "glyphs"]

# What only a typesetter needs, or a program that looks for a font by its name.
_DROPPED = ("BASE", "GDEF", "GPOS", "GSUB", "OS/2", "STAT", "cmap", "gasp", "name", "post", "prep")
_MOST_PAIRS = 1 << 17  # kept in memory, 150 bytes each; names and streets have some thousands
_PRIVATE_USE = 0xE000  # signs that stand for letters which have one glyph together
_PROBLEM = "must be signs that have a glyph each"


class NotPlainError(ValueError):
    """A text that only a typesetter can set. It does not say which."""


class Subset(NamedTuple):
    """A part of a face: the font file, and what its glyphs stand for and how wide they are."""

    name: str
    file: bytes
    signs: Mapping[int, str]
    widths: Mapping[int, int]
    box: Sequence[int]


class Glyphs:
    """One face, in units of a thousandth of the text's size; `tracking` is what stands between all of its signs."""

    def __init__(self, name: str, tracking: int = 0) -> None:
        self._name, self._tracking = name.partition(".")[0], tracking
        self._face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(FOLDER / name)))
        self._font = uharfbuzz.Font(self._face)
        self._glyphs = _own_glyphs(self._font, self._face.unicodes)
        self._joined = {} if tracking else self._ligatures()
        self._apart = {one: text for text, one in self._joined.items()}
        self._joining = re.compile("|".join(sorted(self._joined, key=len, reverse=True)))
        self._pairs = _Pairs(self)

    def shown(self, text: str) -> str:
        """Return what an array of `TJ` has for a text (ISO 32000-1, 9.4.3). Raises NotPlainError."""
        if not text:
            return "<>"
        if self._joined:
            text = self._joining.sub(self._one_for, text)
        pairs, last = self._pairs, self._glyphs.get(text[-1])
        if last is None:
            raise NotPlainError(_PROBLEM)
        return f"<{''.join([pairs[pair] for pair in map(str.__add__, text, text[1:])])}{last:04X}>"

    def between(self, pair: str) -> str:
        """Return the glyph of the first of two signs, and how far the second one moves. Raises NotPlainError."""
        expected = [self._glyphs.get(sign) for sign in pair]
        shaped = self._shaped(self._expanded(pair))
        if [glyph for glyph, _ in shaped] != expected or shaped[1][1]:
            raise NotPlainError(_PROBLEM)
        glyph, kerning = shaped[0]
        move = kerning - self._tracking
        return f"{glyph:04X}>{move}<" if move else f"{glyph:04X}"

    def subset(self, texts: Iterable[str]) -> Subset:
        """Return the part of the face that shows these plain texts; its glyphs keep their numbers."""
        used = set().union(*texts)
        joined = [one for text, one in self._joined.items() if used.issuperset(text)]
        signs = {self._glyphs[sign]: self._expanded(sign) for sign in sorted(used) + joined}
        numbers = sorted({0, *signs})
        return Subset(
            name=self._name,
            file=self._file(numbers),
            signs=signs,
            widths={glyph: self._font.get_glyph_h_advance(glyph) for glyph in numbers},
            box=self._box(numbers),
        )

    def _one_for(self, found: re.Match[str]) -> str:
        return self._joined[found[0]]

    def _expanded(self, text: str) -> str:
        return "".join([self._apart.get(sign, sign) for sign in text])

    def _shaped(self, text: str) -> list[tuple[int, int]]:
        """Return the glyphs of a text, each with how much nearer the next one stands; none where one is shifted."""
        buffer = uharfbuzz.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        uharfbuzz.shape(self._font, buffer)
        if any(place.x_offset or place.y_offset for place in buffer.glyph_positions):
            return []
        return [
            (info.codepoint, self._font.get_glyph_h_advance(info.codepoint) - place.x_advance)
            for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
        ]

    def _ligatures(self) -> dict[str, str]:
        """Give a sign of its own to letters that have one glyph together: `ff`, `ft`, `fft`."""
        found: dict[str, str] = {}
        texts = list(map("".join, product(ascii_lowercase, repeat=2)))
        for text in texts:
            shaped = self._shaped(text)
            if len(shaped) == 1:
                found[text] = chr(_PRIVATE_USE + len(found))
                self._glyphs[found[text]] = shaped[0][0]
                texts += [text + letter for letter in ascii_lowercase]
        return found

    def _file(self, numbers: Sequence[int]) -> bytes:
        wanted = uharfbuzz.SubsetInput()
        wanted.glyph_set.update(numbers)
        wanted.drop_table_tag_set.update(int.from_bytes(tag.encode()) for tag in _DROPPED)
        flags = uharfbuzz.SubsetFlags
        wanted.flags = flags.RETAIN_GIDS | flags.NO_HINTING | flags.NO_LAYOUT_CLOSURE | flags.NOTDEF_OUTLINE
        return bytes(uharfbuzz.subset(self._face, wanted).blob.data)

    def _box(self, numbers: Sequence[int]) -> tuple[int, int, int, int]:
        """Return the smallest box around these glyphs, in which all of them begin at the same point."""
        extents = [found for glyph in numbers if (found := self._font.get_glyph_extents(glyph))]
        left, top = min(one.x_bearing for one in extents), max(one.y_bearing for one in extents)
        right = max(one.x_bearing + one.width for one in extents)
        return left, min(one.y_bearing + one.height for one in extents), right, top


class _Pairs(dict[str, str]):
    """What `Glyphs.between` says, by pair."""

    def __init__(self, of: Glyphs) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, pair: str) -> str:
        if len(self) >= _MOST_PAIRS:
            self.clear()
        found = self[pair] = self._of.between(pair)
        return found


def _own_glyphs(font: uharfbuzz.Font, codes: Iterable[int]) -> dict[str, int]:
    """Return plain signs with their glyphs; of those that look the same the first alone, so that each is read back."""
    found: dict[int, str] = {}
    for code in sorted(codes):
        found.setdefault(font.get_nominal_glyph(code), chr(code))
    return {sign: glyph for glyph, sign in found.items() if glyph and _is_plain(sign)}


def _is_plain(sign: str) -> bool:
    """Tell whether a sign is a Latin letter, or one that goes with them. Where scripts meet, typst begins anew."""
    category = unicodedata.category(sign)[0]
    return unicodedata.name(sign, "").startswith("LATIN ") if category == "L" else category in "NPSZ"


@cache
def glyphs() -> tuple[Glyphs, Glyphs]:
    """Return the face of a letter's text, and that of its reference, whose signs stand apart."""
    return Glyphs(REGULAR), Glyphs(BOLD, 60)
