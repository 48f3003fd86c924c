"""The marks of sheets, read by a reader that is not ours."""

import re
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.incident import CONTENT_BLOCKS
from services.rendering.letters.datamatrix import BITS, MODULES, sheet_mark, sheet_said, symbol
from services.rendering.letters.manifest import Content
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.print_job import PrintJob
from services.rendering.letters.profile import Box
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.read_back import ReadBackError, agree
from tests.unit.dispatch.people import an_incident, some_letters

MARKED = replace(USUAL_PROFILE, sheet_mark=Box(8, 120, 10, 10))
SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
QUIET, SCALE = 2, 5  # modules around a symbol, and points a module


def _picture(modules: int) -> memoryview:
    """Return a symbol as a reader's camera would have it."""
    side = (MODULES + 2 * QUIET) * SCALE
    pixels = bytearray(b"\xff" * side * side)
    for at, dark in enumerate(f"{modules:0{MODULES * BITS}b}"):
        row, column = at // BITS + QUIET, at % BITS + QUIET
        for line in range(row * SCALE, (row + 1) * SCALE if dark == "1" else 0):
            begin = line * side + column * SCALE
            pixels[begin : begin + SCALE] = bytes(SCALE)
    return memoryview(bytes(pixels)).cast("B", shape=[side, side])


def _read(picture: memoryview) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(picture) if "Matrix" in str(found.format)]


def _marks(pdf: bytes) -> list[list[str]]:
    """Return what is read from each page as it comes out of a printer of 300 dots to the inch."""
    found = []
    for page in pypdfium2.PdfDocument(pdf):
        bitmap: Any = page.render(scale=300 / 72, grayscale=True)
        picture = memoryview(bytes(bitmap.buffer)).cast("B", shape=[bitmap.height, bitmap.stride])
        found.append(_read(picture))
    return found


@given(text=st.text(SIGNS, min_size=24, max_size=24))
@settings(max_examples=60)
def test_every_text_is_read_as_it_is(text: str) -> None:
    """Encoding, error correction and placement are those of the standard; our own reader finds the same."""
    assert [text] == _read(_picture(symbol(text)))
    assert text == sheet_said(symbol(text))


@pytest.mark.parametrize("modules", [0, (1 << MODULES * BITS) - 1, symbol("0" * 24) ^ symbol("1" * 24)])
def test_what_is_no_mark_is_not_read(modules: int) -> None:
    """Nothing, a black square, or no codewords of ours."""
    with pytest.raises(ValueError, match="is no mark of a sheet"):
        sheet_said(modules)


@pytest.mark.parametrize("at", range(0, 256, 37))
def test_a_scratch_is_mended(at: int) -> None:
    """Seven wrong codewords of thirty-two can be put right; this is one of at most three."""
    modules = symbol("5S56GBDCRJJH9FTM0102C017")
    for place in range(at, at + 3):
        modules ^= 1 << (place // 16 + 1) * BITS + BITS - 2 - place % 16

    assert ["5S56GBDCRJJH9FTM0102C017"] == _read(_picture(modules))


@pytest.mark.parametrize("text", ["", "a" * 24, "5S56GBDCRJJH9FTM0102C01", "5S56-BDCRJJH9FTM0102C017"])
def test_what_has_no_symbol_is_refused(text: str) -> None:
    """No other size, and no other signs."""
    with pytest.raises(ValueError, match="must be 24 digits and capitals"):
        symbol(text)


def _set(letters: int, plex: str) -> tuple[PrintJob, Content]:
    """Return letters of three pages, on marked sheets."""
    words = {"nl": "\n\n".join(["Wat er gebeurde, en wat wij doen. " * 6] * 6)}
    incident = an_incident(languages=["nl"], content=dict.fromkeys(CONTENT_BLOCKS, words))
    job, profile = some_letters(letters, incident=incident), replace(MARKED, plex=plex)
    pdf, extents = Typesetter(profile).set(job)
    first_pages, pages = zip(*extents, strict=True)
    return job, Content(".pdf", pdf, first_pages, pages, profile.marked)


def _agree(job: PrintJob, content: Content) -> None:
    agree(content.body, job, content, sha256(content.body).hexdigest())


@pytest.mark.parametrize(("plex", "marked"), [("duplex", 2), ("simplex", 3)])
def test_each_sheet_says_whose_it_is_and_which(plex: str, marked: int) -> None:
    """On its front alone, the last one with an end; the print file is read back as any other."""
    job, content = _set(2, plex)
    found = _marks(content.body)
    fronts = [page for number, page in enumerate(found) if plex == "simplex" or number % 2 == 0]
    backs = [page for number, page in enumerate(found) if plex == "duplex" and number % 2]
    names = [reference.replace("-", "") for reference in job.references]
    ends = "C" * (marked - 1) + "E"

    assert [
        [f"{name}{sheet:02}{marked:02}{ends[sheet - 1]}{letter:03}"]
        for letter, name in enumerate(names, 1)
        for sheet in range(1, marked + 1)
    ] == fronts
    assert not any(backs)
    _agree(job, content)


def _exchanged(body: bytes, one: int, other: int) -> bytes:
    """Return a file with two of its marks in each other's place."""
    marks = [found.span(1) for found in re.finditer(rb"AHx ID ([0-9A-F]+)> EI", body)]
    (begin, end), (again, last) = marks[one], marks[other]
    return b"".join([body[:begin], body[again:last], body[end:again], body[begin:end], body[last:]])


@pytest.mark.parametrize(("one", "other"), [(0, 1), (0, 2)], ids=["another sheet's", "another letter's"])
def test_a_mark_on_another_sheet_does_not_agree(one: int, other: int) -> None:
    """Machines fill envelopes by it."""
    job, content = _set(2, "duplex")
    with pytest.raises(ReadBackError, match="a letter is not on its page"):
        _agree(job, replace(content, body=_exchanged(content.body, one, other)))


def test_marks_are_where_the_profile_asks_for_them() -> None:
    """One too few or too many does not agree."""
    job, content = _set(1, "duplex")
    for marked in (0, 1):
        with pytest.raises(ReadBackError, match="a letter is not on its page"):
            _agree(job, replace(content, marked=marked))


def test_a_mark_names_its_sheet() -> None:
    """The reference without its hyphens, sheet, sheets, end, and the letter's number, its last three digits."""
    assert symbol("5S56GBDCRJJH9FTM0303E017") == sheet_mark("5S56-GBDC-RJJH-9FTM", 3, 3, 1017)
