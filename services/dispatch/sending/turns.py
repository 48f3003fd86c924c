"""One message after the other to a provider, no faster than it allows: by its caps, and by what it asks for.

Turns come out of the database in blocks, so that no statement is made for one message. Without caps nobody asks it.
A turn that comes soon is waited for. For one that comes late (a minute's are used up, or a day's) nobody is kept
waiting with a message in hand: the provider *rests*, and what was not sent goes back to the queue.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import date

from services.core.clock import Clock
from services.dispatch.rates import HELD, USED_WITHIN, Slowdown
from services.dispatch.turn_store import TurnsLeft, TurnStore
from services.kit.postgres import Pool, is_retryable

__all__ = ["ProviderTurns"]

logger = logging.getLogger(__name__)

_LOOK = 0.2  # seconds between two looks whether anything may begin at all: a pause is to be heard soon
# Seconds. Rounds wait for each other, and the sender is taken for dead after some minutes without a round's end; a
# round that goes back costs a transaction.
_LATE = 5.0
_NEWS = 90.0  # seconds: longer than a minute is a day's cap, which somebody may have to raise
_FIRST = 8  # turns in the first block; more once those are used up in time


class ProviderTurns:
    """The turns of one process at one provider. Times are those of a monotonic clock, in seconds."""

    def __init__(self, pool: Pool, clock: Clock, store: TurnStore | None) -> None:
        """`store` = None: the provider has no cap."""
        self._pool, self._clock, self._store = pool, clock, store
        self.slowdown = Slowdown()
        self._left = 0
        self._until = 0.0  # turns in hand are good until then
        self._day = date.min  # which they count for
        self._rests_until = 0.0
        self._size = _FIRST
        self._asking = asyncio.Lock()

    @property
    def rests(self) -> float:
        """For how many seconds nothing is handed over, as caps are used up."""
        return max(0.0, self._rests_until - self._clock.monotonic())

    async def take(self, go: Callable[[], bool]) -> bool:
        """Wait until one message may go, and tell whether it may begin: not once `go()` is false, nor while it rests.

        What is let go has to be on its way within some milliseconds.
        """
        if self._store is None and self.slowdown.rate is None:
            return self.slowdown.passes(self._clock.monotonic()) and go()
        async with self._asking:  # in the order in which they came
            while go() and not self.rests:
                wait = await self._next()
                if wait <= 0:
                    return go()
                if wait > _LATE:
                    self._rest(wait)
                    break
                await asyncio.sleep(min(wait, _LOOK))
        return False

    def _rest(self, seconds: float) -> None:
        self._rests_until = self._clock.monotonic() + seconds
        if seconds > _NEWS:
            logger.warning("a cap is used up: nothing is handed over for so long", extra={"seconds": round(seconds)})

    async def _next(self) -> float:
        """Take a turn; returns in how many seconds to look again where there is none, else 0."""
        if self._store is not None and not self._in_hand() and (wait := await self._refill(self._store)) > 0:
            return wait
        if not self.slowdown.passes(self._clock.monotonic()):
            return max(self.slowdown.wait(), 0.001)
        if self._store is not None:
            self._left -= 1
        return 0.0

    def _in_hand(self) -> bool:
        return self._left > 0 and self._clock.monotonic() < self._until

    async def _refill(self, store: TurnStore) -> float:
        """Take the next block: a larger one where the last was used up, one of what was used of it where it was not."""
        self._size = self._size * 2 if self._left == 0 else max(1, self._size - self._left)
        self._size = min(self._size, store.most)
        unused, self._left = TurnsLeft(self._left, self._day), 0  # never given back twice, whatever becomes of it here
        before = self._clock.monotonic()
        try:
            async with self._pool.acquire() as connection:
                found, day = await store.take(connection, self._size, unused)
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("no turns can be taken", extra={"error_class": type(error).__name__})
            return HELD
        # They count from `before` at the earliest, so by then they are to be used. A slow answer may leave no time.
        self._left, self._until, self._day = found.turns, before + USED_WITHIN, day
        self._size = min(self._size, found.turns or self._size)
        return 0.0 if self._in_hand() else max(found.wait, 0.001)
