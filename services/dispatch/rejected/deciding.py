"""What an operator decides about rejected attempts of an incident: they are made again, or given up.

That is written down here, and done once nothing is overtaken by it (`carrying_out.py`).
"""

from collections.abc import Sequence
from typing import Final

from services.core.access import Act, Caller
from services.core.clock import Clock
from services.dispatch.domain import Batch
from services.dispatch.provider import Traits
from services.dispatch.rejected.attempts import RejectedAttempts
from services.dispatch.rejected.decided import Decision
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.store import Store
from services.kit.errors import LostOwnershipError
from services.kit.postgres import Connection
from services.kit.stage import StageHandle

__all__ = ["Decisions", "RejectedDeciding"]

_AT_ONCE: Final = 256  # batches in one transaction: nearly each has one notice, as they are heard of one by one


class Decisions:
    """Writes down what is decided about rejected batches, whoever owns their partitions."""

    def __init__(self, store: Store, traits: Traits, clock: Clock, partitions: int) -> None:
        """Make one; `partitions` is how many this installation has."""
        self._rejected, self._attempts = RejectedStore(traits.channel), RejectedAttempts(store, traits, clock)
        self._partitions = partitions

    async def add(
        self,
        connection: Connection,
        act: Act,
        job: str,
        batches: Sequence[Batch],
        caller: Caller,
        *,
        even_if_posted: bool = False,
    ) -> Decision:
        """Let batches that are locked wait for an act, less those that wait for one already.

        All that was acknowledged before the act came has been committed, so the heads that are read here have it.
        """
        undecided = await self._rejected.undecided(connection, batches)
        waiting = sum(len(one.notices) for one in batches) - sum(len(one.notices) for one in undecided)
        notices = await self._attempts.count(connection, act, undecided)
        if notices:
            after = await self._rejected.acknowledged(connection, self._partitions)
            number = await self._rejected.record(
                connection, act, job, notices, caller, after=after, even_if_posted=even_if_posted
            )
            await self._rejected.decide(connection, number, undecided)
        return Decision(notices, waiting)


class RejectedDeciding:
    """Takes what operators decide about an incident, in all partitions."""

    def __init__(self, decisions: Decisions, stage: StageHandle, traits: Traits) -> None:
        self._decisions, self._stage, self._rejected = decisions, stage, RejectedStore(traits.channel)

    async def make_again(self, incident_id: str, caller: Caller) -> Decision:
        """Have what was rejected of an incident made again, as attempts of their own.

        It is done in parts: where it breaks off, what is left is decided when it is asked for again. Raises
        LostOwnershipError, and what databases raise.
        """
        return await self._decide(Act.SENT_AGAIN, incident_id, caller)

    async def give_up(self, incident_id: str, caller: Caller) -> Decision:
        """Have what was rejected of an incident given back to routing, for the next channel. Likewise."""
        return await self._decide(Act.SENDING_GIVEN_UP, incident_id, caller)

    async def _decide(self, act: Act, incident_id: str, caller: Caller) -> Decision:
        job, found, after = f"{self._rejected.channel.label}/{incident_id}", Decision(0), 0
        while True:
            owned = min(self._stage.owned(), default=None)
            if owned is None:
                raise LostOwnershipError("no partition is owned")
            async with self._stage.fenced([owned]) as transaction:
                connection = transaction.connection
                page = await self._rejected.page(connection, after, _AT_ONCE)
                if not page:
                    return found
                after = page[-1].batch.number
                # What is of another incident is read, and not locked: nobody who works on that waits for this.
                of_it = [one.batch.number for one in page if one.batch.notices.incident_id == incident_id]
                batches = await self._rejected.locked(connection, of_it) if of_it else []
                here = await self._decisions.add(connection, act, job, batches, caller)
            found = Decision(found.notices + here.notices, found.waiting + here.waiting)
