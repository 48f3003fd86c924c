"""Print runs: the print files of one partition, handling and day, of which the print house gets a total. Pure.

A print house calls them a job. The total has a chain over the digests of the files in their order, so that none can be
missing, doubled or exchanged without being noticed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from hashlib import sha256
from typing import Final, NamedTuple

from services.dispatch.domain import PrintedFile, Round

__all__ = ["HANDLINGS", "PrintRun", "RunName", "RunState", "chain", "handling_of", "read_run_name"]

HANDLINGS = ("normal", "secret")  # by the number that a run is stored with
_NAME: Final = re.compile(rf"([0-9]{{8}})-([0-9]{{1,5}})-({'|'.join(HANDLINGS)})-([0-9]{{1,6}})", re.ASCII)


class RunState(IntEnum):
    """Where a print run stands."""

    OPEN = 0
    CLOSING = 1  # its total stays as it is, and the print house may have it
    CLOSED = 2


class RunName(NamedTuple):
    """What the name of a print run says."""

    day: date
    partition: int
    handling: int
    number: int


def read_run_name(name: str) -> RunName | None:
    """Return what a print run's name says, `20260820-3-secret-1`; None where it is none."""
    said = _NAME.fullmatch(name)
    try:
        day = date.fromisoformat(said[1]) if said else None
    except ValueError:
        return None
    return RunName(day, int(said[2]), HANDLINGS.index(said[3]), int(said[4])) if said and day else None


@dataclass(frozen=True, slots=True)
class PrintRun:
    """A print run with its total; `files` are in its order, each with its id."""

    name: str
    day: date
    handling: str
    closed_at: datetime
    files: Sequence[tuple[bytes, PrintedFile]]

    @property
    def letters(self) -> int:
        """How many letters it has."""
        return sum(file.letters for _, file in self.files)

    @property
    def pages(self) -> int:
        """How many pages its files have."""
        return sum(file.pages for _, file in self.files)

    @property
    def sheets(self) -> int:
        """How many sheets are printed."""
        return sum(file.sheets for _, file in self.files)


def handling_of(one: Round) -> int:
    """Return the number of a round's handling: the addresses of a print file are all secret, or none is."""
    return int(one.is_secret)


def chain(digests: Iterable[bytes]) -> bytes:
    """Return the last link of the chain over digests; each is SHA-256 over the one before and a digest.

    The first one is over 32 zero bytes.
    """
    link = bytes(32)
    for digest in digests:
        link = sha256(link + digest).digest()
    return link
