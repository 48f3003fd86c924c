"""A hand-over: one notice that a provider took, and the persons whom its address may mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.core.channel import Channel
from services.demo.checking.reading import Told, address_block
from services.demo.made_up.channels import CONTACTS
from services.demo.made_up.expectation import ToldPerson
from services.demo.made_up.people import Person

__all__ = ["AddressBook", "Entry", "HandOver"]


class Entry(NamedTuple):
    """One of those who have an address: the place of a told person in the expectation, and how a source knows them."""

    person: int
    known_as: Person


@dataclass(frozen=True, slots=True)
class HandOver:
    """One notice that a provider took. `shown` are those who have the address that it shows.

    There is no entry where nobody made up has the address. There are several where one address is in the records of
    several persons: the rule tells a real person apart whose birth date is another one elsewhere. `notice` is the
    notice's id or reference. `fault` names what is wrong in the provider's record itself, None where nothing is.
    """

    channel: str
    at: int  # ms since 1970, by the provider's clock
    shown: Sequence[Entry]
    notice: str
    told: Told
    fault: str | None = None


class AddressBook:
    """Finds told persons by what a channel reaches them by, or by name and postal address."""

    def __init__(self, persons: Iterable[ToldPerson]) -> None:
        self._by_contact: dict[Channel, dict[str, list[Entry]]] = {channel: {} for channel in CONTACTS}
        self._by_address: dict[tuple[str, str, str], list[Entry]] = {}
        for at, person in enumerate(persons):
            for known_as in person.known_as:
                self._add(Entry(at, known_as))

    def _add(self, entry: Entry) -> None:
        for channel, contact in CONTACTS.items():
            if value := contact.of(entry.known_as):
                self._by_contact[channel].setdefault(contact.spelling(value), []).append(entry)
        if entry.known_as.postcode:
            self._by_address.setdefault(address_block(entry.known_as), []).append(entry)

    def reached_by(self, channel: Channel, value: str) -> Sequence[Entry]:
        """Return those whom a channel reaches by this value."""
        return self._by_contact[channel].get(CONTACTS[channel].spelling(value), ())

    def at_address(self, lines: Sequence[str]) -> Sequence[Entry]:
        """Return those whose name, street and place are three lines in a row here; none where two such blocks are."""
        blocks = {block for block in zip(lines, lines[1:], lines[2:], strict=False) if block in self._by_address}
        return self._by_address[blocks.pop()] if len(blocks) == 1 else ()
