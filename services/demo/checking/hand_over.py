"""A hand-over: one notice that a provider took, and the person it was for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.core.channel import Channel
from services.demo.checking.reading import Told, address_block
from services.demo.made_up.channels import CONTACTS
from services.demo.made_up.people import Person

__all__ = ["AddressBook", "HandOver"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """One notice that a provider took. `person` is the number of its receiver, None where it is for nobody made up.

    `notice` is the notice's id or reference. `fault` names what is wrong in the provider's record itself, None where
    nothing is.
    """

    channel: str
    at: int  # ms since 1970, by the provider's clock
    person: int | None
    notice: str
    told: Told
    fault: str | None = None


class AddressBook:
    """Finds made-up people by what a channel reaches them by, or by name and postal address."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._by_contact: dict[Channel, dict[str, int]] = {channel: {} for channel in CONTACTS}
        self.by_address: dict[tuple[str, str, str], int] = {}
        for person in people:
            for channel, contact in CONTACTS.items():
                if value := contact.of(person):
                    self._by_contact[channel][contact.spelling(value)] = person.number
            self.by_address[address_block(person)] = person.number

    def reached_by(self, channel: Channel, value: str) -> int | None:
        """Return the person whom a channel reaches by this value, None for nobody."""
        return self._by_contact[channel].get(CONTACTS[channel].spelling(value))

    def at_address(self, lines: Sequence[str]) -> int | None:
        """Return the person whose name, street and place are three lines in a row here; None for nobody or several."""
        found = {self.by_address.get(block) for block in zip(lines, lines[1:], lines[2:], strict=False)} - {None}
        return found.pop() if len(found) == 1 else None
