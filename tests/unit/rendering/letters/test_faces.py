"""The bundled faces: which signs they have, and how wide they are."""

import json
from pathlib import Path

import pytest
import typst

from services.rendering.letters import faces
from services.rendering.letters.faces import BOLD, REGULAR, face

FONTS = Path(faces.__file__).with_name("fonts")
LINES = ["Geachte heer of mevrouw Van den Berg,", "Łódź, Nguyễn, Ελληνικά, Київ", "WWWW iiii 0123", "Tomé & Ýr (AV/To)"]
_MEASURE = """
#set text(font: "Source Sans 3", size: 10pt, weight: {weight}, fallback: false)
#context [#metadata({lines}.map(line => measure(text(line)).width / 1pt))<widths>]
"""


def _measured(lines: list[str], weight: int) -> list[float]:
    """Return how wide typst sets these lines, in points."""
    source = _MEASURE.replace("{weight}", str(weight)).replace(
        "{lines}", f"json(bytes({json.dumps(json.dumps(lines))}))"
    )
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    (widths,) = json.loads(typst.query(source.encode(), "<widths>", field="value", font_paths=fonts))
    return [float(width) for width in widths]


@pytest.mark.parametrize(("name", "weight"), [(REGULAR, 400), (BOLD, 600)])
def test_a_line_is_never_wider_than_it_was_measured(name: str, weight: int) -> None:
    """What fits here fits on paper; kerning, which is left out, makes lines narrower by a few percent at most."""
    for line, width in zip(LINES, _measured(LINES, weight), strict=True):
        here = face(name).width(line, 10.0)

        assert width <= here + 0.01
        assert here <= 1.04 * width


@pytest.mark.parametrize("text", ["王", "🦄", "አ", "ع", "א", "ไทย", "किताब"])
def test_signs_without_a_glyph_are_found(text: str) -> None:
    """They would be printed as boxes, and count as told."""
    assert list(dict.fromkeys(text)) == face(REGULAR).missing(text)


@pytest.mark.parametrize("text", ["Müller-Žižek", "Đặng Thị Ngọc", "Παπαδόπουλος", "Шевченко", "Zoë\u00a0Ünal"])
def test_scripts_of_the_face_are_printed(text: str) -> None:
    """Latin with all its marks, Greek and Cyrillic."""
    assert [] == face(REGULAR).missing(text)
    assert [] == face(BOLD).missing(text)
