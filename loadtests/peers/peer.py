"""What takes part: something that tells everybody of a load, and says which promises it keeps meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from loadtests.cohort_files import Load
from loadtests.processes import Cost

__all__ = ["Figures", "Peer", "PeerFailed", "Promise", "Task", "by_part"]


class Promise(Enum):
    """What may be promised to those who are told and to those who send; by its short word."""

    SEALED = "sealed"  # no plaintext of people in any queue, log or table
    SURVIVES = "survives kills"  # what was acknowledged is told after a kill -9 of any process
    ONCE = "nobody twice"  # also then
    LEDGER = "ledger"  # each record is counted in one place, and the figures balance
    REPLICAS = "replicas"  # more processes, on more machines, share the work


class PeerFailed(Exception):  # noqa: N818 - what happened to it is the name of the error
    """A peer did not tell everybody exactly once; the message says what it did."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one round gives to a peer. Nobody is in both loads."""

    folder: Path  # a folder of this round's own, which is there
    warm: Load  # told first and not measured: the code is cold, and so are caches
    load: Load


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load of so many records came to."""

    people: int
    seconds: float
    cpu: Mapping[str, float]  # seconds, by what used them: Python, PostgreSQL, Redis, broker

    @property
    def rate(self) -> float:
        """Records per second, from the first one read to the last delivery recorded."""
        return self.people / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU for a record, servers included."""
        return sum(self.cost_of(part) for part in self.cpu)

    def cost_of(self, part: str) -> float:
        """Microseconds of CPU for a record that one part used."""
        return self.cpu[part] / self.people * 1e6


def by_part(used: Mapping[str, Cost], servers: Mapping[str, str]) -> dict[str, float]:
    """Return the CPU seconds of processes by part: that of the server that a process is, Python for all others."""
    parts = {"Python": 0.0}
    for name, cost in used.items():
        part = servers.get(name, "Python")
        parts[part] = parts.get(part, 0.0) + cost.cpu
    return parts


class Peer(Protocol):
    """One way to do the job."""

    @property
    def word(self) -> str:
        """Its name on the command line."""

    @property
    def title(self) -> str:
        """Its name in the table, with what was tuned."""

    @property
    def people(self) -> int:
        """How many people it gets where nothing else is said: enough for some seconds of work."""

    @property
    def keeps(self) -> Sequence[Promise]:
        """The promises that it keeps."""

    async def measured(self, task: Task) -> Figures:
        """Do the job, and return what it cost. Raises PeerFailed where anybody was told twice or not at all."""
