"""What made-up people can be reached by beside their postal address: an account or an address for each channel.

A further channel is a field of `Contacts` and a row of `CONTACTS`. It needs a stand-in (`demo/standins`) and a
reader of what that took (`demo/checking/providers.py`) as well.
"""

import random
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from services.core.channel import Channel
from services.demo.made_up import names

__all__ = ["CONTACTS", "CONTACT_COLUMNS", "Contact", "Contacts", "Who", "contact_cells", "make_contacts"]

_REFUSED = 0.004  # share of the contacts that the provider refuses: closed portal accounts, mailboxes that are gone


@dataclass(slots=True, kw_only=True)
class Contacts:
    """The contacts of one person. An empty text means that the person has none."""

    email: str = ""
    portal_id: str = ""


class Who(NamedTuple):
    """Of whom a contact is made up."""

    number: int
    given_name: str
    family_name: str


@dataclass(frozen=True, slots=True)
class Contact:
    """The kind of contact that a channel needs.

    Of the people whom no channel before it reaches, `share` have one; of the others, `share_of_reached`. `make` makes a
    value of it, refused by the provider as often as its last argument says: a number between 0 and 1. Such a value
    begins with `refused`. `spelling` maps all spellings of a value to the same text.
    """

    field: str  # of Contacts
    column: str  # of a cohort file
    refused: str
    share: float
    share_of_reached: float
    make: Callable[[random.Random, Who, float], str]
    spelling: Callable[[str], str] = str

    def of(self, person: Contacts) -> str:
        """Return the person's value, empty where the person has none."""
        value: str = getattr(person, self.field)
        return value

    def refuses(self, value: str) -> bool:
        """Return whether the provider refuses this value for good."""
        return value.startswith(self.refused)

    def reaches(self, person: Contacts) -> bool:
        """Return whether the provider takes a notice to this person."""
        value = self.of(person)
        return bool(value) and not self.refuses(value)


_CLOSED_PORTAL = "closed-"
_DEAD_MAILBOX = "gone."


def _portal_account(rng: random.Random, who: Who, refused: float) -> str:
    mark = _CLOSED_PORTAL if rng.random() < refused else ""
    return f"{mark}mp-{who.number:08d}"


def _mailbox(rng: random.Random, who: Who, refused: float) -> str:
    tag = "+post" if rng.random() < 0.03 else ""
    mark = _DEAD_MAILBOX if rng.random() < refused else ""
    local = f"{mark}{_ascii(who.given_name)}.{_ascii(who.family_name)}{who.number}{tag}"
    return f"{local}@{rng.choice(names.DOMAINS)}"


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return "".join(letter for letter in plain if letter.isalnum()) or "x"


# Of all people 35 % are told by portal, 35 % by e-mail (0.54 of the rest) and 30 % by letter.
CONTACTS: Final[Mapping[Channel, Contact]] = MappingProxyType(
    {
        Channel.PORTAL: Contact("portal_id", "portalId", _CLOSED_PORTAL, 0.355, 0.355, _portal_account),
        Channel.EMAIL: Contact("email", "email", _DEAD_MAILBOX, 0.545, 0.7, _mailbox, str.lower),
    }
)

_BY_COLUMN = {contact.column: contact for contact in sorted(CONTACTS.values(), key=lambda contact: contact.column)}
CONTACT_COLUMNS: Final = tuple(_BY_COLUMN)


def make_contacts(rng: random.Random, who: Who) -> dict[str, str]:
    """Return the contacts that this person has, by field of `Contacts`."""
    made: dict[str, str] = {}
    for contact in CONTACTS.values():
        if rng.random() < (contact.share_of_reached if made else contact.share):
            made[contact.field] = contact.make(rng, who, _REFUSED)
    return made


def contact_cells(person: Contacts) -> dict[str, str]:
    """Return the person's contacts by column of a cohort file, in the order of `CONTACT_COLUMNS`."""
    return {column: contact.of(person) for column, contact in _BY_COLUMN.items()}
