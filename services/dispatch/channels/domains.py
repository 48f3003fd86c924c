"""What receiving domains are sent at a time: how many mails at once, how many a second, and how slowly after they ask.

A domain, or a group of domains of one host, has a *lane*. Mails that a lane has no room for now go back to the queue
with the time at which their turn comes, so that they hold up nobody else's.

Each process uses its share of every limit: that of the channel's partitions which it owns. Nobody else owns those, so
all shares together are never more than the whole, and no process asks another one, or the database, about a mail.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from math import ceil
from typing import Self

from services.core.clock import Clock
from services.dispatch.blame import Blame
from services.dispatch.domain import Key
from services.dispatch.mail_config import EVERY_OTHER, Limit
from services.dispatch.outcomes import Ending, Result
from services.dispatch.provider import HeldBack
from services.rendering.contact import Contact

__all__ = ["SLOWER", "DomainLimits", "Lane", "domain_of"]

logger = logging.getLogger(__name__)

# A turn that comes so soon is waited for on the spot: to put a mail back costs a transaction.
_SOON = 0.2
# Turns are rounded up to so much, so that those who wait share a batch, and are sent as fast as may be when they come.
_TOGETHER = 1.0
# Of a list of 330,000 a third may be at one host: so many are remembered as waiting, and others begin anew.
_REMEMBERED = 200_000
# Answers in a row by which a domain says that it is sent too much. One alone may be about its recipient.
_ASKED = 3
# Large hosts go by windows of minutes. The longest pause of a domain is that of any recipient that is put off.
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
# After so many pauses (two hours) in which it took nothing at all, waiting counts as being put off: nobody waits for
# ever for a domain that takes nothing, and that it refuses everybody shows (`breaker.py`).
_PATIENT = 7

_ANY_NUMBER = float("inf")

# Put off because of how much its domain is sent.
SLOWER = Result(Ending.NOT_NOW, "asks-for-less", Blame.LATER)


def domain_of(contact: Contact) -> str:
    """Return the domain that somebody's mail goes to."""
    return contact.email.rpartition("@")[2].lower()


class Share:
    """The part of every limit that this process may use: above 0, and 1 where it is alone."""

    def __init__(self) -> None:
        self.part = 1.0


