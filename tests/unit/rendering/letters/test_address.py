"""How addresses are written: NEN 5825, and abroad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rendering.letters.address import address_lines, postal
from tests.unit.dispatch.people import a_contact


@pytest.mark.parametrize(
    ("letter", "addition", "number", "line"),
    [
        ("c", "", "103", "Borgesiusstraat 103 c"),
        ("", "III", "35", "Borgesiusstraat 35 III"),  # begins with a letter: a space
        ("", "2", "9", "Borgesiusstraat 9-2"),  # begins with a digit: a hyphen
        ("L", "Toe", "400", "Borgesiusstraat 400 LToe"),  # letter and addition are one word
        ("B", "73c", "555", "Borgesiusstraat 555 B73c"),
        ("", "", "7", "Borgesiusstraat 7"),
        ("", "-2", "9", "Borgesiusstraat 9-2"),  # a source that brings the hyphen itself
    ],
)
def test_house_number_with_letter_and_addition(letter: str, addition: str, number: str, line: str) -> None:
    """Letter and addition stand where the standard puts them, and none is ever dropped."""
    contact = a_contact(house_letter=letter, house_number_addition=addition, house_number=number)

    assert line == address_lines(contact)[1]


def test_place_has_postcode_two_spaces_and_capitals() -> None:
    """The place line is machine readable."""
    assert ("J.A. van den Berg", "Borgesiusstraat 103 c", "2583 XL  SCHEVENINGEN") == address_lines(
        a_contact(postcode="2583 xl")
    )


def test_care_of_stands_below_the_name() -> None:
    """Whoever has mail sent to somebody else's address is found there."""
    assert "p/a Stichting Thuis" == address_lines(a_contact(care_of="Stichting Thuis"))[1]


def test_country_is_the_last_line_abroad() -> None:
    """A letter abroad ends with the country's name in capitals."""
    contact = a_contact(
        street="Hauptstraße", house_number="9", house_letter="", postcode="10115", city="Berlin", country="DE"
    )

    assert ("J.A. van den Berg", "Hauptstraße 9", "10115 Berlin", "GERMANY") == address_lines(contact)


@pytest.mark.parametrize("missing", ["street", "house_number", "postcode", "city"])
def test_half_an_address_is_none(missing: str) -> None:
    """Nothing is put in an envelope that would not arrive."""
    assert not postal(a_contact(**{missing: ""}))


_SIGNS = st.characters(categories=["L", "N", "P"])


@given(st.text(_SIGNS, max_size=8), st.text(_SIGNS, max_size=8), st.text(_SIGNS, max_size=30))
def test_lines_never_lose_a_part(letter: str, addition: str, city: str) -> None:
    """Whatever stands in an address stands on the envelope."""
    lines = "\n".join(address_lines(a_contact(house_letter=letter, house_number_addition=addition, city=city)))

    assert letter in lines
    assert addition in lines
    assert city.upper() in lines
