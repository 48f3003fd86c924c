"""Who may upload at the same time, and how slowly: no sender holds up the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.intake.errors import BrokenBodyError
from services.kit.errors import RetryableError

__all__ = ["SlotLimits", "UploadPace", "UploadSlots"]


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """How many bodies are read at once. Times in seconds."""

    # Each keeps at most two chunks in memory, some tens of megabytes.
    slots: int = 8
    each: int = 4  # of one principal
    kept: int = 2  # for principals that upload nothing now: whoever comes finds the door open
    patience: float = 5.0  # many uploads are over by then
    retry_after: float = 15.0


class UploadSlots:
    """The slots in which bodies are read."""

    def __init__(self, limits: SlotLimits | None = None) -> None:
        self._limits = limits or SlotLimits()
        self._held: Counter[str] = Counter()
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, principal: str) -> AsyncIterator[None]:
        """Hold a slot meanwhile. Raises RetryableError where none becomes free soon."""
        try:
            async with asyncio.timeout(self._limits.patience):
                while not self._is_free(principal):
                    await self._changed.wait()
        except TimeoutError:
            raise RetryableError("too many uploads are under way", after=self._limits.retry_after) from None
        self._held[principal] += 1
        try:
            yield
        finally:
            self._held[principal] -= 1
            self._held += Counter()  # forget who holds none
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def _is_free(self, principal: str) -> bool:
        mine, left = self._held[principal], self._limits.slots - self._held.total()
        return left > (self._limits.kept if mine else 0) and mine < self._limits.each


class UploadPace:
    """Tells a sender that is alive from one that only holds its slot.

    It counts the time in which we wait for bytes, never that in which we are busy with them.
    """

    # Seconds in which nothing is asked of a sender: it may have to make its file first.
    _GRACE = 60.0
    # Bytes a second, on the whole: a tenth of what a slow mobile connection sends.
    _LEAST = 1_000
    # Seconds of waiting in one upload: ten million people come over a line of 2 Mbit/s in two hours.
    _LONGEST = 10_800.0

    def __init__(self) -> None:
        self._waited, self._received = 0.0, 0

    def came(self, count: int, waited: float) -> None:
        """Learn that so many bytes came after a wait. Raises BrokenBodyError("too-slow")."""
        self._waited += waited
        self._received += count
        due = self._LEAST * (self._waited - self._GRACE)
        if self._received < due or self._waited > self._LONGEST:
            raise BrokenBodyError("too-slow")
