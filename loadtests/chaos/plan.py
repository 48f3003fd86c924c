"""The schedule of faults: what happens to the fleet, and when. The same seed gives the same schedule. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = ["Fault", "Kind", "plan"]


class Kind(Enum):
    """The kind of a fault."""

    KILL = "kill -9"
    PAUSE = "pause"
    KILL_DATABASE = "kill -9 of PostgreSQL"
    RESTART_BROKER = "restart of the broker"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, `at` seconds after the start. `target` is the name of its process, empty where it is of none."""

    at: float
    kind: Kind
    target: str = ""
    seconds: float = 0.0  # how long the process stays paused


def plan(
    seed: int, kills: int, processes: Sequence[str], *, every: float, pause: float, with_broker: bool
) -> list[Fault]:
    """Return a schedule of `kills` kills, one about every `every` seconds; each process is killed before one is again.

    Besides, one process is paused for `pause` seconds (longer than a lease), PostgreSQL is killed once, and
    with Kafka the broker is restarted once.
    """
    rng = random.Random(f"chaos {seed}")  # noqa: S311 - a schedule is no secret
    times = list(_times(rng, kills, every))
    targets = [*rng.sample(processes, len(processes)), *(rng.choice(processes) for _ in range(kills))][:kills]
    faults = [Fault(at, Kind.KILL, target) for at, target in zip(times, targets, strict=True)]
    span = times[-1] if times else every
    faults.append(Fault(span * rng.uniform(0.1, 0.4), Kind.PAUSE, rng.choice(processes), pause))
    faults.append(Fault(span * rng.uniform(0.3, 0.8), Kind.KILL_DATABASE))
    if with_broker:
        faults.append(Fault(span * rng.uniform(0.2, 0.9), Kind.RESTART_BROKER))
    return sorted(faults, key=lambda fault: fault.at)


def _times(rng: random.Random, kills: int, every: float) -> Iterator[float]:
    at = 0.0
    for _ in range(kills):
        at += every * rng.uniform(0.4, 1.6)
        yield at
