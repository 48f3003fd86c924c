"""The main job in one go: people are made up, sent in waves, told over every channel, and counted afterwards."""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.demo.checking.check import Verdict, check
from services.demo.checking.letters import letter_readers
from services.demo.checking.providers import hand_overs
from services.demo.client import Client, open_client
from services.demo.made_up.cohorts import make_waves
from services.demo.made_up.expectation import Expectation
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import make_people
from services.demo.made_up.wave import Wave
from services.demo.progress import Progress
from services.demo.result import DemoWish, Result
from services.demo.sending import send_waves
from services.demo.stack import Stack, StackWish, open_stack
from services.demo.watch import Watch

__all__ = ["run_demo"]


async def run_demo(wish: DemoWish, progress: Progress, environ: Mapping[str, str] = os.environ) -> Result:
    """Do the main job and return what came of it. Raises DemoError where it cannot be finished."""
    incident_id = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{wish.seed}"
    async with open_stack(StackWish(wish.log, wish.data, wish.keep, environ), incident_id) as stack:
        progress.phase = "making people up"
        waves, expectation = await asyncio.to_thread(_make, wish, stack.data / "cohorts" / incident_id)
        progress.expected = expectation.received
        async with open_client(stack.addresses, stack.token, incident_id) as client:
            started = time.time()
            ledger = await _tell(wish, client, waves, expectation, progress)
        progress.phase = "checking what the providers were handed"
        verdict = await asyncio.to_thread(_check, stack, incident_id, expectation)
        seconds = max(verdict.last_at / 1000 - started, 0.001) if verdict.last_at else 0.0
        tracking = stack.addresses["tracking"]
        return Result(
            wish, ledger, expectation, verdict, seconds, stack.data, stack.print_dir,
            f"{tracking}/", f"{tracking}/metrics", stack.how_to_stop,
        )  # fmt: skip


def _make(wish: DemoWish, folder: Path) -> tuple[list[Wave], Expectation]:
    folder.mkdir(parents=True)
    people = make_people(wish.people, wish.seed)
    return make_waves(people, wish.waves, wish.seed, folder, supplements=wish.supplements)


async def _tell(
    wish: DemoWish, client: Client, waves: list[Wave], expectation: Expectation, progress: Progress
) -> dict[str, Any]:
    """Send all waves and return the ledger once everybody is told."""
    watch = Watch(client, progress)
    progress.phase, progress.began = "sending and telling", time.monotonic()
    await client.put_incident(made_up_incident(datetime.now(UTC)))
    first, last = (waves[:-1], waves[-1:]) if wish.supplements else (waves, [])
    await watch.alongside(send_waves(client, first, progress))
    if last:
        # Its new facts make a supplement only where a notice was sent before.
        await watch.until_settled(None)
        await watch.alongside(send_waves(client, last, progress))
    progress.phase = "telling"
    return await watch.until_settled(expectation)


def _check(stack: Stack, incident_id: str, expectation: Expectation) -> Verdict:
    """Compare what the providers were handed with what had to happen."""
    with letter_readers(stack.print_dir) as workers:
        given = hand_overs(stack.records, stack.print_dir, incident_id, expectation.persons, workers)
        return check(expectation, given)
