"""Notices that must not begin any more: stopped where they lie, or as soon as they come, and answered once.

A recall goes to every channel, as nobody knows where a notice is. Here it may be waiting (then it is stopped), begun
(then it is too late, unless its provider gives it back as if it had never begun: then it is looked at again), or not
here: then the recall is remembered, until deduplication says that it is over.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from services.core.ledger import SET_ASIDE, UNPRINTED
from services.core.notices import FLAG_MAYBE_TOLD
from services.core.status import AttemptState
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch, Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.rounds import by_partition, gathered
from services.dispatch.settling import SettlingStore
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.wire.recalls import Recall, Recalled, encode_stopped

__all__ = ["Answering", "RecallStore", "RecalledAttempt", "Recalls"]

# So many notices that had begun are looked at again in one tick: they are those of some rounds.
_LOOK_AGAIN = 2048


class Answering(IntEnum):
    """How far a recall is answered on one channel. The numbers are stored."""

    OPEN = 0  # the notice is not here, or was refused here: it is stopped if it comes
    UNDER_WAY = 1  # its hand-over has begun, and it is not known yet how that ends
    ANSWERED = 2


class RecalledAttempt(NamedTuple):
    """An attempt of a notice that was recalled, and where its batch stands."""

    recall: Recall
    batch: int
    state: AttemptState
    posted: bool = False  # its print file was rejected, and posted as well: somebody may have read it


class RecallStore(SettlingStore, Protocol):
    """What recalls need of the store."""

    async def add_recalls(self, connection: Connection, recalls: Sequence[Recall], now: datetime) -> None:
        """Remember notices that must not begin any more."""
        ...

    async def end_recalls(self, connection: Connection, recalls: Sequence[Recall], now: datetime) -> None:
        """Note of which notices it is known how they ended, be their recall known here or not."""
        ...

    async def has_recalls(self, connection: Connection, partitions: Collection[int]) -> bool:
        """Tell whether a recall of these partitions is not answered here."""
        ...

    async def recalls_under_way(self, connection: Connection, partitions: Collection[int], limit: int) -> list[bytes]:
        """Return `limit` notices at most that had begun when they were recalled."""
        ...

    async def recalled_attempts(self, connection: Connection, notices: Collection[bytes]) -> list[RecalledAttempt]:
        """Return the attempts of these notices whose recall is not answered, and lock their batches."""
        ...

    async def batches_of(self, connection: Connection, numbers: Collection[int]) -> list[Batch]:
        """Return batches by their numbers."""
        ...

    async def mark_recalls(
        self, connection: Connection, notices: Collection[bytes], state: Answering, now: datetime
    ) -> None:
        """Note how far recalls are answered."""
        ...


# Where a notice lies that was not begun, or was surely not taken by anybody.
WAITING: Final = (AttemptState.TAKEN, AttemptState.REFUSED_WAITING, AttemptState.PAUSED, AttemptState.UNPRINTED)
# Those of them that are counted as held.
_COUNTED: Final = {AttemptState.PAUSED: SET_ASIDE, AttemptState.UNPRINTED: UNPRINTED}
_BEGUN: Final = frozenset({AttemptState.ACCEPTED, AttemptState.UNKNOWN})
_STOPPED: Final = AttemptOutcome(AttemptState.STOPPED)
_STAYS: Final = {state: AttemptOutcome(state) for state in WAITING}


class Recalls:
    """Takes recalls of one channel and answers them; all in the stage's transactions."""

    def __init__(self, store: RecallStore) -> None:
        self._store = store

    async def take(
        self,
        connection: Connection,
        blocks: Sequence[Recalled],
        arrived: Collection[bytes],
        now: datetime,
        moved: Moved,
    ) -> list[Output]:
        """Stop what was recalled and is here, or has just `arrived`; returns the answers."""
        asked = [recall for block in blocks if not block.over for recall in block.recalls]
        if asked:
            await self._store.add_recalls(connection, asked, now)
        wanted = {recall.notice for recall in asked}
        answers = await self._answer(connection, wanted.union(arrived), now, moved)
        if over := {recall.notice: recall for block in blocks if block.over for recall in block.recalls}:
            await self._store.end_recalls(connection, list(over.values()), now)
        return answers

    async def arrived(
        self,
        connection: Connection,
        partitions: Collection[int],
        notices: Collection[bytes],
        now: datetime,
        moved: Moved,
    ) -> list[Output]:
        """Stop those that have just come and were recalled before; returns the answers."""
        if not await self._store.has_recalls(connection, partitions):
            return []
        return await self._answer(connection, notices, now, moved)

    async def look_again(
        self, connection: Connection, partitions: Collection[int], now: datetime, moved: Moved
    ) -> list[Output]:
        """Answer for those that had begun when they were recalled and of which it is known now how that ended."""
        notices = await self._store.recalls_under_way(connection, partitions, _LOOK_AGAIN)
        return await self._answer(connection, notices, now, moved)

    async def _answer(
        self, connection: Connection, notices: Collection[bytes], now: datetime, moved: Moved
    ) -> list[Output]:
        found = await self._store.recalled_attempts(connection, notices) if notices else []
        if not found:
            return []
        stopped = await self._stop(connection, found, now, moved)
        recalls = {one.recall.notice: one.recall for one in found}
        states: dict[bytes, set[AttemptState]] = defaultdict(set)
        for one in found:
            states[one.recall.notice].add(one.state)
        begun = {notice for notice, its in states.items() if notice not in stopped and its & _BEGUN}
        # Waiting, and not stopped: somebody may have been told by an earlier attempt.
        begun |= {notice for notice, its in states.items() if notice not in stopped and its & _STAYS.keys()}
        answered = stopped | begun
        under_way = {notice for notice, its in states.items() if AttemptState.INTENT in its} - answered
        marks = {Answering.OPEN: recalls.keys() - answered - under_way, Answering.UNDER_WAY: under_way}
        for answering, marked in (*marks.items(), (Answering.ANSWERED, answered)):
            if marked:
                await self._store.mark_recalls(connection, marked, answering, now)
        return list(encode_stopped((recalls[notice], notice in stopped) for notice in sorted(answered)))

    async def _stop(
        self, connection: Connection, found: Sequence[RecalledAttempt], now: datetime, moved: Moved
    ) -> set[bytes]:
        """Settle as stopped what waits; returns the notices that are stopped, now or before."""
        stopped = {one.recall.notice for one in found if one.state is AttemptState.STOPPED}
        for state in WAITING:
            here = [one for one in found if one.state is state and not one.posted]
            notices = {one.recall.notice for one in here}
            batches = await self._store.batches_of(connection, {one.batch for one in here}) if here else []
            for one in _together(batches, now):
                outcomes = [_STOPPED if stops else _STAYS[state] for stops in _stopping(one, notices)]
                done = await self._store.record(connection, one, outcomes, now, state)
                if state in _COUNTED:
                    moved.add(one, done, -1, _COUNTED[state])
                stopped.update(one.notices.ids[row] for row in done)
        return stopped


def _stopping(one: Round, notices: Collection[bytes]) -> Iterable[bool]:
    """Tell of each row whether it is stopped. What may have told somebody already goes on as it is."""
    for notice, flags in zip(one.notices.ids, one.notices.flags, strict=True):
        yield notice in notices and not flags & FLAG_MAYBE_TOLD


def _together(batches: Iterable[Batch], now: datetime) -> list[Round]:
    return [one for partition, of_it in by_partition(batches).items() for one in gathered(partition, of_it, now)]
