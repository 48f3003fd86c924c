"""When to ask again: at once while there is plenty, seldom while there is little."""

import time
from collections.abc import Callable

from services.kit.retry import Wait

__all__ = ["Pace"]


class Pace:
    """How long to wait before the next look, so that batches fill under load and an idle log costs little.

    After a full answer the next look is at once: there is a backlog. After a part-filled one it is `fuller` seconds
    after that look, because tiny batches make everything dear; while part-filled ones follow each other, which is a
    steady stream, that grows up to `fullest`. After an empty one it is `idle` seconds later, and after more in a
    row up to `quiet` seconds: that is what a first block waits at most.
    """

    def __init__(
        self,
        *,
        idle: float,
        fuller: float,
        fullest: float,
        quiet: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._streaming = Wait(fuller, fullest)
        self._waiting = Wait(idle, quiet)
        self._monotonic = monotonic
        self._next = 0.0
        self._found = True

    def remaining(self) -> float:
        """Return the seconds until the next look."""
        return max(0.0, self._next - self._monotonic())

    def looked(self, began: float, found: int, limit: int) -> None:
        """Take note of a look that began at `began` and gave `found` of at most `limit` records."""
        self._found = bool(found)
        if found:
            self._waiting.reset()
        else:
            self._streaming.reset()
        if found >= limit:
            self._next = 0.0
        elif found:
            self._next = began + self._streaming.next()
        else:
            self._next = self._monotonic() + self._waiting.next()

    def looked_in_passing(self) -> None:
        """Take note that somebody else saw nothing just now: where the last look found nothing, that is one more."""
        if self.idle:
            self._next = self._monotonic() + self._waiting.next()

    @property
    def idle(self) -> bool:
        """Tell whether the last look found nothing."""
        return not self._found

    def wake(self) -> None:
        """Look at once where the last look found nothing: there is something now."""
        if self.idle:
            self.reset()

    def reset(self) -> None:
        """Look at once: something changed."""
        self._next = 0.0
        self._found = True
        self._waiting.reset()
