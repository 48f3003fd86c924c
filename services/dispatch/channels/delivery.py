"""One round of messages on its way, for adapters that hand them over one by one."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from services.dispatch.blame import Blame
from services.dispatch.domain import Work
from services.dispatch.outcomes import Ending, HandOver, Outage, Result
from services.kit.errors import RetryableError
from services.rendering.told import UnfitError

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
        self.bug = ""  # why our code cannot go on
        self._rows = iter(range(len(work.contacts)))
        self._go = go

    async def worked_off(self, at_once: int, work_off: Callable[["Delivery"], Coroutine[Any, Any, None]]) -> HandOver:
        """Have so many tasks work it off, and return how it ended."""
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(self.results))):
                group.create_task(work_off(self))
        return self.handed_over()

    def handed_over(self) -> HandOver:
        """Return how it ended."""
        return HandOver(self.results, self.outage, bug=self.bug)

    @property
    def goes_on(self) -> bool:
        """Whether a hand-over may begin: not after an outage or a bug, nor once `go` is false."""
        return not (self.outage or self.stopped or self.bug) and self._go()

    def next_row(self) -> int | None:
        """Return the next row whose hand-over may begin; None where none may, and at the end."""
        return next(self._rows, None) if self.goes_on else None

    async def has_turn(self) -> bool:
        """Wait until a message may go to the provider, and tell whether it may begin: asked right before it goes."""
        turns = self.work.turns
        return self._go() if turns is None else await turns.take(lambda: self.goes_on)

    def made(self, row: int, make: Callable[[Work, int], M]) -> M | None:
        """Return a row's message; where it cannot be made the row ends."""
        try:
            return make(self.work, row)
        except Exception as error:  # noqa: BLE001 - `unmade` tells whose fault it is
            self.ended(row, self.unmade(row, error))
            return None

    def unmade(self, row: int, error: Exception) -> Result:
        """Return how a row ends whose message cannot be made, by whose fault that is.

        Words that fit no message stop their incident on this channel, and the others go on. What passes is tried again
        later. A bug of ours is no fault of anybody's words: nothing more of the round is handed over, and its partition
        stands still.
        """
        one = self.work.round
        place = {"incident_id": self.work.incident.incident_id, "partition": one.partition, "batches": one.numbers}
        if isinstance(error, UnfitError):
            logger.error("a message cannot be made", extra=place, exc_info=error)
            return UNMADE
        if isinstance(error, RetryableError):
            logger.warning("a message cannot be made now", extra={**place, "error_class": type(error).__name__})
            self.outage = Outage()
        else:
            notice, attempt = one.key(row)
            about = {**place, "notice": notice.hex(), "attempt": attempt}
            logger.error("our code cannot make a message", extra=about, exc_info=error)
            self.bug = f"a message raised {type(error).__name__}"
        return _NOT_SENT

    def ended(self, row: int, result: Result) -> None:
        """Take note of how the hand-over of a row ended."""
        self.results[row] = result
        self.stopped = self.stopped or result.stops
