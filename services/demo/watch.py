"""Watches the ledger until all members are settled, and notices when nothing moves any more."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from services.demo.errors import DemoError
from services.demo.made_up.expectation import Expectation
from services.demo.progress import Progress

__all__ = ["STALLED_AFTER", "LedgerSource", "Watch"]

# Seconds (interfaces: `heraut demo`). A slow batch of letters takes some seconds, a take-over of a lease some more.
STALLED_AFTER = 120.0
# How many seconds to wait for totals that differ from the expected ones although all is settled.
_SETTLED_FOR = 10.0
_POLL = 0.5  # seconds between two looks at the ledger


class LedgerSource(Protocol):
    """Where the ledger is read from."""

    async def ledger(self) -> dict[str, Any] | None:
        """Return the ledger, None where it cannot be read now."""
        ...


class Watch:
    """Looks at the ledger again and again. Raises DemoError where nothing moves for `STALLED_AFTER` seconds."""

    def __init__(
        self, source: LedgerSource, progress: Progress, clock: Callable[[], float] = time.monotonic, poll: float = _POLL
    ) -> None:
        self._source, self._progress, self._clock, self._poll = source, progress, clock, poll
        self._seen: object = None
        self._changed_at = clock()

    async def alongside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and look at the ledger meanwhile."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self._poll)
                await self._look()
            await task
        finally:
            task.cancel()

    async def until_settled(self, expectation: Expectation | None) -> dict[str, Any]:
        """Return the ledger once nothing is missing or in flight.

        A correction may still be on its way then. So this waits some seconds for the expected totals as well, and no
        longer: the check will tell what is wrong.
        """
        while True:
            ledger = await self._look()
            if ledger is not None and _is_settled(ledger["totals"]):
                quiet = self._clock() - self._changed_at
                if expectation is None or _as_expected(ledger["totals"], expectation) or quiet > _SETTLED_FOR:
                    return ledger
            await asyncio.sleep(self._poll)

    async def _look(self) -> dict[str, Any] | None:
        """Read the ledger once and note whether anything moved."""
        ledger = await self._source.ledger()
        if ledger is not None:
            self._progress.totals = ledger["totals"]
        seen = (self._progress.totals, dict(self._progress.sent))
        now = self._clock()
        if seen != self._seen:
            self._seen, self._changed_at = seen, now
        elif now - self._changed_at > STALLED_AFTER:
            raise DemoError(_what_stands_still(self._progress))
        return ledger


def _is_settled(totals: Mapping[str, int]) -> bool:
    return totals["missing"] == 0 and totals["inFlight"] == 0 and totals["received"] > 0


def _as_expected(totals: Mapping[str, int], expectation: Expectation) -> bool:
    return expectation.totals == {name: totals[name] for name in expectation.totals}


def _what_stands_still(progress: Progress) -> str:
    totals = progress.totals
    lines = [f"nothing moved for {STALLED_AFTER:.0f} seconds"]
    lines += [
        f"cohort {cohort}: {progress.sent[cohort]} of {size} bytes sent"
        for cohort, size in progress.to_send.items()
        if progress.sent[cohort] < size
    ]
    if not totals:
        return "\n".join([*lines, "the ledger cannot be read, or has nothing in it"])
    return "\n".join([*lines, f"{totals['missing']} records missing, {totals['inFlight']} notices in flight"])
