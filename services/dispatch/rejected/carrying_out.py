"""Does what operators decided about rejected attempts, once all is known that was acknowledged before; in ticks.

Whoever such data concerns has been called back by then, and is stopped where they lie. Deduplication says how far it
knows intake's blocks when it is asked; what is lost of a question or an answer costs a wait, and no more.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from services.core.clock import Clock
from services.dispatch.counting import Moved
from services.dispatch.provider import Traits
from services.dispatch.rejected.attempts import RejectedAttempts
from services.dispatch.rejected.decided import WaitingAct, ask_again_after
from services.dispatch.rejected.store import RejectedStore
from services.dispatch.store import Store
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.wire.recalls import encode_asked

__all__ = ["CarryingOut"]

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 256  # batches in one tick: nearly each has one notice, but those of a print file hundreds
_MOST: Final = 8192  # attempts in one tick, or one batch: as many letters as a print file may have


class CarryingOut:
    """One for a process."""

    def __init__(self, store: Store, traits: Traits, clock: Clock) -> None:
        self._rejected, self._clock = RejectedStore(traits.channel), clock
        self._attempts = RejectedAttempts(store, traits, clock)
        self._asked: dict[int, datetime] = {}  # when deduplication was asked in a partition; another owner asks anew

    async def tick(self, connection: Connection, partitions: Collection[int], moved: Moved) -> list[Output]:
        """Carry out a part of what waits in each partition; ask where it is not known that it may be."""
        acts = await self._rejected.waiting_acts(connection, partitions)
        if not acts:
            return []
        known, outputs = await self._rejected.known(connection), list[Output]()
        for one in acts:
            if one.is_due(known.get(one.partition, ())):
                outputs += await self._carry_out(connection, one, moved)
            else:
                outputs += await self._ask(connection, one)
        return outputs

    async def _carry_out(self, connection: Connection, one: WaitingAct, moved: Moved) -> list[Output]:
        numbers = await self._rejected.waiting_for(connection, one, _AT_ONCE, _MOST)
        batches = await self._rejected.locked(connection, numbers)
        if not one.even_if_posted:
            jobs = {batch.print_job for batch in batches if batch.print_job}
            posted = await self._rejected.posted(connection, jobs) if jobs else set()
            if posted:
                logger.error("a job that was to be printed again was posted meanwhile", extra={"files": len(posted)})
            batches = [batch for batch in batches if batch.print_job not in posted]
        outputs = await self._attempts.end(connection, one.act, batches, moved)
        await self._rejected.forget_decided(connection, numbers)
        return outputs

    async def _ask(self, connection: Connection, one: WaitingAct) -> list[Output]:
        """Ask how far intake's blocks are known, unless that was done lately."""
        now = self._clock.now()
        waited, asked = (now - one.since).total_seconds(), self._asked.get(one.partition)
        if asked and now - asked < timedelta(seconds=ask_again_after(waited)):
            return []
        numbers = await self._rejected.waiting_for(connection, one, 1, 1)
        batches = await self._rejected.locked(connection, numbers)
        if not batches:  # all of it was stopped meanwhile
            await self._rejected.forget_decided(connection, numbers)
            return []
        self._asked[one.partition] = now
        return [encode_asked(batches[0].notices.incident_id, one.partition)]
