"""When to ask the log again: at once while there is plenty, seldom while there is little."""

import time
from collections.abc import Callable

__all__ = ["Pace"]

_QUIET_AFTER = 40  # empty looks in a row: some seconds without anything


class Pace:
    """How long to wait before the next look, so that batches fill under load and an idle log costs little.

    After a full answer the next look is at once: there is a backlog. After a part-filled one it is `fuller`
    seconds after that look, because tiny batches make everything dear. After an empty one it is `idle` seconds
    later, and after many empty ones in a row `quiet` seconds: that is what a first block waits at most.
    """

    def __init__(
        self, *, idle: float, fuller: float, quiet: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._idle = idle
        self._fuller = fuller
        self._quiet = quiet
        self._monotonic = monotonic
        self._next = 0.0
        self._empty = 0  # in a row

    def remaining(self) -> float:
        """Return the seconds until the next look."""
        return max(0.0, self._next - self._monotonic())

    def looked(self, began: float, found: int, limit: int) -> None:
        """Take note of a look that began at `began` and gave `found` of at most `limit` records."""
        self._empty = 0 if found else self._empty + 1
        if found >= limit:
            self._next = 0.0
        elif found:
            self._next = began + self._fuller
        else:
            self._next = self._monotonic() + (self._quiet if self._empty > _QUIET_AFTER else self._idle)

    def reset(self) -> None:
        """Look at once: something changed."""
        self._next = 0.0
        self._empty = 0
