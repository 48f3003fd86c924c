"""The ledger, read over HTTP until it is settled; compared with what must become of the people, and with its rows."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from loadtests.chaos.fleet import Fleet
from services.cli.recount import recount
from services.demo.made_up.expectation import Expectation

__all__ = ["Ledger", "rows_that_differ", "settle"]

_LOOK_EVERY = 0.5


@dataclass(frozen=True, slots=True)
class Ledger:
    """One answer of the ledger."""

    document: dict[str, Any]

    @property
    def totals(self) -> dict[str, Any]:
        """The sums over all cohorts."""
        totals: dict[str, Any] = self.document["totals"]
        return totals

    def is_settled(self, received: int) -> bool:
        """Return whether all records are received, nothing is missing or in flight, and nobody waits to be let go."""
        wanted = {"received": received, "missing": 0, "inFlight": 0}
        held = self.totals["heldReasons"]
        still_to_come = held["unreleased"] or held["paused"]
        return not still_to_come and wanted == {name: self.totals[name] for name in wanted}

    def faults(self, expectation: Expectation, spared: int) -> list[str]:
        """Return a line for each total that is not the expected one; `spared` were stopped after their release."""
        wanted = expectation.totals | {
            "accepted": expectation.accepted,
            "notified": expectation.notices - spared,
            "withdrawn": expectation.withdrawn + spared,
            "missing": 0,
            "inFlight": 0,
        }
        found = [f"{name}: {self.totals[name]}, not {value}" for name, value in wanted.items()
                 if self.totals[name] != value]  # fmt: skip
        return found if self.document["balanced"] else [*found, "it does not balance"]


async def settle(fleet: Fleet, incident_id: str, received: int, patience: float) -> Ledger:
    """Return the ledger once it is settled, or has not changed for `patience` seconds."""
    ledger = Ledger({"totals": {"received": -1}, "balanced": False})
    moved = time.monotonic()
    urls = itertools.cycle(fleet.urls("tracking"))
    async with aiohttp.ClientSession(headers=fleet.headers, timeout=aiohttp.ClientTimeout(total=10)) as http:
        while time.monotonic() - moved < patience:
            answer = await _ask(http, f"{next(urls)}/v1/incidents/{incident_id}/ledger")
            if answer is not None and answer.document != ledger.document:
                ledger, moved = answer, time.monotonic()
            if ledger.totals["received"] >= 0 and ledger.is_settled(received) and ledger.document["balanced"]:
                break
            await asyncio.sleep(_LOOK_EVERY)
    return ledger


async def rows_that_differ(fleet: Fleet, incident_id: str) -> list[str]:
    """Return a line for each figure of a room that is not what the room's rows come to."""
    found = await recount(fleet.database_url, incident_id)
    assert found  # nothing compared would be nothing proven
    return [str(one) for one in found if not one.agrees]


async def _ask(http: aiohttp.ClientSession, url: str) -> Ledger | None:
    try:
        async with http.get(url) as answer:
            return Ledger(orjson.loads(await answer.read())) if answer.status == 200 else None
    except (aiohttp.ClientError, TimeoutError):
        return None
