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
from itertools import zip_longest

from services.rendering.letters.datamatrix import sheet_said
from services.rendering.letters.manifest import Content
from services.rendering.letters.print_job import PrintJob

__all__ = ["ReadBackError", "agree"]

_ENTRY = 20  # bytes in a table of cross-references
_PAGES = re.compile(rb"/Type/Pages/Count (\d+).*?/Kids\[([^]]*)\]", re.DOTALL)
_REFERENCES = re.compile(rb"(\d+) 0 R")
_PAGE = re.compile(rb"(\d+) 0 obj\n<</Type/Page/Parent 2 0 R/Resources (\d+) 0 R(?:/Contents (\d+) 0 R)?>>\nendobj\n")
_CONTENT = re.compile(rb"(\d+) 0 obj\n<</Length (\d+)>>\nstream\n")
_NAMED = re.compile(rb"/(\w+) (\d+) 0 R")
_FONTS = re.compile(rb"/Font ?<<([^>]*)>>")
_DRAWINGS = re.compile(rb"/XObject<<([^>]*)>>")
_TO_UNICODE = re.compile(rb"/ToUnicode (\d+) 0 R")
_SIGNS = re.compile(rb"<([0-9A-F]{4})> <((?:[0-9A-F]{4})+)>")
_STREAM = re.compile(rb"/Length (\d+)>>\nstream\n")
_TYPST_KERNING = re.compile(rb"\)-?[0-9.]+\(")  # between the parts of a text
# Where a page begins, the font of what follows, a mark of a sheet, a sign of a bar code, and another drawing.
_PIECE = re.compile(
    r"(?P<page>\f)|/(?P<font>\w+) \S+ Tf|BI/W 18/H 18/IM true/D\[1 0\]/F/AHx ID (?P<mark>[0-9A-F]+)> EI"
    r"|/K(?P<sign>\w)\Z|/(?P<drawing>\w+)\Z"
)
_BREAK = "\f"
_APART, _NO_GLYPH = "FFFF", 0xFFFF  # between lines: no glyph has this number


class ReadBackError(Exception):
    """A print file as it lies on the disk does not hold the letters that its manifest names."""


class _Shown:
    """What a page shows: its lines of text, what is drawn on it, and what its bar code and its marks say."""

    __slots__ = ("code", "drawn", "lines", "marks")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.drawn: list[str] = []
        self.code: list[str] = []
        self.marks: list[str] = []


