"""What cohorts let go in each partition. Pure.

A permission, and the end of a pause, hold where all is known that was acknowledged before them; a stop holds at once.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from services.core.cohort import Cohort
from services.kit.errors import ConfigError

__all__ = ["Permissions", "Reached", "check_partitions", "permissions_in"]


class Reached(NamedTuple):
    """Partitions in which it is decided about people of an incident, and how far intake's blocks are known."""

    partitions: Collection[int]
    taken: Sequence[int]  # of each partition of the installation
    tied: bool = False  # some people of the incident are known to come under several identities


class Permissions(NamedTuple):
    """Cohorts by number."""

    released: frozenset[int]
    limited: frozenset[int]  # released too, under a limit: what arrives waits, and a tick lets go what is left
    paused: frozenset[int]


def permissions_in(
    cohorts: Mapping[int, Cohort], reached: Reached, *, paced: bool = False
) -> dict[Permissions, list[int]]:
    """Return the partitions by what holds in them; nearly always all are alike.

    `paced`: the incident has a pace, which limits every release of it.
    """
    taken, tied = reached.taken, reached.tied
    released = {number: one for number, one in cohorts.items() if one.is_released}
    limited = {number for number, one in released.items() if paced or one.is_limited}
    stopped = {number: one for number, one in cohorts.items() if one.paused or one.resumed_after}
    found: dict[Permissions, list[int]] = {}
    for at in reached.partitions:
        may_go = {number for number, one in released.items() if one.is_released_in(at, taken, tied=tied)}
        here = Permissions(
            released=frozenset(may_go - limited),
            limited=frozenset(may_go & limited),
            paused=frozenset(number for number, one in stopped.items() if one.is_paused_in(at, taken, tied=tied)),
        )
        found.setdefault(here, []).append(at)
    return found


def check_partitions(cohort: Cohort, partitions: int) -> None:
    """Check that a cohort was released and resumed on as many partitions as this process has. Raises ConfigError."""
    given = {"released": cohort.release_after} if cohort.is_released else {}
    if cohort.resumed_after:
        given["resumed"] = cohort.resumed_after
    for act, heads in given.items():
        if len(heads) != partitions:
            raise ConfigError(
                f"cohort {cohort.cohort_id} of incident {cohort.incident_id} was {act} on {len(heads)} partitions,"
                f" HERAUT_PARTITIONS is {partitions}"
            )
