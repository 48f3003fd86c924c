"""What Notify does not tell by itself is asked for: letters have no callbacks, and one that failed told nobody."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

from services.core.channel import Channel
from services.core.clock import Clock
from services.dispatch.blame import NOTIFY_STATUSES
from services.dispatch.bounces.keeping import keep
from services.dispatch.bounces.statuses import FAILURES, receipt_of
from services.kit.stage import StageHandle

__all__ = ["Failures", "Polling"]

logger = logging.getLogger(__name__)

# A letter is looked at there within minutes; of days in which nobody was told, a quarter of an hour is little.
_EVERY = 900.0
_PAGES = 100  # of 250: more failures within Notify's week are an illness
_REMEMBERED = 100_000  # failures that were kept; what is forgotten is kept again, which changes nothing


class Failures(Protocol):
    """Where failures are asked for."""

    async def page(self, channel: Channel, status: str, older_than: str) -> list[Mapping[str, Any]] | None:
        """Return a page of notifications with a status, the newest first; None where nobody answers."""
        ...


class Polling:
    """Asks for failures again and again, and keeps those that are new."""

    def __init__(self, failures: Failures, *, stage: StageHandle, channel: Channel, clock: Clock) -> None:
        self._failures, self._stage, self._channel, self._clock = failures, stage, channel, clock
        self._kept: OrderedDict[str, None] = OrderedDict()

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until `stop`."""
        while not stop.is_set():
            await self.look()
            try:
                await asyncio.wait_for(stop.wait(), _EVERY)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Ask once for each status that says that somebody was not told."""
        for status in FAILURES[self._channel]:
            await self._look(status)

    async def _look(self, status: str) -> None:
        older_than = ""
        for _ in range(_PAGES):
            page = await self._failures.page(self._channel, status, older_than)
            if not page:
                return
            # What was sent earlier may fail later, and then stands behind all that is known.
            fresh = [one for one in page if one.get("id") not in self._kept]
            if fresh and not await self._keep(fresh, status):
                return
            older_than = str(page[-1].get("id"))

    async def _keep(self, fresh: list[Mapping[str, Any]], status: str) -> bool:
        now = int(self._clock.now().timestamp() * 1000)
        receipts = [receipt for one in fresh if (receipt := receipt_of(one, self._channel, now))]
        if receipts and not await keep(self._stage, receipts):
            return False
        if receipts:
            about = {"count": len(receipts), "status": status, "reason": NOTIFY_STATUSES[self._channel][status].value}
            logger.error("what Notify took told nobody", extra=about)
        self._kept.update(dict.fromkeys(str(one.get("id")) for one in fresh))
        while len(self._kept) > _REMEMBERED:
            self._kept.popitem(last=False)
        return True
