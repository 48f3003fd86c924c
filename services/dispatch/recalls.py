"""Notices that must not begin any more: stopped where they lie, or as soon as they come, and answered once.

A recall goes to every channel, as nobody knows where a notice is. Here it may be waiting (then it is stopped), begun
(then it is too late, unless its provider gives it back as if it had never begun: then it is looked at again), or not
here: then the recall is remembered, until deduplication says that it is over.

The answer is about the notice and not about the attempt that is here: *stopped* says that no attempt on any channel
told somebody, or will. A letter that follows a portal message which nobody read is stopped, and answered to have begun.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple, Protocol

from services.core.ledger import SET_ASIDE, UNPRINTED
from services.core.notices import FLAG_MAYBE_TOLD, LIES_UNREAD, Notices, pieces
from services.core.status import CALLED_BACK, AttemptState
from services.dispatch.codec import encode_refused
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
    elsewhere: frozenset[AttemptState] = frozenset()  # of the notice's attempts on other channels


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

    async def reopen_recalls(self, connection: Connection, notices: Collection[bytes], now: datetime) -> None:
        """Look again at those of these notices that wait, and whose recall was answered."""
        ...


# Where a notice lies that was not begun, or was surely not taken by anybody.
WAITING: Final = (AttemptState.TAKEN, AttemptState.REFUSED_WAITING, AttemptState.PAUSED, AttemptState.UNPRINTED)
# Those of them that are counted as held.
_COUNTED: Final = {AttemptState.PAUSED: SET_ASIDE, AttemptState.UNPRINTED: UNPRINTED}
_BEGUN: Final = frozenset({AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.UNREAD})
# Of an attempt on another channel: it may tell somebody yet. Whoever has it hears of the recall, too.
_OPEN: Final = frozenset({*WAITING, AttemptState.INTENT})
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

    async def follow(self, connection: Connection, come: Iterable[Notices], now: datetime) -> None:
        """Look again at those that have just come after a message which nobody read, and whose recall is answered.

        It was answered for that message while they were on their way.
        """
        follow = [
            notice
            for notices in come
            if max(notices.tried) & LIES_UNREAD  # nearly always not: nothing is done for each
            for notice, tried in zip(notices.ids, notices.tried, strict=True)
            if tried & LIES_UNREAD
        ]
        if follow:
            await self._store.reopen_recalls(connection, follow, now)

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
        told_elsewhere = {one.recall.notice for one in found if one.elsewhere & _BEGUN}
        stopped, back = await self._stop(connection, found, told_elsewhere, now, moved)
        recalls = {one.recall.notice: one.recall for one in found}
        begun, under_way = _parted(found, stopped)
        answered = (stopped - under_way) | begun
        marks = {Answering.OPEN: recalls.keys() - answered - under_way, Answering.UNDER_WAY: under_way}
        for answering, marked in (*marks.items(), (Answering.ANSWERED, answered)):
            if marked:
                await self._store.mark_recalls(connection, marked, answering, now)
        return [*encode_stopped((recalls[notice], notice not in begun) for notice in sorted(answered)), *back]

    async def _stop(
        self,
        connection: Connection,
        found: Sequence[RecalledAttempt],
        told_elsewhere: Collection[bytes],
        now: datetime,
        moved: Moved,
    ) -> tuple[set[bytes], list[Output]]:
        """Settle as stopped what waits; returns the notices that are stopped, now or before.

        Also the blocks for routing: whoever may have been told elsewhere is told at new contact data, if any comes.
        """
        stopped = {one.recall.notice for one in found if one.state is AttemptState.STOPPED}
        back: list[Output] = []
        for state in WAITING:
            here = [one for one in found if one.state is state and not one.posted]
            notices = {one.recall.notice for one in here}
            batches = await self._store.batches_of(connection, {one.batch for one in here}) if here else []
            for one in _together(batches, now):
                stops = _stopping(one.notices, notices, told_elsewhere)
                outcomes = [_STOPPED if row in stops else _STAYS[state] for row in range(len(one))]
                done = await self._store.record(connection, one, outcomes, now, state)
                if state in _COUNTED:
                    moved.add(one, done, -1, _COUNTED[state])
                stopped.update(one.notices.ids[row] for row in done)
                told = one.notices.pick([row for row in done if one.notices.ids[row] in told_elsewhere])
                back += [encode_refused(piece, CALLED_BACK, one.partition) for piece in pieces(told)]
        return stopped, back


def _parted(found: Iterable[RecalledAttempt], stopped: Collection[bytes]) -> tuple[set[bytes], set[bytes]]:
    """Return the notices that had begun, and those of which it is not known yet."""
    here, elsewhere = defaultdict[bytes, set[AttemptState]](set), dict[bytes, frozenset[AttemptState]]()
    for one in found:
        here[one.recall.notice].add(one.state)
        elsewhere[one.recall.notice] = one.elsewhere
    begun, under_way = set(), set()
    for notice, its in here.items():
        there = elsewhere[notice] if notice in stopped else frozenset()
        # Waiting, and not stopped: somebody may have been told by an earlier attempt.
        goes_on = notice not in stopped and its & _STAYS.keys()
        if goes_on or (its | there) & _BEGUN:
            begun.add(notice)
        elif AttemptState.INTENT in its or there & _OPEN:
            under_way.add(notice)
    return begun, under_way


def _stopping(notices: Notices, recalled: Collection[bytes], told_elsewhere: Collection[bytes]) -> set[int]:
    """Return the rows that are stopped.

    What may have told somebody already goes on as it is, but where it follows a message that nobody read: it would say
    the same again, to whom or where its record no longer says. With new contact data it says it where the record says.
    """
    return {
        row
        for row, (notice, flags, tried) in enumerate(zip(notices.ids, notices.flags, notices.tried, strict=True))
        if notice in recalled and (tried & LIES_UNREAD if notice in told_elsewhere else not flags & FLAG_MAYBE_TOLD)
    }


def _together(batches: Iterable[Batch], now: datetime) -> list[Round]:
    return [one for partition, of_it in by_partition(batches).items() for one in gathered(partition, of_it, now)]
