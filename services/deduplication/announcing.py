"""Says how far intake's blocks are known, once all is known that was acknowledged before the end of a pause.

What a pause held back in dispatch waits for it: every notice that those blocks call back was named before, in the topic
and partition that it went through. What an operator does there waits likewise: dispatch asks, and asks again, and each
time is told how far they are known. Nothing is said, and nothing asked of the database, where nothing waits.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.core.clock import Clock
from services.core.cohort import Cohort
from services.core.permission import is_reached
from services.deduplication.store import Store
from services.deduplication.taken import taken_now
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.wire.incidents import Incidents
from services.wire.recalls import encode_known

__all__ = ["Announced", "Announcing"]

# The topic keeps its blocks for a week; a channel that is opened later hears of it as well.
_AGAIN_AFTER: Final = timedelta(days=1)


class Announced(NamedTuple):
    """How far intake's blocks were said to be known in a partition, of each, and when."""

    taken: Sequence[int]
    at: datetime


class _End(NamedTuple):
    """The end of a pause: how far intake had come, and whether that has to be known of all partitions."""

    heads: tuple[int, ...]
    tied: bool

    def waits_in(self, partition: int) -> bool:
        """Tell whether anything came before it that concerns a partition."""
        return any(self.heads) if self.tied else self.heads[partition] > 0

    def is_reached(self, partition: int, taken: Sequence[int]) -> bool:
        """Tell whether all is known of a partition that came before it."""
        return is_reached(self.heads, partition, taken, everywhere=self.tied)


class Announcing:
    """One for a process."""

    def __init__(self, store: Store, incidents: Incidents, clock: Clock, partitions: int) -> None:
        """Make one; `partitions` is how many this installation has."""
        self._store, self._incidents, self._clock, self._partitions = store, incidents, clock, partitions
        self._changes = -1
        self._resumed: Collection[_End] = ()
        self._said: dict[int, Announced] = {}  # by partition, as it is committed

    async def due(self, connection: Connection, partitions: Sequence[int]) -> list[Output]:
        """Return the blocks that say how far intake's are known, where the end of a pause waits for that.

        What other partitions called back through one of these stands before: it is committed where it counts as taken.
        """
        now, ends = self._clock.now(), self._ends()
        if all(self._was_said(one, ends, now) for one in partitions):
            return []
        said = await self._store.announced(connection, partitions)
        self._said.update((one, Announced(*row)) for one, row in said.items())
        taken = await taken_now(connection, self._partitions)
        due = [one for one in partitions if not self._was_said(one, _reached(ends, one, taken), now)]
        if due:
            await self._store.announce(connection, due, taken, now)
        return [encode_known(one, taken) for one in sorted(due)]

    async def asked(self, connection: Connection, partitions: Collection[int]) -> list[Output]:
        """Return the blocks that answer who asks in these partitions; they stand behind all else of the transaction."""
        if not partitions:
            return []
        taken = await taken_now(connection, self._partitions)
        return [encode_known(one, taken) for one in sorted(partitions)]

    def _was_said(self, partition: int, ends: Collection[_End], now: datetime) -> bool:
        said = self._said.get(partition)
        waiting = [end for end in ends if end.waits_in(partition)]
        if not waiting or said is None:
            return not waiting
        return now - said.at < _AGAIN_AFTER and all(end.is_reached(partition, said.taken) for end in waiting)

    def _ends(self) -> Collection[_End]:
        if self._changes != self._incidents.changes:
            self._changes = self._incidents.changes
            cohorts = [one for key, one in self._incidents.items() if key[0] == "cohort" and isinstance(one, Cohort)]
            resumed = (one for one in cohorts if one.resumed_after and not one.cancelled)
            self._resumed = {_End(one.resumed_after, one.tied) for one in resumed}
        return self._resumed


def _reached(ends: Collection[_End], partition: int, taken: Sequence[int]) -> list[_End]:
    """Return the ends of pauses before which all is known of a partition."""
    return [end for end in ends if end.is_reached(partition, taken)]
