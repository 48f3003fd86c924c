"""One round of messages on its way, for adapters that hand them over one by one."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.dispatch.blame import Blame
from services.dispatch.domain import Work
from services.dispatch.outcomes import Ending, HandOver, Outage, Result

__all__ = ["UNMADE", "Delivery"]

logger = logging.getLogger(__name__)

M = TypeVar("M")

_NOT_SENT = Result(Ending.NOT_SENT)
UNMADE = Result(Ending.HELD, "unmade", Blame.CONTENT)


class Delivery:
    """The rows of a round that are left, and what became of the others. Several tasks work it off together."""

    def __init__(self, work: Work, go: Callable[[], bool]) -> None:
        self.work = work
        self.results: list[Result] = [_NOT_SENT] * len(work.contacts)
        self.outage: Outage | None = None
        self.stopped = False  # an answer blamed the sender, the provider or the content: others would get the same
        self._rows = iter(range(len(work.contacts)))
        self._go = go

    async def worked_off(self, at_once: int, work_off: Callable[["Delivery"], Coroutine[Any, Any, None]]) -> HandOver:
        """Have so many tasks work it off, and return how it ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(self.results))):
                group.create_task(work_off(self))
        return HandOver(self.results, self.outage)

    @property
    def goes_on(self) -> bool:
        """Whether a hand-over may begin: not after an outage, nor once `go` is false."""
        return not (self.outage or self.stopped) and self._go()

    def next_row(self) -> int | None:
        """Return the next row whose hand-over may begin; None where none may, and at the end."""
        return next(self._rows, None) if self.goes_on else None

    async def has_turn(self) -> bool:
        """Wait until a message may go to the provider, and tell whether it may begin: asked right before it goes."""
        turns = self.work.turns
        return self._go() if turns is None else await turns.take(lambda: self.goes_on)

    def made(self, row: int, make: Callable[[Work, int], M]) -> M | None:
        """Return a row's message. Where it cannot be made the row ends, and its incident stops on this channel.

        Whatever is wrong with the words of one incident, the notices of the others go on.
        """
        try:
            return make(self.work, row)
        except Exception:
            logger.exception("a message cannot be made", extra={"incident_id": self.work.incident.incident_id})
            self.ended(row, UNMADE)
            return None

    def ended(self, row: int, result: Result) -> None:
        """Take note of how the hand-over of a row ended."""
        self.results[row] = result
        self.stopped = self.stopped or result.stops
