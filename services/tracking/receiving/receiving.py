"""What comes in beside the log, as the owner of partition 0 takes it: once, for all processes."""

from collections.abc import Sequence

from services.core.clock import Clock
from services.core.receipts import Receipt
from services.kit.postgres import Connection
from services.tracking.domain import Outcomes
from services.tracking.receiving.inbox import Inbox
from services.tracking.receiving.unread import Unread

__all__ = ["Receiving"]


class Receiving:
    """Takes what was written down, and what time says, in the stage's transactions."""

    def __init__(self, inbox: Inbox, unread: Unread, clock: Clock) -> None:
        self._inbox, self._unread, self._clock = inbox, unread, clock

    async def begin(self, connection: Connection, blocks: Sequence[Outcomes]) -> None:
        """Wait for the readers of what was accepted in these blocks, where their incident's policy does."""
        await self._unread.begin(connection, blocks)

    async def take(self, connection: Connection, partitions: Sequence[int]) -> list[Receipt]:
        """Return the receipts whose turn it is; none where another process has partition 0."""
        if 0 not in partitions:
            return []
        now = self._clock.now()
        said, is_all = await self._inbox.take(connection, now)
        # Among what is left may be who read in time.
        return [*said, *(await self._unread.take(connection, now) if is_all else ())]
