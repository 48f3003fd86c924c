"""Drops rows that were kept against repeats, once no repeat can come any more: some at a time, and seldom."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.core.clock import Clock

__all__ = ["Forgetting"]

_AT_ONCE = 1000  # rows a tick: some milliseconds, and locks that nobody waits for
_EVERY = 600.0  # seconds between two looks that find little: rows are kept for weeks


class Forgetting:
    """One for a kind of rows and a process."""

    def __init__(self, clock: Clock, keep: timedelta) -> None:
        """Make one; `keep`: how long a row stays after it was last needed."""
        self._clock, self._keep = clock, keep
        self._next = float("-inf")

    async def look(self, forget: Callable[[datetime, int], Awaitable[int]]) -> None:
        """Have rows from before a time dropped, up to a limit, where it is time: `forget` returns how many went."""
        if self._clock.monotonic() >= self._next:
            gone = await forget(self._clock.now() - self._keep, _AT_ONCE)
            if gone < _AT_ONCE:
                self._next = self._clock.monotonic() + _EVERY
