"""The faces of people's own lines: the bundled one, and those of other scripts where they are installed.

`deploy/letters/faces.py` installs Noto faces beside the bundled ones: they are too large to be kept with the code. What
they have is set by typst, never stamped. What none of them has is not printed.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import uharfbuzz

from services.rendering.letters.faces import FOLDER, REGULAR, Face, face

__all__ = ["MORE", "OwnFace", "faces_in", "lacking", "own_face"]

MORE = FOLDER / "more"
_ROOM = 1.1  # joined to others, a sign may be a little wider than alone
_FIRST = 0x20  # what is below are controls
# One sign of each script that `deploy/letters/faces.json` has faces for.
_SCRIPTS = {
    "Arabic": "م", "Armenian": "Հ", "Bengali": "র", "Devanagari": "क", "Ethiopic": "ለ", "Georgian": "ჯ",
    "Gujarati": "પ", "Gurmukhi": "ਗ", "Hebrew": "א", "Tamil": "த", "Thai": "ส", "Chinese": "王", "Japanese": "あ",
    "Korean": "김",
}  # fmt: skip
_SUFFIXES = {".ttf", ".otf", ".ttc"}


@dataclass(frozen=True, slots=True)
class OwnFace(Face):
    """All faces of own lines as one. How wide signs are that join is not known, but that they are not wider."""

    faces: Sequence[Face]

    def missing(self, text: str) -> list[str]:
        """Return the signs that would be printed as a box: none has them, or not together with what they stand on."""
        if text.isascii() and text.isprintable():
            return []
        lacking = [sign for sign in text if sign not in self.widths]
        return list(dict.fromkeys([*lacking, *self._apart(text)]))

    def _apart(self, text: str) -> Iterable[str]:
        """Return marks that no face has together with the sign that they stand on: typst takes both from one face."""
        base = ""
        for sign in text:
            if not unicodedata.category(sign).startswith("M"):
                base = sign
            elif not any(base in one.widths and sign in one.widths for one in self.faces):
                yield sign


@cache
def own_face() -> OwnFace:
    """Return the faces of people's own lines, as they are installed."""
    return faces_in(MORE)


def lacking(own: OwnFace | None = None) -> list[str]:
    """Return the scripts that names come in, and that no face is installed for."""
    return [name for name, sign in _SCRIPTS.items() if (own or own_face()).missing(sign)]


def faces_in(folder: Path) -> OwnFace:
    """Return the bundled face and those in a folder, which need not be there."""
    files = sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)
    found = [face(REGULAR), *map(_read, files)]
    widths: dict[str, float] = {}
    for one in reversed(found):
        widths |= one.widths
    return OwnFace(widths, found)


def _read(path: Path) -> Face:
    """Read a face; of a collection the first, as all of one have the same signs."""
    read = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))
    font = uharfbuzz.Font(read)
    codes = [code for code in read.unicodes if code >= _FIRST]
    return Face(
        {chr(code): font.get_glyph_h_advance(font.get_nominal_glyph(code)) * _ROOM / read.upem for code in codes}
    )
