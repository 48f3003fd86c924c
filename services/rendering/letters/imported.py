"""Pages that typst made, as parts of another file: each becomes a picture of its page (a form, ISO 32000-1, 8.10)."""

import zlib
from io import BytesIO
from typing import NamedTuple

from pypdf import PdfReader
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    EncodedStreamObject,
    IndirectObject,
    PdfObject,
    StreamObject,
    TextStringObject,
)

from services.rendering.letters.pdf_file import SHEET_BOX, Part

__all__ = ["Imported", "imported"]


class Imported(NamedTuple):
    """The parts of a file, and which of them are its pages, and its output intents."""

    parts: list[Part]
    sheets: list[int]
    intents: int | None


def imported(pdf: bytes) -> Imported:
    """Return the pages of a file that typst made, with all that they need."""
    reader = PdfReader(BytesIO(pdf))
    parts = _Parts()
    sheets = []
    for page in reader.pages:
        contents = page.get_contents()
        content = b"" if contents is None else contents.get_data()
        resources = parts.text(page["/Resources"])
        about = f"<</Type/XObject/Subtype/Form/BBox{SHEET_BOX}/Resources {resources}/Filter/FlateDecode>>"
        sheets.append(parts.add(about.encode(), zlib.compress(content, 9)))
    root = reader.trailer["/Root"].get_object()
    intents = root.get("/OutputIntents") if isinstance(root, DictionaryObject) else None
    return Imported(parts.found, sheets, None if intents is None else parts.add(parts.text(intents).encode(), None))


class _Parts:
    """Objects in the order in which they can be added to a file: each after those that it names."""

    def __init__(self) -> None:
        self.found: list[Part] = []
        self._places: dict[int, int] = {}  # of what was an object of its own, by its number

    def add(self, text: bytes, content: bytes | None) -> int:
        """Add an object; returns its position."""
        self.found.append((text, content))
        return len(self.found) - 1

    def text(self, value: PdfObject) -> str:
        """Return a value as PDF writes it; the objects that it names are added first."""
        if isinstance(value, IndirectObject):
            return f"@{self._place(value)}@"
        if isinstance(value, DictionaryObject):
            left_out = {"/Length", "/Filter"} if isinstance(value, StreamObject) else set()
            rows = [f"{name} {self.text(value.raw_get(name))}" for name in value if name not in left_out]
            return f"<<{' '.join(rows)}>>"
        if isinstance(value, ArrayObject):
            return f"[{' '.join(map(self.text, list.__iter__(value)))}]"
        if isinstance(value, TextStringObject | ByteStringObject):
            return f"<{value.original_bytes.hex().upper()}>"
        written = BytesIO()
        value.write_to_stream(written)
        return written.getvalue().decode("latin-1")

    def _place(self, reference: IndirectObject) -> int:
        place = self._places.get(reference.idnum)
        if place is None:
            value = reference.get_object()
            if value is None:
                raise ValueError("an object is missing")
            text, content = self.text(value), None
            if isinstance(value, StreamObject):
                raw = value.get_data() if isinstance(value, EncodedStreamObject) else value._data  # noqa: SLF001
                text, content = f"{text.removesuffix('>>')} /Filter/FlateDecode>>", zlib.compress(raw, 9)
            place = self._places[reference.idnum] = self.add(text.encode("latin-1"), content)
        return place
