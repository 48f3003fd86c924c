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

    assert ("J.A. van den Berg", "Hauptstraße 9", "10115 BERLIN", "GERMANY") == address_lines(contact)


@pytest.mark.parametrize(
    ("country", "city", "postcode", "lines"),
    [
        ("US", "Washington DC", "20500", ("1600 Pennsylvania Avenue", "WASHINGTON DC 20500", "UNITED STATES")),
        ("GB", "London", "sw1a 2aa", ("1600 Pennsylvania Avenue", "LONDON", "SW1A 2AA", "UNITED KINGDOM")),
        ("FR", "Paris", "75008", ("1600 Pennsylvania Avenue", "75008 PARIS", "FRANCE")),
        ("BE", "Gent", "9000", ("Pennsylvania Avenue 1600", "9000 GENT", "BELGIUM")),
        ("CW", "Willemstad", "", ("Pennsylvania Avenue 1600", "WILLEMSTAD", "CURAÇAO")),
    ],
)
def test_each_country_has_its_own_order(country: str, city: str, postcode: str, lines: tuple[str, ...]) -> None:
    """Number and postcode stand where the post of the country looks for them, and the place is in capitals."""
    contact = a_contact(
        street="Pennsylvania Avenue",
        house_number="1600",
        house_letter="",
        postcode=postcode,
        city=city,
        country=country,
    )

    assert lines == address_lines(contact)[1:]


def test_lines_of_the_source_win() -> None:
    """What a register has ready made is printed as it is, below whom it is for; abroad the country closes it."""
    given = {"address_lines": "Postbus 12|3500 AB  UTRECHT", "care_of": "Zorghuis"}

    assert ("Familie Berg", "Postbus 12", "3500 AB  UTRECHT") == address_lines(a_contact(**given), ("Familie Berg",))
    assert ("J.A. van den Berg", "Postbus 12", "3500 AB  UTRECHT", "BELGIUM") == address_lines(
        a_contact(**given, country="BE")
    )
    assert postal(a_contact(**given, street="", city=""))
    assert not postal(a_contact(**given, country="XX"))


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
