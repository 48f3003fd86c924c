"""The marks of sheets, read by a reader that is not ours."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.incident import CONTENT_BLOCKS
from services.rendering.letters.datamatrix import MODULES, sheet_mark, symbol
from services.rendering.letters.manifest import Content
from services.rendering.letters.pdf import Typesetter
from services.rendering.letters.profile import Box
from services.rendering.letters.profile_file import USUAL_PROFILE
from services.rendering.letters.read_back import agree
from tests.unit.dispatch.people import an_incident, some_letters

MARKED = replace(USUAL_PROFILE, sheet_mark=Box(8, 120, 10, 10))
SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
QUIET, SCALE = 2, 5  # modules around a symbol, and points a module


def _picture(modules: bytes) -> memoryview:
    """Return a symbol as a reader's camera would have it."""
    side = (MODULES + 2 * QUIET) * SCALE
    pixels = bytearray(b"\xff" * side * side)
    for at, shade in enumerate(modules):
        row, column = at // MODULES + QUIET, at % MODULES + QUIET
        for line in range(row * SCALE, (row + 1) * SCALE):
            begin = line * side + column * SCALE
            pixels[begin : begin + SCALE] = bytes([shade]) * SCALE
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


@given(text=st.text(SIGNS, min_size=21, max_size=21))
@settings(max_examples=60)
def test_every_text_is_read_as_it_is(text: str) -> None:
    """Encoding, error correction and placement are those of the standard."""
    assert [text] == _read(_picture(symbol(text)))


@pytest.mark.parametrize("at", range(0, 256, 37))
def test_a_scratch_is_mended(at: int) -> None:
    """Seven wrong codewords of thirty-two can be put right; this is one of at most three."""
    modules = bytearray(symbol("5S56GBDCRJJH9FTM0102C"))
    for place in range(at, at + 3):
        modules[(place // 16 + 1) * MODULES + place % 16 + 1] ^= 255

    assert ["5S56GBDCRJJH9FTM0102C"] == _read(_picture(bytes(modules)))


@pytest.mark.parametrize("text", ["", "a" * 21, "5S56GBDCRJJH9FTM0102", "5S56-BDCRJJH9FTM0102C"])
def test_what_has_no_symbol_is_refused(text: str) -> None:
    """No other size, and no other signs."""
    with pytest.raises(ValueError, match="must be 21 digits and capitals"):
        symbol(text)


@pytest.mark.parametrize(("plex", "marked"), [("duplex", 2), ("simplex", 3)])
def test_each_sheet_says_whose_it_is_and_which(plex: str, marked: int) -> None:
    """On its front alone, the last one with an end; the print file is read back as any other."""
    words = {"nl": "\n\n".join(["Wat er gebeurde, en wat wij doen. " * 6] * 6)}
    incident = an_incident(languages=["nl"], content=dict.fromkeys(CONTENT_BLOCKS, words))
    job = some_letters(2, incident=incident)
    pdf, extents = Typesetter(replace(MARKED, plex=plex)).set(job)
    first_pages, pages = zip(*extents, strict=True)
    agree_on = Content(".pdf", pdf, first_pages, pages)
    fronts = [page for number, page in enumerate(_marks(pdf)) if plex == "simplex" or number % 2 == 0]
    backs = [page for number, page in enumerate(_marks(pdf)) if plex == "duplex" and number % 2]
    names = [reference.replace("-", "") for reference in job.references]
    ends = "C" * (marked - 1) + "E"

    assert [
        [f"{name}{sheet:02}{marked:02}{ends[sheet - 1]}"] for name in names for sheet in range(1, marked + 1)
    ] == fronts
    assert not any(backs)
    agree(pdf, job, agree_on, sha256(pdf).hexdigest())


def test_a_mark_names_its_sheet() -> None:
    """The reference without its hyphens, sheet, sheets, end."""
    assert symbol("5S56GBDCRJJH9FTM0303E") == sheet_mark("5S56-GBDC-RJJH-9FTM", 3, 3)
