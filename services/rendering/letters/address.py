"""How an address is written: NEN 5825 for the Netherlands, the postal union's way abroad. Pure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.core.addressee import lines_of
from services.rendering.contact import Contact
from services.rendering.wording.names import named

__all__ = ["address_lines", "compact", "house", "in_delivery_order", "is_domestic", "place", "postal"]

# ISO 3166 -> name in English, capitals, as the postal union asks for (names: Unicode CLDR).
_COUNTRIES: Mapping[str, str] = json.loads(Path(__file__).with_name("countries.json").read_text(encoding="utf-8"))
# Where a country's post wants number and postcode, if not behind the street and before the city (UPU).
_FORMS: Mapping[str, Mapping[str, str]] = json.loads(
    Path(__file__).with_name("address_forms.json").read_text(encoding="utf-8")
)
# The Kingdom's other countries have posts of their own, so they are abroad for an envelope.
_HOME = "NL"


def is_domestic(contact: Contact) -> bool:
    """Tell whether the address is in the European Netherlands."""
    return (contact.country or _HOME).upper() == _HOME


def postal(contact: Contact) -> bool:
    """Tell whether there is enough to write on an envelope."""
    known = is_domestic(contact) or contact.country.upper() in _COUNTRIES
    if contact.address_lines:
        return known
    if is_domestic(contact):
        return bool(contact.postcode and contact.house_number and contact.city and contact.street)
    return bool(contact.street and contact.city and known)


def address_lines(contact: Contact, addressee: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the lines of the address block: the addressee, where none is given the contact, and the address.

    Lines that a source gave win over those that are made of its fields.
    """
    at_home = is_domestic(contact)
    lines = [*(named(contact) if addressee is None else addressee)]
    if contact.address_lines:
        lines += lines_of(contact.address_lines)
    else:
        if contact.care_of:
            lines.append(f"{'p/a' if at_home else 'c/o'} {contact.care_of}")
        lines += _at_home(contact) if at_home else _abroad(contact)
    if not at_home:
        country = _COUNTRIES.get(contact.country.upper(), contact.country)
        if not lines or lines[-1].casefold() != country.casefold():
            lines.append(country)
    return tuple(filter(None, lines))


def _at_home(contact: Contact) -> list[str]:
    return [f"{contact.street} {house(contact)}".strip(), place(compact(contact.postcode), contact.city)]


def _abroad(contact: Contact) -> list[str]:
    """Return street and place as the country's own post wants them; city in capitals (UPU, S42)."""
    form = _FORMS.get(contact.country.upper(), {})
    number, city, postcode = house(contact), contact.city.upper(), contact.postcode.upper()
    order = (number, contact.street) if form.get("number") == "before" else (contact.street, number)
    places = {"before": [f"{postcode} {city}"], "after": [f"{city} {postcode}"], "below": [city, postcode]}
    return [line.strip() for line in (" ".join(order), *places[form.get("postcode", "before")])]


def house(contact: Contact) -> str:
    """Return house number, letter and addition in one word or two (NEN 5825): `103 c`, `35 III`, `9-2`, `555 B73c`."""
    number, letter, addition = contact.house_number, contact.house_letter, contact.house_number_addition
    if letter:
        return f"{number} {letter}{addition}"
    if not addition:
        return number
    if addition[0].isdigit():
        return f"{number}-{addition}"
    return f"{number} {addition}" if addition[0].isalpha() else f"{number}{addition}"


def place(code: str, city: str) -> str:
    """Return the place line of a Dutch address from its compact postcode: `2583 XL  SCHEVENINGEN`."""
    return f"{code[:4]} {code[4:]}  {city.upper()}"


def compact(postcode: str) -> str:
    """Return a Dutch postcode as six signs: `2583XL`."""
    return "".join(postcode.split()).upper()


def in_delivery_order(contacts: Sequence[Contact]) -> list[int]:
    """Return the rows as the post sorts letters: by postcode and house number, abroad by country behind them."""

    def place_of(row: int) -> tuple[bool, str, str, int, str, int]:
        contact, at_home = contacts[row], is_domestic(contacts[row])
        number = int(contact.house_number) if contact.house_number.isdecimal() else 0
        country = "" if at_home else contact.country.upper()
        return not at_home, country, compact(contact.postcode), number, house(contact), row

    return sorted(range(len(contacts)), key=place_of)