class _Pieces(dict[str, list[tuple[str, str]]]):
    """What stands between lines of text and drawings, and what it says. Most letters have the same: it is read once."""

    def __missing__(self, piece: str) -> list[tuple[str, str]]:
        found = [(str(one.lastgroup), one[str(one.lastgroup)]) for one in _PIECE.finditer(piece)]
        self[piece] = found
        return found


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

    def agree(self, job: PrintJob, content: Content) -> None:
        """Make sure that each letter's pages show what is its own, and blank pages nothing. Raises ReadBackError."""
        try:
            pages = self._shown()
            if len(pages) != sum(content.pages):
                raise ReadBackError("the file has another number of pages")
            for row, (first, count) in enumerate(zip(content.first_pages, content.pages, strict=True)):
                if not self._letter_agrees(job, row, pages[first - 1 : first - 1 + count], content.marked):
                    raise ReadBackError("a letter is not on its page")
        except (IndexError, KeyError, ValueError, zlib.error) as error:
            raise ReadBackError("the file cannot be read") from error

    def _letter_agrees(self, job: PrintJob, row: int, pages: list[_Shown | None], marked: int) -> bool:
        if len(pages) > 1 and pages[-1] is None:
            pages.pop()  # a last page may be blank
        reference, form = job.references[row], job.words[row].number - 1
        for at, found in enumerate(pages):
            if found is None or found.drawn.pop() != f"F{form}P{at}" or found.lines.pop() != reference:
                return False
            if found.marks != _marks(reference, at, len(pages), marked, row):
                return False
            if not (self._begins(job, row, found) if at == 0 else not (found.lines or found.drawn or found.code)):
                return False
        return True

    def _begins(self, job: PrintJob, row: int, found: _Shown) -> bool:
        """Tell whether a first page has somebody's own lines and bar code, stamped or set apart."""
        if "".join(found.code) != job.kix[row]:
            return False
        if found.drawn:
            (apart,) = found.drawn
            return apart.startswith("O") and not found.lines and self._has_once(job.references[row], apart)
        *above, greeting = found.lines
        unnamed = job.words[row].wording.phrases["dear_unnamed"]
        expected = [*job.addresses[row], job.words[row].date, job.references[row]]
        if earlier := job.earlier[row]:
            expected.append(earlier)
        return above == expected and greeting in {job.greetings[row], unnamed}

    def _shown(self) -> list[_Shown | None]:
        """Return what each page shows; None where that is nothing.

        All pages are searched at once: to begin anew for each of them costs more than what is found.
        """
        contents = [self._content(page) for page in self._numbers]
        pages = [None if content is None else _Shown() for content in contents]
        shown = [page for page in pages if page]
        text = b"".join([b"\f%b" % content for content in contents if content is not None]).decode("ascii")
        if text.count(_BREAK) != len(shown):
            raise ReadBackError("the file cannot be read")
        self._put_lines(_gathered(text, shown))
        return pages

    def _put_lines(self, found: Sequence[tuple[_Shown, str, str]]) -> None:
        """Give pages their lines; each comes with its page, its font, and as glyphs."""
        by_font: dict[str, list[str]] = {}
        for _, font, line in found:
            by_font.setdefault(font, []).append(line)
        texts = {font: iter(_texts(lines, self._fonts[font])) for font, lines in by_font.items()}
        for page, font, _ in found:
            page.lines.append(next(texts[font]))

    def _content(self, page: int) -> bytes | None:
        """Return what is on a page; None where it is blank."""
        found = _PAGE.match(self._pdf, self._offsets[page])
        if found is None or int(found[1]) != page or found[2] != self._resources:
            raise ReadBackError("the file cannot be read")
        if found[3] is None:
            return None
        number = int(found[3])
        head = _CONTENT.match(self._pdf, self._offsets[number])
        if head is None or int(head[1]) != number:
            raise ReadBackError("the file cannot be read")
        begin = head.end()
        return self._pdf[begin : begin + int(head[2])]

    def _has_once(self, text: str, drawing: str) -> bool:
        """Tell whether typst put a text on a drawing once; what it says is compressed, in its own fonts."""
        named = dict(_NAMED.findall(_found(_DRAWINGS, self._object(int(self._resources)))[1]))
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

    @cached_property
    def _resources(self) -> bytes:
        """The number of the object with the resources that all pages have."""
        return _found(_PAGE, self._pdf)[2]

    @cached_property
    def _fonts(self) -> dict[str, Mapping[int, str]]:
        """The fonts of all pages by name: what their glyphs stand for."""
        named = _NAMED.findall(_found(_FONTS, self._object(int(self._resources)))[1])
        return {name.decode(): self._font(int(number)) for name, number in named}

    def _font(self, number: int) -> Mapping[int, str]:
        said = zlib.decompress(self._stream(int(_found(_TO_UNICODE, self._object(number))[1])))
        return {
            int(glyph, 16): bytes.fromhex(signs.decode()).decode("utf-16-be") for glyph, signs in _SIGNS.findall(said)
        }


def _gathered(text: str, pages: Sequence[_Shown]) -> list[tuple[_Shown, str, str]]:
    """Give pages what is drawn on them; returns lines with their page, their font, and as glyphs."""
    following, pieces, page, font = iter(pages), _Pieces(), _Shown(), ""
    lines = []
    parts = text.replace(">]TJ", "[<").split("[<")
    for between, line in zip_longest(parts[::2], parts[1::2]):
        for piece in between.split(" Do"):
            for kind, value in pieces[piece]:
                if kind == "sign":
                    page.code.append(value)
                elif kind == "font":
                    font = value
                elif kind == "page":
                    page, font = next(following), ""
                elif kind == "drawing":
                    page.drawn.append(value)
                else:
                    page.marks.append(sheet_said(int(value, 16)))
        if line is not None:
            lines.append((page, font, line))
    return lines


def _texts(lines: Sequence[str], font: Mapping[int, str]) -> list[str]:
    """Return what lines of glyphs say."""
    glyphs_and_kerning = _APART.join(lines).replace("<", ">").split(">")
    glyphs = bytes.fromhex("".join(glyphs_and_kerning[::2])).decode("utf-16-be")
    found = glyphs.translate({**font, _NO_GLYPH: _BREAK}).split(_BREAK)
    if len(found) != len(lines):
        raise ReadBackError("the file cannot be read")
    return found


def _marks(reference: str, page: int, pages: int, marked: int, row: int) -> list[str]:
    """Return what the marks of a page say, both counted from 0; `marked` is that of `Content`."""
    if not marked or page % marked:
        return []
    sheet, sheets = page // marked + 1, -(-pages // marked)
    end = "E" if sheet == sheets else "C"
    return [f"{reference.replace('-', '')}{sheet:02}{sheets:02}{end}{(row + 1) % 1000:03}"]


def _two(glyph: int) -> str:
    """Return a glyph as the two signs of one byte each that typst writes."""
    return chr(glyph >> 8) + chr(glyph & 255)
