"""The source hears which fields keep a letter from being printed, by the names that a record has for them."""

import pytest

from services.rendering.contact import Contact
from services.rendering.letters.unprintable import unprintable_in


@pytest.mark.parametrize(
    ("contact", "fields"),
    [
        (Contact(given_name="𐎡", family_name="𐎠", city="Delft"), ("givenName", "familyName")),
        (Contact(family_name="Jansen", street="Kade \N{PARTY POPPER}", city="a" * 200), ("street",)),
        (Contact(family_name="Jansen", care_of="a" * 150, city="b" * 150), ("careOf", "city")),
        (Contact(family_name="Jansen", street="Kade"), ()),
        (Contact(birth_name="𐎠", partner_name="Jansen"), ("birthName",)),
        (Contact(birth_name="Vries", partner_name="a" * 150), ("partnerName",)),
        (Contact(family_name="Jansen", birth_name="𐎠", partner_name="a" * 150, city="a" * 150), ("city",)),
    ],
)
def test_fields_to_correct(contact: Contact, fields: tuple[str, ...]) -> None:
    """Those with signs without a glyph; else the long ones."""
    assert fields == unprintable_in(contact)
