"""A person's own lines stay in their boxes, as they come to stand on paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rendering.letters.faces import REGULAR, face
from services.rendering.letters.fitting import MM, at_full_size, fit_envelope, fit_greeting
from services.rendering.letters.pdf import Typesetter
from tests.unit.dispatch.people import a_contact, some_letters
from tests.unit.rendering.letters.signs import signs_of

# Kinds of addresses that ran over date and text, over the sender's block, or off the sheet.
UNNAMED = "Geachte lezer,"
LONG: dict[str, dict[str, str]] = {
    "name": {"family_name": "Schimmelpenninck van der Oye-Wittewaall van Stoetwegen"},
    "care-of": {"care_of": "Stichting Bewindvoering en Curatele Noord-Oost Nederland, afdeling Inkomensbeheer"},
    "street": {
        "street": "Burgemeester van Heemstra van Froma en Eibersburgstraat van de Nieuwe Vijfde Verlengde Hoofdweg",
        "house_number": "99999", "house_letter": "", "house_number_addition": "appartement 12 bel 3 links achter",
    },
    "abroad": {
        "street": "99/123 Moo 5 Soi Ramkhamhaeng 24 Yaek 18, Khwaeng Hua Mak Khet Bang Kapi, Building C Floor 14",
        "house_number": "", "house_letter": "", "postcode": "10240", "country": "TH",
        "city": "Krung Thep Maha Nakhon (Bangkok Metropolitan Administration)",
        "care_of": "Royal Netherlands Embassy, Consular Department, Wireless Road 15 Soi Tonson",
    },
    "words": {"family_name": " ".join(["Naam"] * 40)},
    "solid": {"family_name": "W" * 200},
}  # fmt: skip
LONG["all"] = LONG["name"] | LONG["care-of"] | LONG["street"]


@pytest.fixture(scope="module")
def typesetter() -> Typesetter:
    """Return a compiler that has read its fonts."""
    return Typesetter()


@pytest.mark.parametrize("changes", LONG.values(), ids=LONG)
def test_no_line_leaves_its_box(typesetter: Typesetter, changes: dict[str, str]) -> None:
    """The address stands in its window, above the particulars and beside the sender; nothing leaves the margins."""
    signs = list(signs_of(typesetter.set(some_letters(1, contacts=[a_contact(**changes)])).pdf))
    own = [sign for sign in signs if sign[0] < 118 and 48 < sign[1] < 94]

    assert len(own) > 30
    assert all(25 - 0.3 <= left and right <= 117 and top >= 49 and bottom <= 94 for left, top, right, bottom in own)
    assert all(24 < left and right <= 186 for left, _, right, _ in signs)


@pytest.mark.parametrize("name", ["𐎠𐎡", "Berg 🦄", "Berg\ufffe"])
def test_what_has_no_glyph_is_not_printed(name: str) -> None:
    """A box in an address counts as told, and tells nobody."""
    lines = (name, "Kerkstraat 1", "1234 AB  RIJSWIJK")

    assert fit_envelope((lines, "1234AB1")) is None
    assert (lines, "1234AB1", 11.0) == at_full_size((lines, "1234AB1"))  # a print house has fonts of its own


def test_a_usual_address_is_as_it_is() -> None:
    """Size and lines stay for nearly everybody."""
    lines = ("J.A. van den Berg", "Borgesiusstraat 103 c", "2583 XL  SCHEVENINGEN")

    assert (lines, "2583XL103XC", 11.0) == fit_envelope((lines, "2583XL103XC"))


def test_an_address_that_fits_no_box_is_not_printed() -> None:
    """Half of an address is nobody's."""
    assert fit_envelope((("W" * 900, "Kerkstraat 1", "1234 AB  RIJSWIJK"), "1234AB1")) is None


ADDRESSES = st.lists(st.text("aijW Éé-@.", min_size=1, max_size=120).filter(str.strip), min_size=1, max_size=6)


@given(lines=ADDRESSES, coded=st.booleans())
def test_nothing_is_lost_and_nothing_is_wider(lines: list[str], *, coded: bool) -> None:
    """Whatever is broken has the same signs in the same order, each line within the box."""
    found = fit_envelope((tuple(lines), "1234AB1" if coded else ""))
    if found is not None:
        assert "".join("".join(lines).split()) == "".join("".join(found.lines).split())
        assert 8.0 <= found.size <= 11.0
        assert all(face(REGULAR).width(line.rstrip(), found.size) <= 92 * MM + 0.01 for line in found.lines)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Berg", ("Geachte Berg,", 10.5)),
        ("Naam " * 40, ("Geachte lezer,", 10.5)),
        ("W" * 200, ("Geachte lezer,", 10.5)),
    ],
)
def test_a_salutation_is_read_without_a_glass(name: str, expected: tuple[str, float]) -> None:
    """A name that fits no line in a size that people read is left out: 2 points are no salutation."""
    assert expected == fit_greeting(f"Geachte {name},", UNNAMED)


def test_a_salutation_is_made_smaller_first() -> None:
    """A little too long is a little smaller."""
    greeting, size = fit_greeting(f"Geachte heer of mevrouw {'n' * 70},", UNNAMED)

    assert greeting.startswith("Geachte heer")
    assert 9.0 <= size < 10.5
