"""How long to wait before the same thing is tried again, and the waiting."""

import asyncio
from collections.abc import Callable

__all__ = ["backoff", "pause_until"]


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
