"""Text of the bundled faces as PDF shows it: glyphs, how far they stand apart, and the font that a file needs of them.

HarfBuzz shapes each pair of signs once. A line is then two look-ups a sign, and looks as if it was shaped whole. That
is so for Latin letters and what goes with them; all else is not plain, and a typesetter sets it.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product
from operator import getitem
from string import ascii_lowercase, ascii_uppercase, digits

import uharfbuzz

from services.rendering.letters.faces import BOLD, FOLDER, REGULAR

__all__ = ["Glyphs", "NotPlainError", "Subset", "glyphs"]

# What only a typesetter needs, or a program that looks for a font by its name.
_DROPPED = ("BASE", "GDEF", "GPOS", "GSUB", "OS/2", "STAT", "cmap", "gasp", "name", "post", "prep")
_MOST_PAIRS = 1 << 17  # kept in memory, 150 bytes each; names and streets have some thousands
_END = "\n"  # of each text where many are shown at once
_NOT_PLAIN = "!"  # in what is shown: nothing else has this sign
# What nearly every file of letters needs. With all of it in each, a font is made once, and is up to 4 KB larger.
_OF_REFERENCES = f"{ascii_uppercase}{digits}-"
_USUAL = f"{ascii_lowercase}{_OF_REFERENCES} .,:;'()/&\N{RIGHT SINGLE QUOTATION MARK}éëèêïöüáóçñ"
_KEPT_SUBSETS = 64  # 20 KB each
_PRIVATE_USE = 0xE000  # signs that stand for letters which have one glyph together
_PROBLEM = "must be signs that have a glyph each"


class NotPlainError(ValueError):
    """A text that only a typesetter can set. It does not say which."""


@dataclass(frozen=True, slots=True, eq=False)
class Subset:
    """A part of a face: the font file, and what its glyphs stand for and how wide they are. Each is equal to itself."""

    name: str
    file: bytes
    signs: Mapping[int, str]
    widths: Mapping[int, int]
    box: Sequence[int]


class Glyphs:
    """One face, in units of a thousandth of the text's size."""

    def __init__(self, name: str, usual: str, *, joins: bool = True) -> None:
        """`usual` is what nearly all texts need. Signs that stand apart do not `join` to one glyph."""
        self._name, self._usual = name.partition(".")[0], frozenset(usual)
        self._face = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(FOLDER / name)))
        self._font = uharfbuzz.Font(self._face)
        self._glyphs = _own_glyphs(self._font, self._face.unicodes)
        self._joined = self._ligatures() if joins else {}
        self._apart = {one: text for text, one in self._joined.items()}
        self._joining = re.compile("|".join(sorted(self._joined, key=len, reverse=True)))
        self._rows = _Rows(self)
        self._subset = lru_cache(_KEPT_SUBSETS)(self._made)

    def shown(self, text: str) -> str:
        """Return what an array of `TJ` has for a text (ISO 32000-1, 9.4.3). Raises NotPlainError."""
        (found,) = self.shown_all([text])
        if not found:
            raise NotPlainError(_PROBLEM)
        return found

    def shown_all(self, texts: Sequence[str]) -> list[str]:
        """Return what arrays of `TJ` have for these texts, all in one go; nothing for one that is not plain."""
        whole = _END.join(["", *texts, ""])
        if whole.count(_END) != len(texts) + 1:
            return [line for text in texts for line in (self.shown_all([text]) if _END not in text else [""])]
        if self._joined:
            whole = self._joining.sub(self._one_for, whole)
        found = "".join(map(getitem, map(self._rows.__getitem__, whole), whole[1:]))
        lines = found.split(_END)[:-1]
        return ["" if _NOT_PLAIN in line else line for line in lines] if _NOT_PLAIN in found else lines

    def step(self, pair: str) -> str:
        """Return what stands for the first of two signs before the second one; either may be the end of a text."""
        one, other = pair[0], pair[1]
        if one == _END:
            return f"<>{_END}" if other == _END else "<"
        if other == _END:
            return f"{self._glyphs[one]:04X}>{_END}" if one in self._glyphs else f"{_NOT_PLAIN}{_END}"
        try:
            return self.between(pair) if one in self._glyphs and other in self._glyphs else _NOT_PLAIN
        except NotPlainError:
            return _NOT_PLAIN

    def between(self, pair: str) -> str:
        """Return the glyph of the first of two signs, and how far the second one moves. Raises NotPlainError."""
        expected = [self._glyphs.get(sign) for sign in pair]
        shaped = self._shaped(self._expanded(pair))
        if [glyph for glyph, _ in shaped] != expected or shaped[1][1]:
            raise NotPlainError(_PROBLEM)
        glyph, kerning = shaped[0]
        return f"{glyph:04X}>{kerning}<" if kerning else f"{glyph:04X}"

    def subset(self, texts: Iterable[str], *, small: bool) -> Subset:
        """Return a part of the face that shows these plain texts; its glyphs keep their numbers.

        A `small` one shows nothing else. Any other has what is usual too, as it was mostly made before then.
        """
        used = frozenset("".join(texts))
        return self._made(used) if small else self._subset(self._usual | used)

    def _made(self, used: frozenset[str]) -> Subset:
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


class _Rows(dict[str, "_Row"]):
    """What `Glyphs.step` says, by the first sign and then by the second."""

    def __init__(self, of: Glyphs) -> None:
        super().__init__()
        self._of = of
        self._room = _MOST_PAIRS

    def __missing__(self, one: str) -> "_Row":
        found = self[one] = _Row(self, one)
        return found

    def step(self, pair: str) -> str:
        """Return a step that is not known yet; where too many are kept, all others are forgotten."""
        if not self._room:
            self.clear()
            self._room = _MOST_PAIRS
        self._room -= 1
        return self._of.step(pair)


class _Row(dict[str, str]):
    """What stands for one sign, by the sign that follows it."""

    def __init__(self, of: _Rows, one: str) -> None:
        super().__init__()
        self._of, self._one = of, one

    def __missing__(self, other: str) -> str:
        found = self[other] = self._of.step(self._one + other)
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
    return Glyphs(REGULAR, _USUAL), Glyphs(BOLD, _OF_REFERENCES, joins=False)
