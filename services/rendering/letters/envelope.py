"""Envelopes: the lines of an address block, and what the bar code beside it holds. Pure."""

import re

from services.rendering.contact import Contact
from services.rendering.letters.address import address_lines, compact, house, place, postal
from services.rendering.letters.kix import payload, with_addition
from services.rendering.wording.names import named

__all__ = ["Envelope", "envelope"]

Envelope = tuple[tuple[str, ...], str]  # the lines, and what the bar code holds; a plain tuple: every letter has one

# Postcode and house number already written as the bar code has them.
_IS_PLAIN = re.compile(r"[1-9][0-9]{3}[A-Z]{2}[0-9]{1,5}").fullmatch


def envelope(contact: Contact, addressee: tuple[str, ...] | None = None) -> Envelope | None:
    """Return an envelope to these lines, the contact's own name where there are none; None without a whole address.

    The result is that of `postal`, `address_lines` and `payload`. The common Dutch address takes a short way, which
    looks at each field only once.
    """
    postcode, number, street, city = contact.postcode, contact.house_number, contact.street, contact.city
    code = postcode + number
    to = named(contact) if addressee is None else addressee
    is_plain = contact.country == "NL" and not contact.care_of and len(postcode) == 6 and _IS_PLAIN(code)
    if not (is_plain and street and city) or contact.address_lines:
        return (address_lines(contact, to), _code(contact)) if postal(contact) else None
    addition = contact.house_letter + contact.house_number_addition
    if addition:
        number, code = house(contact), with_addition(code, addition)
    return (*to, f"{street} {number}".strip(), place(postcode, city)), code


def _code(contact: Contact) -> str:
    """Return what the bar code holds: nothing where lines of the source's own lead elsewhere than its fields."""
    given = compact(contact.address_lines)
    leads_there = compact(contact.postcode) in given and contact.house_number in given
    return payload(contact) if not given or leads_there else ""
