"""What an operator decides about letters that the print house rejected: they are printed again, or given up.

Nothing else begins them anew. Printed again, a letter is another attempt in another print file; what was said of the
first one stays said of it.
"""

from typing import NamedTuple

from services.core.access import Act, Caller
from services.core.clock import Clock
from services.core.ledger import UNPRINTED
from services.core.notices import Notices, pieces
from services.core.receipts import ReceiptKind, ReceiptReason, why_back
from services.core.status import AttemptState
from services.dispatch.codec import encode_block, encode_refused
from services.dispatch.counting import Moved
from services.dispatch.domain import Round, Taken
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.printed.store import PrintedStore
from services.dispatch.provider import Traits
from services.dispatch.rounds import by_partition, cut, gathered
from services.dispatch.store import Store
from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.kit.stage import StageHandle

__all__ = ["Deciding", "Decision", "PostedError", "UnknownJobError"]

_WHY = why_back(ReceiptKind.REFUSED, ReceiptReason.PROVIDER)
_ENDED = AttemptOutcome(AttemptState.REFUSED)
_STAYS = AttemptOutcome(AttemptState.UNPRINTED)


class UnknownJobError(LookupError):
    """There is no such print run, and no such print file."""


class PostedError(Exception):
    """The print house said of some of it that it was posted, and rejected it as well: people may be told twice."""


class Decision(NamedTuple):
    """What was decided, about how many letters."""

    job: str
    letters: int


class Deciding:
    """Carries out what operators decide, for all partitions: rows are locked, whoever owns them."""

    def __init__(self, store: Store, stage: StageHandle, traits: Traits, clock: Clock) -> None:
        self._store, self._printed = store, PrintedStore(traits.channel)
        self._stage, self._traits, self._clock = stage, traits, clock

    async def print_again(self, job: str, caller: Caller, *, even_if_posted: bool = False) -> Decision:
        """Queue what was rejected of a run or a print file, as attempts of their own.

        Who was called back since it was printed stays: the letter would go where its record no longer says.
        Raises UnknownJobError, PostedError unless `even_if_posted`, LostOwnershipError, and what databases raise.
        """
        return await self._decide(Act.PRINTED_AGAIN, job, caller, even_if_posted=even_if_posted)

    async def give_up(self, job: str, caller: Caller, *, even_if_posted: bool = False) -> Decision:
        """Give what was rejected of a run or a print file back to routing, for the next channel. Raises likewise."""
        return await self._decide(Act.PRINT_GIVEN_UP, job, caller, even_if_posted=even_if_posted)

    async def _decide(self, act: Act, job: str, caller: Caller, *, even_if_posted: bool) -> Decision:
        owned = min(self._stage.owned(), default=None)
        if owned is None:
            raise LostOwnershipError("no partition is owned")
        async with self._stage.fenced([owned]) as transaction:
            files = await self._printed.files_of(transaction.connection, job, file_of(job))
            if not files:
                raise UnknownJobError
            batches = await self._printed.unprinted(transaction.connection, [one.job for one in files])
            posted = {one.job for one in files if one.posted}
            if any(batch.print_job in posted for batch in batches) and not even_if_posted:
                raise PostedError
            moved, letters = Moved(), 0
            now = self._clock.now()
            for partition, of_it in by_partition(batches).items():
                for one in gathered(partition, of_it, now):
                    ended = await self._end(transaction.connection, act, one, moved)
                    letters += len(ended)
                    if act is Act.PRINT_GIVEN_UP:
                        transaction.emit(self._back(partition, ended))
            transaction.emit(await moved.written(transaction.connection, self._traits.channel))
            if letters:
                await self._printed.record(transaction.connection, act, job, letters, caller)
        return Decision(job, letters)

    async def _end(self, connection: Connection, act: Act, one: Round, moved: Moved) -> Notices:
        """End these attempts, and queue those that are to be printed again; returns the notices."""
        now = self._clock.now()
        stay = await self._printed.called_back(connection, one.notices.ids) if act is Act.PRINTED_AGAIN else set()
        outcomes = [_STAYS if notice in stay else _ENDED for notice in one.notices.ids]
        done = await self._store.record(connection, one, outcomes, now, AttemptState.UNPRINTED)
        moved.add(one, done, -1, UNPRINTED)
        notices = one.notices.pick(done)
        if act is Act.PRINTED_AGAIN and done:
            again = notices.pick(list(range(len(notices))))
            again.attempts = [attempt + 1 for attempt in again.attempts]
            await self._store.take(connection, self._batches(one.partition, again), now, now + self._traits.linger)
        return notices

    def _batches(self, partition: int, notices: Notices) -> list[Taken]:
        parts = [notices.pick(rows) for rows in cut(self._traits, notices) if rows]
        return [Taken(partition, part, encode_block(part)) for part in parts]

    def _back(self, partition: int, notices: Notices) -> list[Output]:
        notices.tried = [tried | self._traits.channel for tried in notices.tried]
        return [encode_refused(piece, _WHY, partition) for piece in pieces(notices)]


def file_of(job: str) -> bytes | None:
    """Return the print file that is named; None where it can only be a print run."""
    try:
        found = bytes.fromhex(job)
    except ValueError:
        return None
    return found if len(job) == 2 * len(found) == 32 else None
