"""Says how far intake's blocks are known, once all is known that was acknowledged before the end of a pause.

What a pause held back in dispatch waits for it: every notice that those blocks call back was named before, in the same
topic and partition. Nothing is said, and nothing asked of the database, where no pause ever ended.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from notification import topics

from services.core.clock import Clock
from services.core.cohort import Cohort
from services.deduplication.codec import WRITER
from services.deduplication.store import Store
from services.deduplication.taken import STAGE
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.kit.stage import read_taken
from services.wire.incidents import Incidents
from services.wire.recalls import encode_known

__all__ = ["Announced", "Announcing"]

# The topic keeps its blocks for a week; a channel that is opened later hears of it as well.
_AGAIN_AFTER: Final = timedelta(days=1)


class Announced(NamedTuple):
    """How far intake's blocks of a partition were said to be known, and when."""

    up_to: int
    at: datetime


class Announcing:
    """One for a process."""

    def __init__(self, store: Store, incidents: Incidents, clock: Clock) -> None:
        self._store, self._incidents, self._clock = store, incidents, clock
        self._changes = -1
        self._resumed: Collection[tuple[int, ...]] = ()  # heads of intake's blocks at the ends of pauses
        self._said: dict[int, Announced] = {}  # by partition, as it is committed

    async def due(self, connection: Connection, partitions: Sequence[int]) -> list[Output]:
        """Return the blocks that say how far intake's are known, where the end of a pause waits for that."""
        now = self._clock.now()
        open_ends = {one: max((heads[one] for heads in self._ends()), default=0) for one in partitions}
        if all(self._was_said(one, end, now) for one, end in open_ends.items()):
            return []
        said = await self._store.announced(connection, partitions)
        self._said.update((one, Announced(*row)) for one, row in said.items())
        taken = await read_taken(connection, STAGE, topics.MEMBERS_ACCEPTED, WRITER, partitions)
        due = {one: last for one, last in taken.items() if not self._was_said(one, self._reached(one, last), now)}
        if due:
            await self._store.announce(connection, due, now)
        return [encode_known(one, last) for one, last in sorted(due.items())]

    def _reached(self, partition: int, taken: int) -> int:
        """Return the last of the ends of pauses before which all is known."""
        return max((heads[partition] for heads in self._ends() if heads[partition] <= taken), default=0)

    def _was_said(self, partition: int, end: int, now: datetime) -> bool:
        said = self._said.get(partition)
        return not end or (said is not None and said.up_to >= end and now - said.at < _AGAIN_AFTER)

    def _ends(self) -> Collection[tuple[int, ...]]:
        if self._changes != self._incidents.changes:
            self._changes = self._incidents.changes
            cohorts = [one for key, one in self._incidents.items() if key[0] == "cohort" and isinstance(one, Cohort)]
            self._resumed = {one.resumed_after for one in cohorts if one.resumed_after and not one.cancelled}
        return self._resumed
