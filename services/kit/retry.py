"""How long to wait before the same thing is tried or looked at again, and the waiting."""

import asyncio
from collections.abc import Callable

__all__ = ["Wait", "backoff", "pause_until"]

_SLOWER = 1.5  # each wait to the one before it: five looks from a twentieth of a second to a quarter


def backoff(attempt: int, *, base: float, cap: float, random: Callable[[], float]) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (0 = the first), with jitter.

    Between half of the exponential wait and the whole: spread out, so that many who failed together do not
    come back together, yet never at once. `random` gives numbers from 0 to 1.
    """
    whole = min(cap, base * 2.0 ** min(attempt, 60))  # 2**60 is past any cap and still a float
    return whole * (0.5 + 0.5 * random())


async def pause_until(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


class Wait:
    """The wait before the next look at something that may be empty: longer each time, up to the longest. In seconds."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest, self._longest = shortest, longest
        self._wait = shortest

    def next(self) -> float:
        """Return the wait now."""
        wait, self._wait = self._wait, min(self._wait * _SLOWER, self._longest)
        return wait

    def reset(self) -> None:
        """Begin with the shortest again: there was something."""
        self._wait = self._shortest