class Lane:
    """One domain, or one host's: when the next mail may begin, and who waits for a turn."""

    def __init__(self, limit: Limit, clock: Clock, share: Share, began: float) -> None:
        """`began`: when this process did. A process before it may have sent a mail right then."""
        self._limit, self._clock, self._share = limit, clock, share
        # A process takes longer than a second to come up, so a faster lane had its pause by then.
        self._next = began + self._interval if self._interval > _TOGETHER else 0.0  # when the next mail may begin
        self._line = 0.0  # when the turn of the last one comes that waits
        self._waiting: set[Key] = set()
        self._places = _Places(self)
        self._asked = 0  # times in a row that it asked for less
        self._paused_until = 0.0
        self._pauses = 0

    @property
    def _interval(self) -> float:
        """Seconds from one mail of this process to its next; 0 = none is asked for."""
        rate = self._limit.per_second
        return 1.0 / (rate * self._share.part) if rate else 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost if it were forgotten."""
        unasked = not self._waiting and not self._asked and not self._places.taken
        return unasked and self._clock.monotonic() >= self._next

    @property
    def is_full(self) -> bool:
        """Whether it has as many mails at once as it takes."""
        return self._places.taken >= self.most

    @property
    def most(self) -> float:
        """How many mails of this process it takes at once: one at least, and no more once it asked for less."""
        if self._pauses:
            return 1
        return max(1, int(self._limit.at_once * self._share.part)) if self._limit.at_once else _ANY_NUMBER

    @property
    def asks_for_less(self) -> bool:
        """Whether it is left alone for a while."""
        return self._clock.monotonic() < self._paused_until

    @property
    def waiting(self) -> int:
        """How many mails were put back until their turn comes. Some may have been called back since."""
        return len(self._waiting) if self._clock.monotonic() < self._line + _TOGETHER else 0

    def place(self) -> AbstractAsyncContextManager[object]:
        """Return a place among the mails at once; it is waited for."""
        return self._places

    def turn(self, key: Key) -> tuple[float, Result | None]:
        """Return for how many seconds a mail has to wait here, or how it goes back to the queue."""
        now = self._clock.monotonic()
        if now < self._paused_until:
            return 0.0, SLOWER if self._pauses > _PATIENT else _back(self._paused_until - now)
        interval = self._interval
        if not interval:
            return 0.0, None
        ahead = self._line if self._waiting and key not in self._waiting else self._next
        if ahead - now > _SOON:
            return 0.0, self._put_back(key, now)
        self._waiting.discard(key)
        begins = max(self._next, now - _TOGETHER)
        self._next = begins + interval
        return max(0.0, begins - now), None

    def _put_back(self, key: Key, now: float) -> Result:
        if len(self._waiting) >= _REMEMBERED:
            self._waiting.clear()
        self._waiting.add(key)
        self._line = max(self._line + self._interval, self._next)
        return _back(self._line - now)

    def saw(self, result: Result, *, slows: bool) -> None:
        """Learn from an answer; `slows` says that it asks for less."""
        if result.ending is Ending.ACCEPTED:
            self._asked = self._pauses = 0
        elif slows:
            self._asked += 1
            if (self._asked >= _ASKED or self._pauses) and self._clock.monotonic() >= self._paused_until:
                self._pause()

    def _pause(self) -> None:
        pause = min(_FIRST_PAUSE * 2.0**self._pauses, _LONGEST_PAUSE)
        self._paused_until = self._clock.monotonic() + pause
        self._pauses = min(self._pauses + 1, _PATIENT + 1)
        logger.warning("a receiving domain asks for less: it is sent nothing for a while", extra={"seconds": pause})


class _Places(AbstractAsyncContextManager[object]):
    """The mails of a lane that are under way. How many those may be changes meanwhile, so this is no semaphore."""

    def __init__(self, lane: Lane) -> None:
        self.taken = 0
        self._lane = lane
        self._left = asyncio.Event()  # set whenever somebody leaves

    async def __aenter__(self) -> Self:
        while self._lane.is_full:
            self._left.clear()
            await self._left.wait()
        self.taken += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.taken -= 1
        self._left.set()


class DomainLimits:
    """The lanes of all domains. `limits` are by domain; those of one host have the same object, and share its lane."""

    def __init__(self, limits: Mapping[str, Limit], clock: Clock) -> None:
        self._limits, self._clock = limits, clock
        self._began = clock.monotonic()
        self._usual = limits.get(EVERY_OTHER, Limit())
        self._lanes: dict[object, Lane] = {}
        self.share = Share()

    def lane(self, domain: str) -> Lane:
        """Return the lane of a domain."""
        limit = self._limits.get(domain)
        name = domain if limit is None else id(limit)
        found = self._lanes.get(name)
        if found is None:
            if len(self._lanes) >= _REMEMBERED:
                self._lanes = {name: lane for name, lane in self._lanes.items() if not lane.is_idle}
            found = self._lanes[name] = Lane(limit or self._usual, self._clock, self.share, self._began)
        return found

    def held_back(self) -> HeldBack:
        """Return how many mails wait for the limits of how many domains, and how many domains asked for less."""
        waiting = [lane.waiting for lane in self._lanes.values()]
        asked = sum(lane.asks_for_less for lane in self._lanes.values())
        return HeldBack(sum(waiting), sum(map(bool, waiting)), asked)


def _back(seconds: float) -> Result:
    """Return that a mail waits in the queue; seconds are rounded up, so that those who wait for the same are alike."""
    return Result(Ending.HELD, "domain-limit", None, _TOGETHER * max(1, ceil(seconds / _TOGETHER)))
