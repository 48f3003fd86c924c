"""Which fields of a record keep its letter from being printed: what its source is told. Pure."""

from services.rendering.contact import Contact
from services.rendering.letters.own_face import own_face

__all__ = ["is_salutation_printable", "unprintable_in"]

# By the name that a member record has for it.
_PRINTED = {
    "initials": "initials", "givenName": "given_name", "prefix": "prefix", "familyName": "family_name",
    "careOf": "care_of", "street": "street", "houseNumber": "house_number", "houseLetter": "house_letter",
    "addressee": "addressee", "salutation": "salutation", "addressLines": "address_lines",
    "houseNumberAddition": "house_number_addition", "postcode": "postcode", "city": "city",
}  # fmt: skip
# Of these a name is made only where there is no family name.
_MADE_OF = {"birthName": "birth_name", "partnerName": "partner_name"}
_SHORT = 40  # a line of an address in full size; lines of so many signs fit its box


def unprintable_in(contact: Contact) -> tuple[str, ...]:
    """Return the fields with signs that no face has; else the long ones, that the address does not fit for."""
    regular = own_face()
    named = _PRINTED if contact.family_name else _PRINTED | _MADE_OF
    printed = {field: str(getattr(contact, name)) for field, name in named.items()}
    without_glyph = tuple(field for field, text in printed.items() if regular.missing(text))
    return without_glyph or tuple(field for field, text in printed.items() if len(text) > _SHORT)


def is_salutation_printable(contact: Contact) -> bool:
    """Tell whether a face has every sign of the salutation that a source gave; one of ours has the signs of a name."""
    return not (contact.salutation and own_face().missing(contact.salutation))
