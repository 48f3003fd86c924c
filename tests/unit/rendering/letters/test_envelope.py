"""What is printed on an envelope, whichever way it is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rendering.contact import Contact
from services.rendering.letters.address import address_lines, postal
from services.rendering.letters.envelope import envelope
from services.rendering.letters.kix import payload
from tests.unit.dispatch.people import a_contact

# Signs that addresses have, and some that are only nearly a digit, a capital or a space.
_TEXTS = st.text("1٣²Abéß\u0131K -/'\"{}\u3000", max_size=4)
_CONTACTS = st.builds(
    Contact,
    initials=_TEXTS,
    given_name=_TEXTS,
    prefix=_TEXTS,
    family_name=_TEXTS,
    street=_TEXTS,
    house_number=st.sampled_from(["", "7", "12345", "123456", "5a", "٣", " 5"]) | _TEXTS,
    house_letter=st.just("") | _TEXTS,
    house_number_addition=st.sampled_from(["", "huis", "-2", "III"]) | _TEXTS,
    postcode=st.sampled_from(["", "2583XL", "2583xl", "2583 XL", "0583XL", "2583XLA", "1234A", "10115"]) | _TEXTS,
    city=_TEXTS,
    country=st.sampled_from(["NL", "nl", "", "DE", "de", "XX"]),
    care_of=st.just("") | _TEXTS,
)


@given(_CONTACTS)
def test_an_envelope_has_what_is_found_part_by_part(contact: Contact) -> None:
    """The quick way of the common address is a short cut and no other way to write it."""
    assert ((address_lines(contact), payload(contact)) if postal(contact) else None) == envelope(contact)


@pytest.mark.parametrize(
    ("changes", "kix"),
    [
        ({}, "2583XL103XC"),
        ({"house_letter": ""}, "2583XL103"),
        ({"postcode": "2583 xl"}, "2583XL103XC"),
        ({"initials": "", "prefix": "", "family_name": ""}, "2583XL103XC"),  # a letter to the house
        ({"country": "BE"}, ""),
    ],
)
def test_the_bar_code_is_that_of_the_address(changes: dict[str, str], kix: str) -> None:
    """Lines and bar code lead to the same door."""
    contact = a_contact(**changes)

    assert (address_lines(contact), kix) == envelope(contact)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ("Borgesiusstraat 103 c|2583 XL  SCHEVENINGEN", "2583XL103XC"),
        ("Postbus 12|3500 AB  UTRECHT", ""),  # the fields lead to another door than the lines
    ],
)
def test_the_bar_code_leads_where_the_lines_lead(lines: str, code: str) -> None:
    """A sorting machine reads the code, and a postman the lines."""
    found = envelope(a_contact(address_lines=lines))

    assert found is not None
    assert code == found[1]
