"""Where signs stand on a sheet, read from the PDF."""

from collections.abc import Iterator

import pypdfium2

from services.rendering.letters.fitting import MM


def signs_of(pdf: bytes) -> Iterator[tuple[float, float, float, float]]:
    """Return the boxes of all signs of the first page, in millimetres from the top left: left, top, right, bottom."""
    page = pypdfium2.PdfDocument(pdf)[0]
    height, text = page.get_height(), page.get_textpage()
    for at in range(text.count_chars()):
        left, bottom, right, top = text.get_charbox(at)
        if right > left:
            yield left / MM, (height - top) / MM, right / MM, (height - bottom) / MM
