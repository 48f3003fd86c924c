"""Reads print files again before anybody may print them: page by page, each letter is where the manifest says. Pure.

A general PDF library costs more than setting the letters did (2 ms each). What is read here is what `pdf_file.py`
writes: a table of cross-references, pages with one content stream each, and fonts that say which glyph is which sign
(`ToUnicode`). Nothing is taken from the code that wrote it. A file that looks otherwise does not agree, and is not
handed over.
"""

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from services.rendering.letters.manifest import Content
from services.rendering.letters.print_job import PrintJob

__all__ = ["ReadBackError", "agree"]

_ENTRY = 20  # bytes in a table of cross-references
_PAGES = re.compile(rb"/Type/Pages/Count (\d+).*?/Kids\[([^]]*)\]", re.DOTALL)
_REFERENCES = re.compile(rb"(\d+) 0 R")
_PAGE = re.compile(rb"<</Type/Page/Parent 2 0 R/Resources (\d+) 0 R(?:/Contents (\d+) 0 R)?>>")
_NAMED = re.compile(rb"/(\w+) (\d+) 0 R")
_FONTS = re.compile(rb"/Font ?<<([^>]*)>>")
_DRAWINGS = re.compile(rb"/XObject<<([^>]*)>>")
_TO_UNICODE = re.compile(rb"/ToUnicode (\d+) 0 R")
_SIGNS = re.compile(rb"<([0-9A-F]{4})> <((?:[0-9A-F]{4})+)>")
_STREAM = re.compile(rb"/Length (\d+)>>\nstream\n")
_TYPST_KERNING = re.compile(rb"\)-?[0-9.]+\(")  # between the parts of a text
_KERNING = re.compile(r">-?\d+<")
_SHOWN = re.compile(r"/([RB]) \S+ Tf|\[<([^]]*)>\]TJ|/(\w+) Do")


class ReadBackError(Exception):
    """A print file as it lies on the disk does not hold the letters that its manifest names."""


class _Shown(NamedTuple):
    """What a page shows: its lines of text, and the names of what is drawn on it."""

    lines: list[str]
    drawn: list[str]


def agree(written: bytes, job: PrintJob, content: Content, sha256: str) -> None:
    """Make sure that a file as it was written is what the manifest says, and holds each letter of a job in its place.

    Raises ReadBackError.
    """
    if hashlib.sha256(written).hexdigest() != sha256:
        raise ReadBackError("the file is not what was written")
    if content.suffix == ".pdf":
        _Pages(written).agree(job, content)
    else:
        _lines_agree(written, job.references, content)


def _lines_agree(written: bytes, references: Sequence[str], content: Content) -> None:
    lines = written.removesuffix(b"\n").split(b"\n")
    if len(lines) != content.first_pages[-1]:
        raise ReadBackError("the file has another number of lines")
    for reference, number in zip(references, content.first_pages, strict=True):
        if b'"reference":"%s"' % reference.encode() not in lines[number - 1]:
            raise ReadBackError("a letter is not on its line")


def _found(pattern: re.Pattern[bytes], text: bytes, at: int = 0) -> re.Match[bytes]:
    found = pattern.search(text, at)
    if found is None:
        raise ReadBackError("the file cannot be read")
    return found


