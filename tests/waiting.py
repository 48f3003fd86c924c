"""How tests wait: for what they assert, in small steps, and never for a time. A busy machine is slow, not wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.kit.errors import RetryableError

__all__ = ["PATIENCE", "until", "until_it_works"]

T = TypeVar("T")
PATIENCE = 60.0  # seconds; three rows of tests share two cores


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds, which is asked for: databases and processes do not call.

    Wait for the very figures that are asserted then: of two that move one after the other, one says nothing of the
    other. Raises TimeoutError with the name of what did not come to hold.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"{getattr(holds, '__qualname__', holds)} did not come to hold") from None


async def until_it_works(what: Callable[[], Awaitable[T]]) -> T:
    """Try again after each RetryableError, as a stage does, and return the answer. Raises TimeoutError."""
    async with asyncio.timeout(2 * PATIENCE):  # a client waits for half a minute by itself
        while True:
            try:
                return await what()
            except RetryableError:
                await asyncio.sleep(0.2)
