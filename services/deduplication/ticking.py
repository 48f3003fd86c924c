"""Looks for people whom a release, a cancellation, the end of a pause or other channels change: what a tick does."""

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Final, NamedTuple

from services.core.channel import CHANNELS
from services.deduplication.batch import Effects, decide_again
from services.deduplication.correcting import Correcting
from services.deduplication.domain import Terms
from services.deduplication.homes import Homes
from services.deduplication.judging import Judging
from services.deduplication.pacing import Limited, Pacing
from services.deduplication.permissions import Reached
from services.deduplication.ruling import Ruling
from services.deduplication.store import BEFORE_ALL, SETS_OF_CHANNELS, Place, Store
from services.deduplication.taken import taken_now
from services.kit.postgres import Connection

__all__ = ["PERSONS_A_TICK", "Ticking"]

# At most so many people are decided again in one tick: that takes about a fifth of a second, far below a lease.
PERSONS_A_TICK: Final = 5_000
# After so many ticks, one to three minutes, every incident is looked at again: a partition that was lost and won back
# between two ticks has rows that another process decided.
_TICKS_TO_TRUST: Final = 60
# So many times 20,000 rows are looked through in one tick where nobody of a cancelled cohort is found.
_LOOKS_A_TICK: Final = 2


class _Control(NamedTuple):
    """What held people depend on: once it changes, they are decided again."""

    usable: int
    released: frozenset[int]
    hold_conflicts: bool
    hold_bare: bool
    paused: frozenset[int]


class Ticking:
    """One for a process; it keeps what need not be looked for again."""

    def __init__(
        self, store: Store, ruling: Ruling, judging: Judging, pacing: Pacing, homes: Homes, *, partitions: int
    ) -> None:
        """Make one; `partitions` is how many this installation has."""
        self._store, self._ruling, self._judging, self._pacing = store, ruling, judging, pacing
        self._homes, self._partitions = homes, partitions
        # By the incident's number and the partition: the control under which nobody was found who could be set free. A
        # look that found somebody is not remembered, so that nothing has to be forgotten when its transaction is rolled
        # back.
        self._idle: dict[tuple[int, int], _Control] = {}
        # By the incident's number, the partitions and the cancelled cohorts: how far its rows were looked through for
        # members of these cohorts, None = all of them. Only rows that nobody was found in count, for the same reason.
        self._looked_through: dict[tuple[int, frozenset[int], frozenset[int]], Place | None] = {}
        self._correcting = Correcting(store, judging)
        self._looked_at: Sequence[int] = ()  # the partitions of the last tick
        self._ticks = 0

    async def decided(self, connection: Connection, partitions: Sequence[int]) -> list[Effects]:
        """Decide again about people whom control changes, some thousands at once; write it, and return the effects."""
        self._begin(partitions)
        left = PERSONS_A_TICK
        effects: list[Effects] = []
        numbers = await self._store.cohorts(connection)
        taken = await taken_now(connection, self._partitions)
        await self._homes.look(connection)
        known = [one for one in sorted(numbers) if self._ruling.can_decide(one)]
        reached = {one: Reached(partitions, taken, self._homes.is_tied(numbers[one][0])) for one in known}
        for ruled in chain.from_iterable(self._ruling.terms(one, numbers, reached[one]) for one in known):
            decided, looked_at = await self._decided_under(connection, *ruled, left)
            if decided is not None:
                await self._store.write(connection, decided)
                effects.append(decided)
            left -= looked_at
            if left <= 0:
                break
        return effects

    def note_decided(self, terms: Terms, partitions: Collection[int]) -> None:
        """Have people looked at again who are held under another control than the one that nobody waited under."""
        for one in partitions:
            if self._idle.get((terms.number, one)) != _control(terms):
                self._idle.pop((terms.number, one), None)

    async def _decided_under(
        self, connection: Connection, terms: Terms, places: Collection[int], limited: Limited, most: int
    ) -> tuple[Effects | None, int]:
        """Decide again about people under these terms; return the effects, and about how many it was."""
        persons = await self._of_cancelled(connection, terms, places, most)
        if not persons:
            persons = await self._affected(connection, terms, places, most)
        if persons:
            await self._store.share(connection, terms.number)
            dossiers = await self._store.read(connection, terms.number, persons)
            here = [one for one in dossiers.values() if one.partition in places]
            await self._judging.look(connection, terms.number)
            return decide_again(here, await self._judging.under(connection, terms, here)), len(persons)
        effects, looked_at = await self._correcting.due(connection, terms, places, most)
        if effects is not None or not limited.cohorts:
            return effects, looked_at
        return await self._pacing.let_go(connection, limited, most)

    def _begin(self, partitions: Sequence[int]) -> None:
        self._ticks += 1
        if self._looked_at != tuple(partitions):
            self._looked_through.clear()
            self._correcting.forget()
        if self._ticks % _TICKS_TO_TRUST == 0 or self._looked_at != tuple(partitions):
            self._idle.clear()
        self._looked_at = tuple(partitions)

    async def _affected(
        self, connection: Connection, terms: Terms, partitions: Collection[int], limit: int
    ) -> list[bytes]:
        control = _control(terms)
        places = [one for one in partitions if self._idle.get((terms.number, one)) != control]
        if not places:
            return []
        persons = await self._store.waiting_for_release(connection, terms.released, places, limit)
        if not persons:
            others = [mask for mask in SETS_OF_CHANNELS if mask != terms.usable]
            persons = await self._store.decided_with_channels(connection, terms.cohorts, others, places, limit)
        if not persons and not (terms.hold_conflicts and terms.hold_bare):
            persons = await self._store.held_by_policy(connection, terms, places, limit)
        if not persons:
            persons = await self._store.waiting_for_turn(connection, terms.released, CHANNELS, places, limit)
        if not persons:
            going_on = terms.cohorts.keys() - set(terms.paused)
            persons = await self._store.held_by_pause(connection, going_on, places, limit)
        if not persons:
            self._idle.update(((terms.number, one), control) for one in places)
        return persons

    async def _of_cancelled(
        self, connection: Connection, terms: Terms, partitions: Collection[int], limit: int
    ) -> list[bytes]:
        """Return people with members of cancelled cohorts who were decided before that was known here."""
        if not terms.cancelled:
            return []
        key = terms.number, frozenset(partitions), frozenset(terms.cancelled)
        for _ in range(_LOOKS_A_TICK):
            after = self._looked_through.get(key, BEFORE_ALL)
            if after is None:
                break
            persons, last = await self._store.of_cancelled(connection, terms, partitions, after, limit)
            if persons:
                return persons
            self._looked_through[key] = last
        return []


def _control(terms: Terms) -> _Control:
    held = terms.hold_conflicts, terms.hold_bare
    return _Control(terms.usable, frozenset(terms.released), *held, frozenset(terms.paused))
