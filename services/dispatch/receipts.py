"""What follows from receipts: an attempt that told nobody after all is taken for refused, and goes to the next channel.

What a print house, or any provider, rejected through no fault of its recipient's goes nowhere: it waits for an
operator, who has it made again or gives it up (`printed/`, `rejected/`), and is counted as held. Where its record was
corrected or taken back meanwhile, too late for the attempt, it is not too late any more: its recall is looked at again,
and the notice is stopped (`recalls.py`).

Routing keeps no row of a notice that goes its way; it is here that what it says lies. So tracking tells dispatch, and
dispatch gives the notice back with why, as it does with a refusal. Which channel is next is routing's to say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from services.core.ledger import UNPRINTED
from services.core.notices import Notices
from services.core.receipts import FAILED, Consequence, ReceiptKind, is_the_recipients, why_back
from services.core.status import AttemptState
from services.dispatch.codec import encode_refused
from services.dispatch.counting import Moved
from services.dispatch.domain import Batch, Key, Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.dispatch.rounds import by_partition, gathered
from services.dispatch.settling import SettlingStore
from services.kit.eventlog import Output
from services.kit.postgres import Connection

__all__ = ["ReceiptStore", "Receipts", "SettledAttempt"]

# What an attempt becomes; a provider that says afterwards that it did not take it is like a mail that came back.
_BECOMES: Final = {
    ReceiptKind.ACCEPTED: AttemptState.ACCEPTED,
    ReceiptKind.REFUSED: AttemptState.BOUNCED,
    ReceiptKind.BOUNCED: AttemptState.BOUNCED,
    ReceiptKind.RETURNED: AttemptState.RETURNED,
    ReceiptKind.UNREAD: AttemptState.UNREAD,
}
_HEARD_OF: Final = (AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.UNPRINTED, AttemptState.UNREAD)


class SettledAttempt(NamedTuple):
    """An attempt, and where its batch stands."""

    key: Key
    batch: int
    state: AttemptState


class ReceiptStore(SettlingStore, Protocol):
    """What receipts need of the store."""

    async def settled_attempts(self, connection: Connection, keys: Collection[Key]) -> list[SettledAttempt]:
        """Return those of these attempts that there are, and lock their batches."""
        ...

    async def batches_of(self, connection: Connection, numbers: Collection[int]) -> list[Batch]:
        """Return batches by their numbers."""
        ...

    async def reopen_recalls(self, connection: Connection, notices: Collection[bytes], now: datetime) -> None:
        """Look again at those of these notices that wait, and whose recall was answered."""
        ...


class Receipts:
    """Takes what follows from receipts for one channel; all in the stage's transactions.

    The same again changes nothing: an attempt comes back once, and the attempt after it has one number.
    """

    def __init__(self, store: ReceiptStore, traits: Traits) -> None:
        self._store, self._channel = store, traits.channel

    async def take(
        self, connection: Connection, heard: Iterable[Consequence], now: datetime, moved: Moved
    ) -> list[Output]:
        """Move the attempts, and return the blocks that give their notices back to routing."""
        mine: dict[Key, Consequence] = {}
        for said in sorted(heard, key=lambda said: said.kind):  # of one attempt the strongest
            if said.channel == self._channel:
                mine[said.notice, said.attempt] = said
        found = await self._store.settled_attempts(connection, mine) if mine else []
        outputs: list[Output] = []
        for state in _HEARD_OF:
            numbers = {one.batch for one in found if one.state is state}
            batches = await self._store.batches_of(connection, numbers) if numbers else []
            for partition, together in by_partition(batches).items():
                for one in gathered(partition, together, now):
                    of_it = [mine.get(key) for key in one.keys]
                    outputs += await self._act(connection, one, state, of_it, now=now, moved=moved)
        return outputs

    async def _act(
        self,
        connection: Connection,
        one: Round,
        state: AttemptState,
        said: Sequence[Consequence | None],
        *,
        now: datetime,
        moved: Moved,
    ) -> list[Output]:
        outcomes = [self._outcome(consequence, state) for consequence in said]
        done = await self._store.record(connection, one, outcomes, now, state)
        if state is AttemptState.UNPRINTED:
            moved.add(one, done, -1, UNPRINTED)
        held = {row for row in done if outcomes[row].state is AttemptState.UNPRINTED}
        moved.add(one, held, +1, UNPRINTED)
        if held:
            await self._store.reopen_recalls(connection, [one.notices.ids[row] for row in sorted(held)], now)
        gone = set(done) - held
        back: defaultdict[str, list[int]] = defaultdict(list)
        for row, consequence in enumerate(said):
            if consequence is not None and row in gone and _goes_back(consequence, state):
                back[why_back(consequence.kind, consequence.reason)].append(row)
        return [
            encode_refused(self._tried(one.notices.pick(rows)), why, one.partition, self._channel)
            for why, rows in sorted(back.items())
        ]

    def _outcome(self, consequence: Consequence | None, stays: AttemptState) -> AttemptOutcome:
        if consequence is None:
            return AttemptOutcome(stays)
        is_anybodys = consequence.kind in FAILED and not is_the_recipients(consequence.kind, consequence.reason)
        if is_anybodys and stays is not AttemptState.UNREAD:
            return AttemptOutcome(AttemptState.UNPRINTED)
        return AttemptOutcome(_BECOMES[ReceiptKind(consequence.kind)])

    def _tried(self, notices: Notices) -> Notices:
        notices.tried = [tried | self._channel for tried in notices.tried]
        return notices


def _goes_back(consequence: Consequence, state: AttemptState) -> bool:
    """Tell whether a notice leaves for its next channel: what nobody read has left already, whatever is heard then."""
    return consequence.kind != ReceiptKind.ACCEPTED and state is not AttemptState.UNREAD
