"""Heraut itself, beside its peers: the same people, by the load test's own fleet and driver."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.peers.peer import Figures, PeerFailed, Promise, Task, by_part
from loadtests.throughput import INCIDENT, measure

__all__ = ["Heraut"]

_SERVERS = {"postgres": "PostgreSQL", "kafka": "broker"}


@dataclass(frozen=True, slots=True)
class Heraut:
    """Heraut on one of its logs, a process of each service."""

    log: str  # postgres or kafka
    people: int
    keeps: Sequence[Promise] = tuple(Promise)

    @property
    def word(self) -> str:
        """Its name on the command line."""
        return f"heraut-{self.log}"

    @property
    def title(self) -> str:
        """Its name in the table."""
        return (
            "Heraut on " + ("its embedded log" if self.log == "postgres" else "Kafka") + ", a process of each service"
        )

    async def measured(self, task: Task) -> Figures:
        """Start the fleet, give it both loads, and return what the second one cost."""
        fleet = Fleet(task.folder, self.log, replicas=1)
        try:
            await fleet.start()
            await measure(fleet, "warm", task.warm, None)
            result = await measure(fleet, INCIDENT, task.load, None)
            await fleet.stop_services()
        finally:
            await fleet.stop()
        _check_told(fleet, task.warm.persons + task.load.persons)
        return Figures(result.people, result.seconds, by_part(result.costs, _SERVERS))


def _check_told(fleet: Fleet, people: int) -> None:
    """Compare the letters with all who were sent: no two of the made-up people share a name at an address."""
    letters = [
        letter["address"]
        for path in fleet.print_dir.glob("*.ndjson")
        for line in path.read_bytes().splitlines()
        if "address" in (letter := orjson.loads(line))
    ]
    addressees = {tuple(address) for address in letters}
    if (people, people) != (len(letters), len(addressees)):
        raise PeerFailed(f"of {people} people {len(addressees)} were told by {len(letters)} letters")
