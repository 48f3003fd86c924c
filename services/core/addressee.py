"""To whom a notice about somebody is written: to themselves, or to whoever answers for them."""

from enum import StrEnum
from typing import Final

__all__ = ["MAX_ADDRESS_LINES", "AddresseeRole", "lines_of"]

MAX_ADDRESS_LINES: Final = 6  # below the addressee: what a window shows
_BETWEEN = "|"


class AddresseeRole(StrEnum):
    """What the reader of a notice is to the person that it is about. The words stand in member records."""

    SELF = "self"
    GUARDIAN = "guardian"  # a parent, or who has custody
    NEXT_OF_KIN = "next-of-kin"  # the person has died
    REPRESENTATIVE = "representative"  # a curator, an administrator, a mentor


def lines_of(text: str) -> tuple[str, ...]:
    """Return the lines of an address that are given as one text, with bars between."""
    return tuple(line for part in text.split(_BETWEEN) if (line := part.strip()))
