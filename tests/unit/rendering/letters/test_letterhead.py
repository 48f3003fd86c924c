"""The sender's own lines stay in their boxes, or the document is refused with its place."""

from typing import Any

import pypdfium2
import pytest

from services.rendering.letters.letterhead import LetterheadError, letterhead
from services.rendering.letters.pdf import Typesetter
from services.rendering.wording.wording import phrases
from tests.unit.dispatch.people import DOCUMENT, an_incident, some_letters
from tests.unit.rendering.letters.signs import signs_of

RIVM = "Rijksinstituut voor Volksgezondheid en Milieu (RIVM), Centrum voor Bevolkingsonderzoek"


def _controller(**changes: Any) -> dict[str, Any]:
    return {**DOCUMENT["controller"], **changes}


def test_a_long_name_stands_above_the_rule() -> None:
    """Two smaller lines; the rule strikes none of them through."""
    found = letterhead(an_incident(controller=_controller(name=RIVM)), phrases("nl"))

    assert (2, 12.0) == (len(found.title[0]), found.title[1])
    assert RIVM == " ".join(found.title[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"name": RIVM},
        {"email": "functionarisgegevensbescherming@bevolkingsonderzoeken.example"},
        {
            "address": [
                "Postbus 1",
                "Antonie van Leeuwenhoeklaan 9",
                "Gebouw U, 3e verdieping",
                "3720 BA  BILTHOVEN",
                "NL",
            ]
        },
    ],
)
def test_the_sender_stays_in_its_boxes(changes: dict[str, Any]) -> None:
    """Nothing stands on the rule at 23 mm, in the addressee's window or past the margin."""
    incident = an_incident(controller=_controller(**changes))
    signs = list(signs_of(Typesetter().set(some_letters(1, incident=incident)).pdf))

    assert all(bottom < 23 or top > 23.3 for _, top, _, bottom in signs)
    assert all(right <= 186 for _, _, right, _ in signs)
    assert all(left >= 132 or right <= 130 for left, top, right, _ in signs if 40 < top < 94)
    assert all(bottom < 48 for left, top, _, bottom in signs if left < 132 and 38 < top < 47)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": "Stichting " * 30}, "controller.name"),
        (
            {"address": [f"Regel {at} van het lange adres van een afzender" for at in range(6)]},
            "controller.address",
        ),
        ({"address": [f"R{at}" for at in range(20)]}, "controller"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(changes: dict[str, Any], place: str) -> None:
    """Whoever writes the document mends it before anybody gets a letter."""
    with pytest.raises(LetterheadError) as caught:
        letterhead(an_incident(controller=_controller(**changes)), phrases("nl"))

    assert place == caught.value.field


def test_a_telephone_number_stays_on_one_line() -> None:
    """Nobody calls half of one; a digit that stands alone is of the number too."""
    numbers = " ".join(f"{'bel' * (at % 7)} 088 7 86 73 72" for at in range(40))
    incident = an_incident(content={**DOCUMENT["content"], "contact": {"nl": numbers, "en": numbers}})
    pages = pypdfium2.PdfDocument(Typesetter().set(some_letters(1, incident=incident)).pdf)
    lines = [line for page in pages for line in page.get_textpage().get_text_range().splitlines()]
    shown = [" ".join(line.split()) for line in lines if "088" in line or "73" in line]

    assert 40 == sum(line.count("088 7 86 73 72") for line in shown)
    assert len(shown) > 4
