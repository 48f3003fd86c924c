"""How much a provider is handed: caps that hold in any window, and how far we slow down when it asks. Pure.

A *turn* lets one message go. Processes take turns in blocks. The turns of a block that was let out at `at` are used
between `at` and `at + USED_WITHIN` or never, and reach the provider within `HELD` of `at`. So two blocks can only meet
in a window where the later one was let out less than the window and `HELD` after the earlier. As long as all blocks
that can meet in a window come to the cap at most, no window has more: whoever dies with turns in hand, and whatever
process asks next. Turns that were not used are never given back.

A cap of a day is of the days that the provider counts, and those begin at midnight UTC (Notify: `daily_limit_cache_key`
of notifications-utils). It is one number, and not blocks that count for a day; turns that were not used are given back
to it, as there are no others before midnight. Who dies with turns in hand leaves some unused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["DAY", "HELD", "USED_WITHIN", "Block", "Cap", "Slowdown", "Turns", "let_out", "of_day", "remembered"]

USED_WITHIN: Final = 0.25  # seconds
# As long again for a message on its way to the provider: a new connection, or a process that had to wait for a CPU.
HELD: Final = 0.5
DAY: Final = 86_400.0  # seconds; UTC as computers count it has no longer ones
# No turn is let out so shortly before and after midnight: the provider's clock may be as much ahead of ours, or behind.
_MIDNIGHT: Final = 5.0
_PARTS: Final = 4  # of a cap in a block, at most: what is left is for other processes


class Cap(NamedTuple):
    """The most messages in any window of so many seconds."""

    most: int
    seconds: float


class Block(NamedTuple):
    """Turns that were let out; `at` in seconds."""

    at: float
    turns: int


class Turns(NamedTuple):
    """How many turns are let out now, and where there are none, in how many seconds there may be."""

    turns: int
    wait: float = 0.0


def remembered(caps: Iterable[Cap]) -> float:
    """Return for how many seconds blocks count."""
    return max((cap.seconds for cap in caps), default=0.0) + HELD


def let_out(caps: Sequence[Cap], blocks: Sequence[Block], now: float, wanted: int) -> Turns:
    """Return how many turns may be let out now, beside those blocks that were: as many as are wanted, or fewer."""
    free, wait = wanted, 0.0
    for cap in caps:
        since = now - cap.seconds - HELD
        counting = [block for block in blocks if block.at > since]
        left = cap.most - sum(block.turns for block in counting)
        free = min(free, max(0, left), max(1, cap.most // _PARTS))
        if left <= 0:
            wait = max(wait, min(block.at for block in counting) - since)
    return Turns(free, wait)


def of_day(most: int, used: int, second: float, wanted: int) -> Turns:
    """Return how many turns of a day may be let out at this second of it, after those that were used."""
    if second < _MIDNIGHT:
        return Turns(0, _MIDNIGHT - second)
    left = most - used
    if left <= 0 or second > DAY - _MIDNIGHT:
        return Turns(0, DAY + _MIDNIGHT - second)
    return Turns(min(left, wanted))


@dataclass(slots=True)
class Slowdown:
    """A rate of our own for a provider that asked us to slow down: halved when it asks, and more each second else.

    It is gone once it has doubled beyond what was asked of the provider when it began. Times are those of a monotonic
    clock, in seconds.
    """

    rate: float | None = None  # messages a second; None = as many as there are
    _limit: float = 0.0  # from here on it is no slowdown any more
    _at: float = 0.0
    _cut_at: float = float("-inf")
    _room: float = 0.0
    _sent: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # second, sent in it, sent in the one before

    def asked(self, now: float) -> None:
        """Slow down: to half. What several messages on their way are answered within a second is one request."""
        if now - self._cut_at < 1.0:
            return
        seen = max(self._sent[1], self._sent[2], 2.0) if self.rate is None else self.rate
        if self.rate is None:
            self._limit = 2 * seen
        self._cut_at = self._at = now
        self.rate, self._room = max(1.0, seen / 2), 0.0

    def passes(self, now: float) -> bool:
        """Tell whether a message may go now, and count it."""
        self._grow(now)
        if self.rate is not None:
            if self._room < 1.0:
                return False
            self._room -= 1.0
        second = float(int(now))
        if self._sent[0] != second:
            before = self._sent[1] if second - self._sent[0] <= 1.0 else 0.0
            self._sent = [second, 0.0, before]
        self._sent[1] += 1.0
        return True

    def wait(self) -> float:
        """Return in how many seconds the next message may go."""
        return 0.0 if self.rate is None else max(0.0, 1.0 - self._room) / self.rate

    def _grow(self, now: float) -> None:
        if self.rate is None:
            return
        passed = max(0.0, now - self._at)
        self._at = now
        self._room = min(max(1.0, self.rate / 10), self._room + passed * self.rate)
        self.rate += passed * max(1.0, self._limit / 20)  # from half to where it was in some ten seconds
        if self.rate > self._limit:
            self.rate = None
