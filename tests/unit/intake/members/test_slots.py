"""Who may upload at the same time, and how slowly."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from services.intake.errors import BrokenBodyError
from services.intake.members.slots import SlotLimits, UploadPace, UploadSlots
from services.kit.errors import RetryableError

_AT_ONCE = SlotLimits(patience=0.0)


async def test_nobody_takes_all_slots() -> None:
    """One principal gets four, two get three each of what is left but the two that are kept, a third one a slot."""
    slots = UploadSlots(_AT_ONCE)
    async with AsyncExitStack() as stack:

        async def takes(principal: str) -> int:
            for taken in range(10):
                try:
                    await stack.enter_async_context(slots.taken(principal))
                except RetryableError:
                    return taken
            return 10

        assert [4, 2, 1, 1, 0] == [await takes(principal) for principal in "abcde"]
    async with slots.taken("e"):
        pass  # all are free again


async def test_who_is_refused_is_told_how_long_to_wait() -> None:
    """The answer has the time after which it is worth while."""
    slots = UploadSlots(SlotLimits(slots=1, kept=0, patience=0.0))
    async with slots.taken("a"):
        with pytest.raises(RetryableError) as caught:
            await slots.taken("b").__aenter__()

    assert 15.0 == caught.value.after


async def test_who_waits_gets_the_next_free_slot() -> None:
    """An upload that ends soon delays the next one, and refuses nobody."""
    slots = UploadSlots(SlotLimits(slots=1, kept=0, patience=60.0))
    first = slots.taken("a")
    await first.__aenter__()
    second = asyncio.ensure_future(slots.taken("b").__aenter__())
    await asyncio.sleep(0)
    assert not second.done()
    await first.__aexit__(None, None, None)
    await asyncio.wait_for(second, 5)


@pytest.mark.parametrize(
    ("count", "waited", "times"),
    [
        (1, 59.0, 2),  # a byte a minute
        (900, 1.0, 700),  # just under the least, for long
        (10_000_000, 3_600.0, 4),  # fast enough, and without end
    ],
)
def test_a_sender_that_only_holds_its_slot_is_let_go_of(count: int, waited: float, times: int) -> None:
    """It gets a minute's grace, and has to come to a kilobyte a second on the whole."""
    pace = UploadPace()

    def send() -> None:
        for _ in range(times):
            pace.came(count, waited)

    with pytest.raises(BrokenBodyError, match="too-slow"):
        send()


def test_a_slow_sender_that_sends_is_left_alone() -> None:
    """A file that takes a while to be made, and a line of two kilobytes a second, are fine."""
    pace = UploadPace()
    pace.came(1, 59.0)
    for _ in range(5_000):
        pace.came(2_000, 1.0)
