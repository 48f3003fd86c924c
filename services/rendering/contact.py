"""Who is written to, as rendering and dispatch see them. Pure."""

from typing import Any

import msgspec

__all__ = ["Contact", "Textless"]


class Textless(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Somebody's data as it goes in or out as JSON. It has no text form, so none of it gets into a log by accident.

    gc: it holds texts and numbers, so never a cycle.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []  # what rich would print


class Contact(Textless, frozen=True):
    """Where a person can be written to, as unsealed; in JSON its fields have the names of a member record's."""

    initials: str = ""
    given_name: str = ""
    prefix: str = ""
    family_name: str = ""
    street: str = ""
    house_number: str = ""
    house_letter: str = ""
    house_number_addition: str = ""
    postcode: str = ""
    city: str = ""
    country: str = "NL"
    care_of: str = ""
    email: str = ""
    portal_id: str = ""
    birth_date: str = ""
    addressee: str = ""
    salutation: str = ""
    address_lines: str = ""  # with bars between
    role: str = ""  # `core.addressee`; empty = self
    birth_name: str = ""  # this and the partner's name have their prefixes in them
    partner_name: str = ""
