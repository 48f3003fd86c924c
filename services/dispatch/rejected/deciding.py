"""What an operator decides about rejected attempts of an incident: they are made again, or given up."""

from typing import Final

from services.core.access import Act, Caller
from services.core.clock import Clock
from services.dispatch.provider import Traits
from services.dispatch.rejected.attempts import RejectedAttempts
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.store import Store
from services.kit.errors import LostOwnershipError
from services.kit.stage import StageHandle

__all__ = ["RejectedDeciding"]

_AT_ONCE: Final = 256  # batches in one transaction: nearly each has one notice, as they are heard of one by one


class RejectedDeciding:
    """Carries out what operators decide, for all partitions: rows are locked, whoever owns them."""

    def __init__(self, store: Store, stage: StageHandle, traits: Traits, clock: Clock) -> None:
        self._rejected, self._stage = RejectedStore(traits.channel), stage
        self._attempts = RejectedAttempts(store, traits, clock)

    async def make_again(self, incident_id: str, caller: Caller) -> int:
        """Queue what was rejected of an incident as attempts of their own; returns how many notices that are.

        It is done in parts: where it breaks off, what is left is done when it is asked for again. Raises
        LostOwnershipError, and what databases raise.
        """
        return await self._decide(Act.SENT_AGAIN, incident_id, caller)

    async def give_up(self, incident_id: str, caller: Caller) -> int:
        """Give what was rejected of an incident back to routing, for the next channel. Likewise."""
        return await self._decide(Act.SENDING_GIVEN_UP, incident_id, caller)

    async def _decide(self, act: Act, incident_id: str, caller: Caller) -> int:
        notices, after = 0, 0
        while True:
            owned = min(self._stage.owned(), default=None)
            if owned is None:
                raise LostOwnershipError("no partition is owned")
            async with self._stage.fenced([owned]) as transaction:
                connection = transaction.connection
                batches = await self._rejected.locked(connection, after, _AT_ONCE)
                if not batches:
                    return notices
                after = batches[-1].number
                of_it = [one for one in batches if one.notices.incident_id == incident_id]
                end = self._attempts.give_up if act is Act.SENDING_GIVEN_UP else self._attempts.make_again
                ended = await end(connection, of_it)
                transaction.emit(ended.outputs)
                if ended.notices:
                    job = f"{self._rejected.channel.label}/{incident_id}"
                    await self._rejected.record(connection, act, job, ended.notices, caller)
            notices += ended.notices
