"""How attempts end that a provider rejected: they are made again, or given to the next channel.

Made again, a notice is another attempt; what was said of the first one stays said of it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from services.core.access import Act
from services.core.clock import Clock
from services.core.ledger import UNPRINTED
from services.core.notices import Notices, pieces
from services.core.receipts import ReceiptKind, ReceiptReason, why_back
from services.core.status import AttemptState
from services.dispatch.codec import encode_block, encode_refused
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch, Round, Taken
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.dispatch.rejected.decided import GIVES_UP
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.rounds import by_partition, cut, gathered
from services.dispatch.store import Store
from services.kit.eventlog import Output
from services.kit.postgres import Connection

__all__ = ["RejectedAttempts"]

_WHY = why_back(ReceiptKind.REFUSED, ReceiptReason.PROVIDER)
_ENDED = AttemptOutcome(AttemptState.REFUSED)
_STAYS = AttemptOutcome(AttemptState.UNPRINTED)


class RejectedAttempts:
    """Ends attempts of batches that the caller has locked, in its transaction; a repeat finds nothing to end."""

    def __init__(self, store: Store, traits: Traits, clock: Clock) -> None:
        self._store, self._rejected = store, RejectedStore(traits.channel)
        self._traits, self._clock = traits, clock

    async def count(self, connection: Connection, act: Act, batches: Sequence[Batch]) -> int:
        """Return how many notices an act would end now."""
        notices = [notice for batch in batches for notice in batch.notices.ids]
        return len(notices) - len(await self._staying(connection, act, notices)) if notices else 0

    async def end(self, connection: Connection, act: Act, batches: Iterable[Batch], moved: Moved) -> list[Output]:
        """Queue their notices as attempts of their own, or give them back to routing for the next channel.

        Returns the blocks that go back; `moved` counts them as held no more.
        """
        outputs = list[Output]()
        for one in self._rounds(batches):
            staying = await self._staying(connection, act, one.notices.ids)
            ended = await self._end(connection, one, staying, moved)
            if act in GIVES_UP:
                outputs += self._back(one.partition, ended)
            else:
                await self._queue(connection, one.partition, ended)
        return outputs

    async def _staying(self, connection: Connection, act: Act, notices: Collection[bytes]) -> Collection[bytes]:
        """Return those of these notices that an act leaves as they are.

        Who was called back since the first attempt is not told again: that would go where the record no longer says.
        Nor is one given up whose recall is looked at again just now: it is stopped, or answered once more
        (`recalls.py`).
        """
        called_back = await self._rejected.called_back(connection, notices)
        if act in GIVES_UP:
            return {notice for notice, answered in called_back.items() if not answered}
        return called_back.keys()

    def _rounds(self, batches: Iterable[Batch]) -> Iterator[Round]:
        now = self._clock.now()
        for partition, of_it in by_partition(batches).items():
            yield from gathered(partition, of_it, now)

    async def _end(self, connection: Connection, one: Round, staying: Collection[bytes], moved: Moved) -> Notices:
        """End all but those that stay, and count them as held no more; returns the notices that this call ended."""
        outcomes = [_STAYS if notice in staying else _ENDED for notice in one.notices.ids]
        done = await self._store.record(connection, one, outcomes, self._clock.now(), AttemptState.UNPRINTED)
        moved.add(one, done, -1, UNPRINTED)
        return one.notices.pick(done)

    async def _queue(self, connection: Connection, partition: int, notices: Notices) -> None:
        if not notices:
            return
        now = self._clock.now()
        notices.attempts = [attempt + 1 for attempt in notices.attempts]
        parts = [notices.pick(rows) for rows in cut(self._traits, notices) if rows]
        taken = [Taken(partition, part, encode_block(part)) for part in parts]
        await self._store.take(connection, taken, now, now + self._traits.linger)

    def _back(self, partition: int, notices: Notices) -> list[Output]:
        notices.tried = [tried | self._traits.channel for tried in notices.tried]
        return [encode_refused(piece, _WHY, partition) for piece in pieces(notices)]
