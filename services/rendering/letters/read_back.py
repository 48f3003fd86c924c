"""Reads print files again before anybody may print them: page by page, each letter is where the manifest says. Pure.

A general PDF library costs more than setting the letters did (2 ms each). What is read here is what typst writes: a
table of cross-references, pages with one compressed content stream each, and fonts that say which glyph is which sign
(`ToUnicode`). A file that looks otherwise does not agree, and is not handed over.
"""

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property

from services.rendering.letters.manifest import Content
from services.rendering.letters.print_job import PrintJob

__all__ = ["ReadBackError", "agree"]

_ENTRY = 20  # bytes in a table of cross-references
_PAGES = re.compile(rb"/Type ?/Pages.*?/Count (\d+).*?/Kids ?\[([^]]*)\]", re.DOTALL)
_REFERENCES = re.compile(rb"(\d+) 0 R")
_PAGE = re.compile(rb"/Type ?/Page/Resources (\d+) 0 R.*?/Contents (\d+) 0 R", re.DOTALL)
_FONTS = re.compile(rb"/Font ?<<([^>]*)>>")
_TO_UNICODE = re.compile(rb"/ToUnicode (\d+) 0 R")
_SIGNS = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]{4})>")
_STREAM = re.compile(rb"<<.*?/Length (\d+).*?>>\s*stream\r?\n", re.DOTALL)
_KERNING = re.compile(rb"\)-?[0-9.]+\(")  # between the parts of a text


class ReadBackError(Exception):
    """A print file as it lies on the disk does not hold the letters that its manifest names."""


def agree(written: bytes, job: PrintJob, content: Content, sha256: str) -> None:
    """Make sure that a file as it was written is what the manifest says, and holds each letter of a job in its place.

    Raises ReadBackError.
    """
    if hashlib.sha256(written).hexdigest() != sha256:
        raise ReadBackError("the file is not what was written")
    if content.suffix == ".pdf":
        _Pages(written).agree(job.references, content)
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
        self._fonts: dict[bytes, list[Mapping[str, str]]] = {}  # by what a page says of its fonts

    def agree(self, references: Sequence[str], content: Content) -> None:
        """Make sure that each letter's pages have its reference, and blank pages nothing. Raises ReadBackError."""
        try:
            pages = self._numbers
            if len(pages) != sum(content.pages):
                raise ReadBackError("the file has another number of pages")
            for reference, first, count in zip(references, content.first_pages, content.pages, strict=True):
                self._letter_agrees(reference, pages[first - 1 : first - 1 + count])
        except (IndexError, ValueError, zlib.error) as error:
            raise ReadBackError("the file cannot be read") from error

    def _letter_agrees(self, reference: str, pages: Sequence[int]) -> None:
        last = len(pages) - 1
        for at, page in enumerate(pages):
            found = self._count(reference, page)
            # On the first page it stands above the text and at the foot; a last page may be blank.
            if found is None and 0 < at == last:
                continue
            if found != (1 if at else 2):
                raise ReadBackError("a letter is not on its page")

    def _count(self, text: str, page: int) -> int | None:
        """Return how often a text stands on a page; None where nothing does."""
        resources, contents = _found(_PAGE, self._object(page)).groups()
        shown = self._stream(int(contents))
        if b"(" not in shown:
            return None
        glyphs = _KERNING.sub(b"", shown).replace(b"\\(", b"(").replace(b"\\)", b")").decode("unicode_escape")
        found = 0
        for font in self._fonts_of(int(resources)):
            found += glyphs.count("".join([font.get(sign, "\0\0") for sign in text]))
        return found

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
        return zlib.decompress(self._pdf[begin : begin + int(head[1])])

    def _fonts_of(self, resources: int) -> list[Mapping[str, str]]:
        """Return the fonts of a page: which glyphs, as two signs each, stand for a sign."""
        named = _found(_FONTS, self._object(resources))[1]
        found = self._fonts.get(named)
        if found is None:
            found = self._fonts[named] = [self._font(int(number)) for number in _REFERENCES.findall(named)]
        return found

    def _font(self, number: int) -> Mapping[str, str]:
        said = self._stream(int(_found(_TO_UNICODE, self._object(number))[1]))
        return {
            chr(int(sign, 16)): bytes.fromhex(glyph.decode()).decode("latin-1") for glyph, sign in _SIGNS.findall(said)
        }
