"""Lets go what limits leave: in ticks alone, and under the locks of the limits' rows, which all owners share.

Nothing here is done for people whose turn it is not: with nothing left, a tick reads the limits' rows, and no others.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from services.core.channel import CHANNELS
from services.core.clock import Clock
from services.core.cohort import Cohort
from services.core.days import day_here
from services.core.incident import Incident
from services.deduplication.batch import Effects, decide_again
from services.deduplication.domain import Course, Terms
from services.deduplication.judging import Judging
from services.deduplication.quotas import Allowance, Limit, left_of, limits_of
from services.deduplication.store import Store
from services.kit.postgres import Connection

__all__ = ["Limited", "Pacing"]


class Limited(NamedTuple):
    """The cohorts of an incident that are released under a limit, by number, and where people wait for them."""

    incident: Incident
    cohorts: Mapping[int, Cohort]
    terms: Terms
    partitions: Collection[int]

    def allowance(self, left: Mapping[Limit, int]) -> Allowance:
        """Return what may go; a cohort that is paused takes nothing, and what waits for it stays as it is."""
        cohorts = self.cohorts.keys() - set(self.terms.paused)
        return Allowance(left, cohorts, self.incident.usable_channels)


class Pacing:
    """One for a process."""

    def __init__(self, store: Store, judging: Judging, clock: Clock) -> None:
        self._store, self._judging, self._clock = store, judging, clock

    async def let_go(self, connection: Connection, limited: Limited, most: int) -> tuple[Effects | None, int]:
        """Decide about people whose turn it is, at most so many; return the effects, and about how many it was.

        Where another owner takes from the same limits just now, nobody's turn comes before the next tick.
        """
        incident, day = limited.terms.number, day_here(self._clock.now())
        limits = limits_of(limited.cohorts, limited.incident.policy.pace)
        used = await self._store.read_quotas(connection, incident)
        allowance = limited.allowance(left_of(limits, used, day))
        persons = await self._waiting(connection, limited, allowance, most) if allowance.open else []
        if not persons:
            return None, 0
        if new := sorted(limits.keys() - used.keys()):
            # Another owner that adds the same row waits for this transaction: it ends without taking anything.
            await self._store.add_quotas(connection, incident, new)
            return None, 0
        await self._store.share(connection, incident)
        used = await self._store.lock_quotas(connection, incident)
        if not limits.keys() <= used.keys():
            return None, 0
        allowance = limited.allowance(left_of(limits, used, day))
        dossiers = await self._store.read(connection, incident, persons)
        here = [one for one in dossiers.values() if one.partition in limited.partitions]
        await self._judging.look(connection, incident)
        terms = await self._judging.under(connection, replace(limited.terms, allowance=allowance), here)
        effects = decide_again(here, terms)
        taken = {limit: used[limit].more(count, day) for limit, count in allowance.taken.items() if count}
        if taken:
            await self._store.move_quotas(connection, incident, taken)
        canaries = {number for number, cohort in limited.cohorts.items() if cohort.canary is not None}
        if turns := [turn for turn in effects.turns if turn[1] in canaries]:
            await self._store.take_turns(connection, incident, turns)
        return effects, len(persons)

    async def hear(self, connection: Connection, incident: int, courses: Mapping[bytes, Course]) -> None:
        """Let somebody else have the turn of a notice that was stopped: nobody was told by it, and nobody will be.

        A turn is given back once, as it is noted once; what had begun keeps its own. Of a pace nothing is given back:
        the next day has its own number.
        """
        ends: dict[bool, list[bytes]] = {}
        for notice, course in courses.items():
            ends.setdefault(course == Course.STOPPED, []).append(notice)
        for stopped, notices in ends.items():
            turns = await self._store.end_turns(connection, incident, notices)
            if stopped:
                await self._store.give_back(connection, incident, turns)

    async def _waiting(self, connection: Connection, limited: Limited, allowance: Allowance, most: int) -> list[bytes]:
        """Return up to `most` people who may have a turn, in the order of their keys."""
        found: set[bytes] = set()
        for cohorts, room in allowance.shares():
            if (some := min(room, most - len(found))) > 0:
                found.update(await self._store.waiting_for_release(connection, cohorts, limited.partitions, some))
        for channel, room in allowance.turns(CHANNELS):
            if (some := min(room, most - len(found))) > 0:
                found.update(
                    await self._store.waiting_for_turn(connection, allowance.open, [channel], limited.partitions, some)
                )
        return sorted(found)
