"""Typst as letters use it: its compilers, which read fonts and templates only once, and its warnings as errors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typst

from services.rendering.letters.faces import FOLDER
from services.rendering.letters.profile import Profile

__all__ = ["Template"]

_HERE = Path(__file__).parent
_BUNDLED = "Source Sans 3"
_KEPT = 11  # typst keeps the layouts of its last documents; each compilation ages them by one


class Template:
    """One of the templates, for one print profile. Used by one thread at a time."""

    def __init__(self, name: str, profile: Profile, standards: Sequence[Any], *, tagged: bool = False) -> None:
        """`standards` are those of PDF that the file keeps to, as typst names them."""
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FOLDER)])
        self._compiler = typst.Compiler(str(_HERE / name), root=str(_HERE), font_paths=fonts)
        self._layout = json.dumps(profile.layout() | {"faces": _families(fonts)})
        self._standards, self._tagged = list(standards), tagged

    def pdf(self, data: bytes, timestamp: int = 0) -> bytes:
        """Compile to PDF. Raises typst.TypstError, and RuntimeError where typst warns."""
        inputs = {"data": data.decode(), "layout": self._layout}
        pdf, warnings = self._compiler.compile_with_warnings(
            format="pdf", sys_inputs=inputs, timestamp=timestamp, pdf_standards=self._standards, pdf_tags=self._tagged
        )
        if warnings:
            raise RuntimeError(f"typst warns: {'; '.join(sorted({warning.message for warning in warnings}))}")
        if not isinstance(pdf, bytes):
            raise TypeError("typst gave several files for one document")
        return pdf

    def said(self, label: str) -> Any:
        """Return what the document that was compiled last says under a label."""
        (found,) = json.loads(self._compiler.query(label, field="value"))
        return found

    def forget(self, nothing: bytes) -> None:
        """Make typst forget the layouts of people's own words: `nothing` is data without any."""
        for _ in range(_KEPT):
            self.pdf(nothing)


def _families(fonts: typst.Fonts) -> list[str]:
    """Return the names of all faces, the bundled one first: typst takes the next one for what it lacks.

    Of those that have the same Chinese signs as they are written in different places, the first is the mainland's.
    """
    more = sorted(fonts.families(), key=lambda name: (" Mono " in name, not name.endswith(" SC"), name))
    return [_BUNDLED, *(name for name in more if name != _BUNDLED)]
