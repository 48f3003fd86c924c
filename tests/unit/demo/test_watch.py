"""The demo waits as long as something moves, and then tells what stands still."""

from typing import Any

import pytest

from services.demo.errors import DemoError
from services.demo.made_up.expectation import Expectation
from services.demo.progress import Progress
from services.demo.watch import STALLED_AFTER, Watch

LINE = {"missing": 0, "received": 4, "rejected": 1, "accepted": 3, "notified": 3, "suppressed": 0, "held": 0,
        "exhausted": 0, "inFlight": 0}  # fmt: skip


class _Scene:
    """A source of ledgers, which repeats the last one for ever; some seconds pass with each look."""

    def __init__(self, *lines: dict[str, int], seconds: float = 1.0) -> None:
        self.now, self.looks = 0.0, 0
        self._lines, self._seconds = lines, seconds

    async def ledger(self) -> dict[str, Any]:
        self.now += self._seconds
        self.looks += 1
        return {"totals": self._lines[min(self.looks, len(self._lines)) - 1], "balanced": True}

    def watch(self) -> Watch:
        return Watch(self, Progress(sent={"wave-1": 5}, to_send={"wave-1": 9}), clock=lambda: self.now, poll=0)


def _expectation() -> Expectation:
    return Expectation([], received=4, rejected=1)


async def test_it_waits_until_nothing_is_in_flight() -> None:
    """The first ledger with nothing missing and nothing in flight is returned."""
    scene = _Scene(LINE | {"missing": 2}, LINE | {"inFlight": 1}, LINE)
    ledger = await scene.watch().until_settled(_expectation())

    assert (3, LINE) == (scene.looks, ledger["totals"])


async def test_it_waits_for_a_correction_on_its_way() -> None:
    """Where all is settled but the totals are not the expected ones, it waits for the correction."""
    scene = _Scene(LINE | {"held": 1}, LINE | {"held": 1}, LINE)
    await scene.watch().until_settled(_expectation())

    assert scene.looks == 3


async def test_it_does_not_wait_for_ever_for_what_does_not_come() -> None:
    """Where the totals stay other than expected, it stops to wait, and the check tells what is wrong."""
    scene = _Scene(LINE | {"held": 1})
    await scene.watch().until_settled(_expectation())

    assert 5 < scene.looks < 20


async def test_standing_still_is_an_end_with_reasons() -> None:
    """After two minutes without progress the error tells what stands still."""
    scene = _Scene(LINE | {"inFlight": 7, "missing": 2}, seconds=STALLED_AFTER / 3)
    with pytest.raises(DemoError) as caught:
        await scene.watch().until_settled(_expectation())

    assert [
        "nothing moved for 120 seconds",
        "cohort wave-1: 5 of 9 bytes sent",
        "2 records missing, 7 notices in flight",
    ] == str(caught.value).splitlines()
