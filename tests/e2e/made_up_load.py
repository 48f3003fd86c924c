"""Made-up people told by a real `heraut up` over all three channels, for tests that look on or look around after."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.demo.api import Api, open_api
from services.demo.cohorts import Wave, make_waves
from services.demo.expectation import Expectation
from services.demo.incident import made_up_incident
from services.demo.people import make_people
from services.demo.stack import Stack, StackWish

__all__ = ["Load", "make_load", "stack_wish", "tell", "without_heraut"]

# From the first upload to the last hand-over; two thousand people take some seconds where nothing else runs.
_TOLD_WITHIN = 240.0


def without_heraut() -> dict[str, str]:
    """Return this environment without its settings of Heraut, and with any free ports."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("HERAUT_")}
    return bare | {"HERAUT_HTTP_PORT": "0"}


def stack_wish(data: Path, *, log: str = "postgres", **settings: str) -> StackWish:
    """Wish for everything that the demo runs on, in this data directory."""
    return StackWish(log=log, data=data, keep=False, environ=without_heraut() | settings)


@dataclass(frozen=True, slots=True)
class Load:
    """Files of waves, and who is in them."""

    incident_id: str
    waves: list[Wave]
    expectation: Expectation


def make_load(folder: Path, *, people: int, waves: int = 3, seed: int = 1) -> Load:
    """Make people up and write the files of their waves."""
    folder.mkdir(parents=True, exist_ok=True)
    made, expectation = make_waves(make_people(people, seed), waves, seed, folder, supplements=False)
    return Load(f"load-{seed}", made, expectation)


async def tell(stack: Stack, load: Load) -> dict[str, Any]:
    """Send all waves and wait until everybody is told; returns the ledger."""
    async with open_api(stack.addresses, stack.token, load.incident_id) as api, asyncio.timeout(_TOLD_WITHIN):
        await api.put_incident(made_up_incident(datetime.now(UTC)))
        for wave in load.waves:
            await api.put_cohort(
                wave.cohort_id, {"source": wave.source, "declaredCount": wave.declared, "autoRelease": True}
            )
        for wave in load.waves:
            await _send(api, wave)
        return await _settled(api, load.expectation)


async def _send(api: Api, wave: Wave) -> None:
    for path in (wave.path, wave.corrections):
        if path:
            await api.upload(wave.cohort_id, path, wave.form, lambda _: None)
    await api.seal(wave.cohort_id)


async def _settled(api: Api, expectation: Expectation) -> dict[str, Any]:
    """Return the ledger once all that the generator expects has come to pass, corrections included."""
    while True:
        ledger = await api.ledger()
        if ledger and _has_settled(ledger["totals"], expectation):
            return ledger
        await asyncio.sleep(0.2)


def _has_settled(totals: Mapping[str, int], expectation: Expectation) -> bool:
    expected = {"missing": 0, "inFlight": 0} | {
        name: getattr(expectation, name) for name in ("received", "rejected", "suppressed", "held", "exhausted")
    }
    return all(totals[name] == count for name, count in expected.items())
