"""What waits for a closed channel moves on: it is settled here, and goes back to routing for its next channel.

It is done in the stage's ticks, so that nobody waits for a provider that is down, and where the sender finds it next in
the queue.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final, Protocol

from services.core.ledger import MOVED_ON
from services.core.notices import pieces
from services.core.status import CHANNEL_CLOSED, AttemptState
from services.dispatch.closures import Closures
from services.dispatch.codec import encode_refused
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.dispatch.rounds import gathered
from services.dispatch.settling import SettlingStore
from services.kit.eventlog import Output
from services.kit.postgres import Connection

__all__ = ["MovingOn", "MovingOnStore"]

# Attempts that are looked through in one tick and partition: some milliseconds.
_LOOK: Final = 2048
# After so many ticks the queue is looked through again: what comes back to it, or is routed by a process that does not
# know of the closure yet, is found by the sender, but not while its provider is left alone.
_TICKS_TO_TRUST: Final = 60


class MovingOnStore(SettlingStore, Protocol):
    """What moving on needs of the store."""

    async def queued_batches(self, connection: Connection, partition: int, after: int, limit: int) -> list[Batch]:
        """Return batches of the queue whose number is higher: one, or more with `limit` attempts at most."""
        ...


class MovingOn:
    """Gives back what waits for a closed channel."""

    def __init__(self, store: MovingOnStore, closures: Closures, traits: Traits, metrics: DispatchMetrics) -> None:
        self._store, self._closures, self._metrics = store, closures, metrics
        self._channel = traits.channel
        # By partition: under which closures the queue was looked through, and up to which batch; None = all of it.
        self._looked: dict[int, tuple[frozenset[str], int | None]] = {}
        self._ticks = 0

    async def move_on(
        self, connection: Connection, partition: int, queued: Sequence[Batch], now: datetime, moved: Moved
    ) -> list[Output]:
        """Give back those of the queue that may not begin as the channel is closed; return the blocks for routing."""
        closed = [batch for batch in queued if self._closures.holds(batch.notices)]
        outputs: list[Output] = []
        for one in gathered(partition, closed, now):
            done = await self._store.record(connection, one, list(map(_closed, one.tries)), now, AttemptState.TAKEN)
            moved.add(one, done, +1, MOVED_ON[self._channel])
            self._metrics.count({"closed": len(done)})
            notices = one.notices.pick(done)
            notices.tried = [tried | self._channel for tried in notices.tried]
            outputs += [encode_refused(piece, CHANNEL_CLOSED, partition) for piece in pieces(notices)]
        return outputs

    async def tick(
        self, connection: Connection, partitions: Sequence[int], now: datetime, moved: Moved
    ) -> list[Output]:
        """Look through the queues for what may not begin, a part of each at a time."""
        self._ticks += 1
        if self._ticks % _TICKS_TO_TRUST == 0:
            self._looked.clear()
        closed, outputs = self._closures.closed(), list[Output]()
        for partition in partitions if closed else ():
            before, after = self._looked.get(partition, (closed, 0))
            if before != closed:
                after = 0
            if after is None:
                continue
            batches = await self._store.queued_batches(connection, partition, after, _LOOK)
            given_back = await self.move_on(connection, partition, batches, now, moved)
            if not given_back:  # else its transaction may be rolled back: what is looked at twice is found twice
                self._looked[partition] = closed, batches[-1].number if batches else None
            outputs += given_back
        return outputs


@cache
def _closed(tries: int) -> AttemptOutcome:
    """Return how an attempt ends whose channel is closed, that was put off so often."""
    return AttemptOutcome(AttemptState.CLOSED, tries=tries, reason=CHANNEL_CLOSED)