class _Pages:
    """The pages of a PDF, as the text that is a person's own on them."""

    def __init__(self, pdf: bytes) -> None:
        self._pdf = pdf
        self._fonts: dict[int, dict[str, Mapping[int, str]]] = {}  # by the object of a page's resources

    def agree(self, job: PrintJob, content: Content) -> None:
        """Make sure that each letter's pages show what is its own, and blank pages nothing. Raises ReadBackError."""
        try:
            pages = self._numbers
            if len(pages) != sum(content.pages):
                raise ReadBackError("the file has another number of pages")
            for row, (first, count) in enumerate(zip(content.first_pages, content.pages, strict=True)):
                self._letter_agrees(job, row, pages[first - 1 : first - 1 + count])
        except (IndexError, KeyError, ValueError, zlib.error) as error:
            raise ReadBackError("the file cannot be read") from error

    def _letter_agrees(self, job: PrintJob, row: int, pages: Sequence[int]) -> None:
        last = len(pages) - 1
        for at, page in enumerate(pages):
            resources, found = self._shown(page)
            if found is None and 0 < at == last:
                continue  # a last page may be blank
            if found is None or not self._ends(job, row, at, found):
                raise ReadBackError("a letter is not on its page")
            if not (self._begins(job, row, resources, found) if at == 0 else found == ([], [])):
                raise ReadBackError("a letter is not on its page")

    @staticmethod
    def _ends(job: PrintJob, row: int, at: int, found: _Shown) -> bool:
        """Tell whether a page ends with somebody's reference and the sheet of their form; takes both away."""
        return found.drawn.pop() == f"F{job.words[row].number - 1}P{at}" and found.lines.pop() == job.references[row]

    def _begins(self, job: PrintJob, row: int, resources: int, found: _Shown) -> bool:
        """Tell whether a first page has somebody's own lines and bar code, stamped or set apart."""
        lines, drawn = found
        apart = drawn.pop(0) if drawn and drawn[0].startswith("O") else ""
        if drawn != [f"K{sign}" for sign in job.kix[row]]:
            return False
        if apart:
            return not lines and self._has_once(job.references[row], resources, apart)
        *above, greeting = lines
        unnamed = job.words[row].wording.phrases["dear_unnamed"]
        expected = [*job.addresses[row], job.words[row].date, job.references[row], job.earlier[row]]
        return above == [line for line in expected if line] and greeting in {job.greetings[row], unnamed}

    def _shown(self, page: int) -> tuple[int, _Shown | None]:
        """Return the resources of a page, and what it shows; None where that is nothing."""
        number, contents = _found(_PAGE, self._object(page)).groups()
        resources = int(number)
        if contents is None:
            return resources, None
        fonts = self._fonts_of(resources)
        font: Mapping[int, str] = {}
        found = _Shown([], [])
        for named, text, drawing in _SHOWN.findall(self._stream(int(contents)).decode("ascii")):
            if named:
                font = fonts[named]
            elif drawing:
                found.drawn.append(drawing)
            else:
                found.lines.append(_text(text, font))
        return resources, found

    def _has_once(self, text: str, resources: int, drawing: str) -> bool:
        """Tell whether typst put a text on a drawing once; what it says is compressed, in its own fonts."""
        named = dict(_NAMED.findall(_found(_DRAWINGS, self._object(resources))[1]))
        number = int(named[drawing.encode()])
        shown = _TYPST_KERNING.sub(b"", zlib.decompress(self._stream(number)))
        glyphs = shown.replace(b"\\(", b"(").replace(b"\\)", b")").decode("unicode_escape")
        found = 0
        for _, font in _NAMED.findall(_found(_FONTS, self._object(number))[1]):
            written = {sign: _two(glyph) for glyph, sign in self._font(int(font)).items()}
            found += glyphs.count("".join([written.get(sign, "\0\0") for sign in text]))
        return found == 1

    @cached_property
    def _offsets(self) -> list[int]:
        table = int(self._pdf[self._pdf.rindex(b"startxref") + 9 :].split(None, 1)[0])
        first = self._pdf.index(b"\n", self._pdf.index(b"\n", table) + 1) + 1
        count = int(self._pdf[table:first].split()[2])
        return [int(self._pdf[at : at + 10]) for at in range(first, first + count * _ENTRY, _ENTRY)]

    @cached_property
    def _numbers(self) -> list[int]:
        """The objects that are pages, in their order."""
        count, kids = _found(_PAGES, self._pdf).groups()
        numbers = [int(number) for number in _REFERENCES.findall(kids)]
        if len(numbers) != int(count):
            raise ReadBackError("the file has another number of pages")
        return numbers

    def _object(self, number: int) -> bytes:
        at = self._offsets[number]
        return self._pdf[at : self._pdf.index(b"endobj", at)]

    def _stream(self, number: int) -> bytes:
        head = _found(_STREAM, self._pdf, self._offsets[number])
        begin = head.end()
        return self._pdf[begin : begin + int(head[1])]

    def _fonts_of(self, resources: int) -> dict[str, Mapping[int, str]]:
        """Return the fonts of a page by name: what their glyphs stand for."""
        found = self._fonts.get(resources)
        if found is None:
            named = _NAMED.findall(_found(_FONTS, self._object(resources))[1])
            found = self._fonts[resources] = {name.decode(): self._font(int(number)) for name, number in named}
        return found

    def _font(self, number: int) -> Mapping[int, str]:
        said = zlib.decompress(self._stream(int(_found(_TO_UNICODE, self._object(number))[1])))
        return {
            int(glyph, 16): bytes.fromhex(signs.decode()).decode("utf-16-be") for glyph, signs in _SIGNS.findall(said)
        }


def _text(shown: str, font: Mapping[int, str]) -> str:
    """Return what a line of glyphs says."""
    return bytes.fromhex(_KERNING.sub("", shown)).decode("utf-16-be").translate(font)


def _two(glyph: int) -> str:
    """Return a glyph as the two signs of one byte each that typst writes."""
    return chr(glyph >> 8) + chr(glyph & 255)
