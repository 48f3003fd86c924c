"""Made-up people who are told by a real `heraut up`, for tests that look on meanwhile or search afterwards."""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.demo.client import Client, open_client
from services.demo.made_up.cohorts import make_waves
from services.demo.made_up.expectation import Expectation
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import make_people
from services.demo.made_up.wave import Wave
from services.demo.progress import Progress
from services.demo.sending import send_waves
from services.demo.stack import Stack, StackWish, without_settings

__all__ = ["Load", "make_load", "stack_wish", "tell"]

# Seconds from the first upload to the last hand-over; two thousand people take some seconds where nothing else runs.
_TOLD_WITHIN = 240.0


def stack_wish(data: Path, *, log: str = "postgres", **settings: str) -> StackWish:
    """Return a wish for everything that the demo runs on, in a data directory and at any free ports."""
    environ = without_settings(os.environ) | {"HERAUT_HTTP_PORT": "0"} | settings
    return StackWish(log=log, data=data, keep=False, environ=environ)


@dataclass(frozen=True, slots=True)
class Load:
    """Files of waves, and what must become of the people in them."""

    incident_id: str
    waves: list[Wave]
    expectation: Expectation


def make_load(folder: Path, *, people: int, waves: int = 3, seed: int = 1) -> Load:
    """Make people up, and write the files of their waves into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    made, expectation = make_waves(make_people(people, seed), waves, seed, folder, supplements=False)
    return Load(f"load-{seed}", made, expectation)


async def tell(stack: Stack, load: Load) -> dict[str, Any]:
    """Send all waves, and return the ledger once everybody is told."""
    async with open_client(stack.addresses, stack.token, load.incident_id) as client, asyncio.timeout(_TOLD_WITHIN):
        await client.put_incident(made_up_incident(datetime.now(UTC)))
        await send_waves(client, load.waves, Progress())
        return await _settled(client, load.expectation)


async def _settled(client: Client, expectation: Expectation) -> dict[str, Any]:
    """Return the ledger once it has all the totals that the generator expects, corrections included."""
    expected = {"missing": 0, "inFlight": 0} | expectation.totals
    while True:
        ledger = await client.ledger()
        if ledger and expected == {name: ledger["totals"][name] for name in expected}:
            return ledger
        await asyncio.sleep(0.2)
