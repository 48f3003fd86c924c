"""What follows from receipts: an attempt that told nobody after all is taken for refused, and goes to the next channel.

Routing keeps no row of a notice that goes its way; it is here that what it says lies. So tracking tells dispatch, and
dispatch gives the notice back with why, as it does with a refusal. Which channel is next is routing's to say.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from services.core.channel import Channel
from services.core.notices import Notices
from services.core.receipts import Consequence, ReceiptKind, why_back
from services.core.status import AttemptState
from services.dispatch.codec import encode_refused
from services.dispatch.domain import Batch, Key, Round
from services.dispatch.outcomes import AttemptOutcome
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
}


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


class Receipts:
    """Takes what follows from receipts for one channel; all in the stage's transactions.

    The same again changes nothing: an attempt comes back once, and the attempt after it has one number.
    """

    def __init__(self, store: ReceiptStore, channel: Channel) -> None:
        self._store, self._channel = store, channel

    async def take(self, connection: Connection, heard: Iterable[Consequence], now: datetime) -> list[Output]:
        """Move the attempts, and return the blocks that give their notices back to routing."""
        mine: dict[Key, Consequence] = {}
        for said in sorted(heard, key=lambda said: said.kind):  # of one attempt the strongest
            if said.channel == self._channel:
                mine[said.notice, said.attempt] = said
        found = await self._store.settled_attempts(connection, mine) if mine else []
        outputs: list[Output] = []
        for state in (AttemptState.ACCEPTED, AttemptState.UNKNOWN):
            numbers = {one.batch for one in found if one.state is state}
            batches = await self._store.batches_of(connection, numbers) if numbers else []
            for partition, of_it in by_partition(batches).items():
                for one in gathered(partition, of_it, now):
                    outputs += await self._act(connection, one, state, mine, now)
        return outputs

    async def _act(
        self, connection: Connection, one: Round, state: AttemptState, mine: Mapping[Key, Consequence], now: datetime
    ) -> list[Output]:
        stays = AttemptOutcome(state)
        said = [mine.get(key) for key in one.keys]
        outcomes = [_outcome(consequence, stays) for consequence in said]
        moved = set(await self._store.record(connection, one, outcomes, now, state))
        back: defaultdict[str, list[int]] = defaultdict(list)
        for row, consequence in enumerate(said):
            if consequence is not None and _goes_back(consequence, state, moved=row in moved):
                back[why_back(consequence.kind, consequence.reason)].append(row)
        return [
            encode_refused(self._tried(one.notices.pick(rows)), why, one.partition)
            for why, rows in sorted(back.items())
        ]

    def _tried(self, notices: Notices) -> Notices:
        notices.tried = [tried | self._channel for tried in notices.tried]
        return notices


def _outcome(consequence: Consequence | None, stays: AttemptOutcome) -> AttemptOutcome:
    if consequence is None or consequence.kind == ReceiptKind.UNREAD:
        return stays
    return AttemptOutcome(_BECOMES[ReceiptKind(consequence.kind)])


def _goes_back(consequence: Consequence, state: AttemptState, *, moved: bool) -> bool:
    if consequence.kind == ReceiptKind.UNREAD:  # it stays accepted: whoever looks for it there still finds it
        return state is AttemptState.ACCEPTED
    return moved and consequence.kind != ReceiptKind.ACCEPTED
