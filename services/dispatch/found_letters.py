"""Letters that stand in print files which were finished before the database was set back: they are not printed again.

Whatever comes to the queue for one of them is settled as its file says: the print house has it, so it is accepted; or
nobody knows whether it was sent, and it is unknown, and listed. An operator may have it printed again as any other.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from services.core.status import AttemptState
from services.dispatch.domain import Batch
from services.dispatch.found_store import FoundLetter, FoundStore
from services.dispatch.handlers import OutcomeBlocks
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.kit.eventlog import Output
from services.kit.postgres import Connection

__all__ = ["FoundLetters"]


class _Fate(NamedTuple):
    """What letters of one batch share that were found."""

    job: bytes
    made_at: datetime
    sent: bool


class FoundLetters:
    """Settles attempts of letters that were found; in the stage's transactions, or with their batches locked."""

    def __init__(self, store: FoundStore, traits: Traits) -> None:
        self._store, self._blocks = store, OutcomeBlocks(traits)

    async def settle(self, connection: Connection, batches: Sequence[Batch], now: datetime) -> list[Output]:
        """Settle what was found of batches that wait, or were begun; return the blocks that tell of it."""
        found = await self._store.of(connection, [notice for batch in batches for notice in batch.notices.ids])
        outputs: list[Output] = []
        for batch in batches if found else ():
            outputs += await self._settle(connection, batch, found, now)
        return outputs

    async def _settle(
        self, connection: Connection, batch: Batch, found: dict[bytes, list[FoundLetter]], now: datetime
    ) -> list[Output]:
        fates: defaultdict[_Fate, list[int]] = defaultdict(list)
        letters, left = list[FoundLetter](), list[int]()
        for row, (notice, attempt) in enumerate(zip(batch.notices.ids, batch.notices.attempts, strict=True)):
            if letter := _of(found.get(notice, ()), attempt):
                fates[_Fate(letter.job, letter.made_at, letter.sent)].append(row)
                letters.append(letter)
            else:
                left.append(row)
        outputs: list[Output] = []
        for fate, rows in fates.items():
            outputs += await self._set_apart(connection, batch, fate, rows, now)
        if letters:
            await self._store.keep(connection, batch, batch.notices.pick(left))
            await self._store.settled(connection, [letter.key for letter in letters])
        return outputs

    async def _set_apart(
        self, connection: Connection, batch: Batch, fate: _Fate, rows: list[int], now: datetime
    ) -> list[Output]:
        part = batch.notices.pick(rows)
        state, at = (AttemptState.ACCEPTED, fate.made_at) if fate.sent else (AttemptState.UNKNOWN, now)
        await self._store.set_apart(connection, batch, part, job=fate.job, state=state, at=at)
        return self._blocks.of(batch.partition, part, [AttemptOutcome(state)] * len(part), at)


def _of(letters: Sequence[FoundLetter], attempt: int) -> FoundLetter | None:
    """Return the letter of an attempt; else another one of its notice, which tells the person the same."""
    return next((one for one in letters if one.key[1] == attempt), letters[0] if letters else None)
