"""Hands messages over one by one to a provider that takes the same twice, and can be asked what it took (class B).

An answer that did not come leaves a hand-over begun. It is not repeated: the provider is asked first, by our name for
the attempt, once all that is on its way must have arrived there. What it does not know then is listed, and asked for
once more after the same wait; only then it is sent again.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from services.core.channel import MAY_END_UNKNOWN
from services.core.clock import Clock
from services.dispatch.channels.calls import LostError, UnreachedError
from services.dispatch.channels.delivery import Delivery
from services.dispatch.domain import Key, Work
from services.dispatch.outcomes import ABSENT, Ending, HandOver, Outage, Result
from services.dispatch.provider import Traits

__all__ = ["AskedProvider", "Memory", "MessageService", "attempt_name"]

logger = logging.getLogger(__name__)

ACCEPTED = Result(Ending.ACCEPTED)
_LONG = 3600.0  # seconds
_NOT_SENT = Result(Ending.NOT_SENT)


def attempt_name(notice: bytes, attempt: int) -> str:
    """Return what an attempt is called at the provider: by that name it is asked for."""
    return f"{notice.hex()}.{attempt}"


class MessageService(Protocol):
    """What an adapter knows of its provider."""

    async def message(self, work: Work, row: int) -> bytes | Result:
        """Return what is sent for a row, or how its hand-over ends where nothing is."""
        ...

    async def send(self, message: bytes) -> tuple[Result | None, Outage | None]:
        """Send a message. None for the result: the answer does not tell whether it was taken.

        Raises UnreachedError, LostError.
        """
        ...

    async def has(self, name: str) -> bool | None:
        """Tell whether the provider took an attempt; None where it does not say. Raises UnreachedError, LostError."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Memory:
    """When the provider may be asked about each attempt whose answer is missing. It lasts as long as the process.

    An attempt that another process sent counts as sent when it is first seen here, which is later.
    """

    def __init__(self, arrives_within: float, clock: Clock) -> None:
        """`arrives_within`: seconds after which the provider tells of what it was sent, or never got it."""
        self._within, self._clock = arrives_within, clock
        self._ask_at: dict[Key, float] = {}
        self._listed: set[Key] = set()

    def wait(self, key: Key) -> float:
        """Return in how many seconds the provider may be asked."""
        now = self._clock.monotonic()
        return max(0.0, self._ask_at.setdefault(key, now + self._within) - now)

    def sent(self, key: Key) -> Result:
        """Take note that an attempt was sent and no answer came; returns how the hand-over ends for now."""
        self._listed.discard(key)
        return self._again(key)

    def is_listed(self, key: Key) -> bool:
        """Tell whether the provider said before that it does not know an attempt, so that it may be sent again."""
        return key in self._listed

    def absent(self, key: Key) -> Result:
        """Take note that the provider does not know an attempt; returns how that is listed."""
        self._listed.add(key)
        return self._again(key, ABSENT)

    def over(self, key: Key) -> None:
        """Forget an attempt that is settled."""
        self._ask_at.pop(key, None)
        self._listed.discard(key)

    def _again(self, key: Key, reason: str = "") -> Result:
        self._ask_at[key] = self._clock.monotonic() + self._within
        # Whole seconds, so that those who wait for the same share a batch.
        return Result(Ending.REPEAT, reason, wait=float(round(self._within)))


class AskedProvider:
    """An adapter of class B: the rows of a round one by one, many at once."""

    def __init__(
        self,
        traits: Traits,
        service: MessageService,
        clock: Clock,
        *,
        at_once: int,
        arrives_within: float,
        remembers: timedelta,
    ) -> None:
        """`remembers`: for how long the provider tells of what it took."""
        self.traits, self._clock, self._remembers = traits, clock, remembers
        self._service, self._at_once = service, at_once
        self._memory = Memory(arrives_within, clock)

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Send the messages; of a round that was begun before, ask for each first."""
        return await Delivery(work, go).worked_off(self._at_once, self._work_off)

    async def close(self) -> None:
        """Let go of connections."""
        await self._service.close()

    async def _work_off(self, delivery: Delivery) -> None:
        while (row := delivery.next_row()) is not None:
            key = delivery.work.round.key(row)
            result, outage = await self._one(delivery, row, key)
            if result.ending is not Ending.REPEAT:
                self._memory.over(key)
            delivery.ended(row, result)
            delivery.outage = outage or delivery.outage

    async def _one(self, delivery: Delivery, row: int, key: Key) -> tuple[Result, Outage | None]:
        if delivery.work.round.repeated:
            if self._clock.now() - delivery.work.round.created_at > self._remembers:
                return self._too_late(), None
            found, outage = await self._asked(key)
            if found is not None or outage is not None:
                return found or Result(Ending.REPEAT), outage
        try:
            message = await self._service.message(delivery.work, row)
        except Exception as error:  # noqa: BLE001 - `unmade` tells whose fault it is
            return delivery.unmade(row, error), None
        if isinstance(message, Result):
            return message, None
        return await self._sent(key, message) if await delivery.has_turn() else (_NOT_SENT, None)

    def _too_late(self) -> Result:
        """Return how a hand-over ends that nobody can be asked for any more. It is never made again."""
        logger.error("a hand-over is too old for its provider to tell of it")
        if self.traits.channel & MAY_END_UNKNOWN:
            return Result(Ending.UNKNOWN, "too-late-to-ask")
        return Result(Ending.REPEAT, wait=_LONG)

    async def _asked(self, key: Key) -> tuple[Result | None, Outage | None]:
        """Ask for an attempt; returns how it ends, or two times None where it is to be sent again."""
        if (wait := self._memory.wait(key)) > 0:
            return Result(Ending.REPEAT, wait=float(round(wait + 0.5))), None
        try:
            known = await self._service.has(attempt_name(*key))
        except (UnreachedError, LostError) as error:
            logger.warning("the provider cannot be asked", extra={"error_class": str(error)})
            return None, Outage()
        if known is None:
            return None, Outage()
        if known:
            return ACCEPTED, None
        return (None, None) if self._memory.is_listed(key) else (self._memory.absent(key), None)

    async def _sent(self, key: Key, message: bytes) -> tuple[Result, Outage | None]:
        try:
            result, outage = await self._service.send(message)
        except UnreachedError as error:
            logger.warning("the provider cannot be reached", extra={"error_class": str(error)})
            return _NOT_SENT, Outage()
        except LostError as error:
            logger.warning("the provider did not answer", extra={"error_class": str(error)})
            return self._memory.sent(key), Outage()
        return (result or self._memory.sent(key)), outage
