"""Whether a provider's caps hold while replicas are killed and started again, by the portal's own record.

    python -m loadtests.providers.caps [--people 1500] [--per-second 50] [--per-minute 1000] [--kills 10] [--seed 1]

Two processes of dispatch-portal share the caps. One of the two, drawn by the seed, is killed again and again with turns
in hand, and started again.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson

from loadtests.channels import records_of
from loadtests.chaos.fleet import Fleet
from services.core.channel import Channel
from services.core.rooms import dispatch_stage
from services.demo.made_up.incident import made_up_incident
from services.demo.made_up.people import make_people
from services.demo.provider_records import read_provider_records, record_file

_PATIENCE = 90.0  # seconds without a message; a cap a minute makes pauses of up to one
_PAUSE = 1.5  # seconds between two kills: a process is up again by then, and has taken turns


def most_in_a_window(times: Sequence[float], seconds: float) -> int:
    """Return how many of these times, sorted, lie in the fullest window."""
    return max((at - bisect_left(times, one - seconds) + 1 for at, one in enumerate(times)), default=0)


async def run(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Tell everybody, kill meanwhile, and return what the portal saw."""
    caps = {"SECOND": arguments.per_second, "MINUTE": arguments.per_minute}
    settings = {f"HERAUT_PORTAL_PER_{unit}": str(most) for unit, most in caps.items()}
    fleet = Fleet(folder, "postgres", settings, replicas=2)
    try:
        await fleet.start()
        await _send(fleet, records_of(make_people(arguments.people, arguments.seed, kinds={}), Channel.PORTAL))
        killing = asyncio.create_task(_kill(fleet, arguments))
        times = await _arrivals(fleet, arguments.people)
        killing.cancel()
    finally:
        await fleet.stop()
    lives = {name: one.lives for name, one in fleet.processes.items() if one.stage == dispatch_stage(Channel.PORTAL)}
    seconds = times[-1] - times[0]
    return {
        "people": arguments.people, "told": len(times), "seconds": round(seconds, 1), "lives": lives,
        "mostInASecond": most_in_a_window(times, 0.999), "mostInAMinute": most_in_a_window(times, 59.999), **caps,
    }  # fmt: skip


async def _send(fleet: Fleet, body: bytes) -> None:
    url = f"{fleet.urls('intake')[0]}/v1/incidents/caps"
    parts = [
        ("PUT", url, orjson.dumps(made_up_incident(datetime.now(UTC))), "application/json"),
        ("PUT", f"{url}/cohorts/all", orjson.dumps({"source": "load", "autoRelease": True}), "application/json"),
        ("POST", f"{url}/cohorts/all/members", body, "application/x-ndjson"),
    ]
    async with aiohttp.ClientSession(headers=fleet.headers) as http:
        for method, path, content, kind in parts:
            async with http.request(method, path, data=content, headers={"Content-Type": kind}) as answer:
                assert answer.status < 300, await answer.text()


async def _kill(fleet: Fleet, arguments: argparse.Namespace) -> None:
    rng = random.Random(arguments.seed)  # noqa: S311 - which one is killed is no secret
    replicas = [one for one in fleet.processes.values() if one.stage == dispatch_stage(Channel.PORTAL)]
    for _ in range(arguments.kills):
        await asyncio.sleep(_PAUSE)
        rng.choice(replicas).kill()


async def _arrivals(fleet: Fleet, people: int) -> list[float]:
    """Return when messages came, in seconds, once all are there, or none came for long."""
    file, seen, moved = record_file(fleet.records, Channel.PORTAL), 0, time.monotonic()
    while True:
        await asyncio.sleep(0.5)
        times = sorted(record["at"] / 1000 for record in read_provider_records(file))
        if len(times) != seen:
            seen, moved = len(times), time.monotonic()
        if seen >= people or time.monotonic() - moved > _PATIENCE:
            return times


def main() -> int:
    """Print the figures; 1 where a cap did not hold or somebody was not told."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.providers.caps")
    parser.add_argument("--people", type=int, default=1500)
    parser.add_argument("--per-second", type=int, default=50)
    parser.add_argument("--per-minute", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path)
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="heraut-caps-"))
    found = asyncio.run(run(arguments, folder))
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
    if not arguments.dir:
        shutil.rmtree(folder, ignore_errors=True)
    held = found["mostInASecond"] <= arguments.per_second and found["mostInAMinute"] <= arguments.per_minute
    return 0 if held and found["told"] == arguments.people else 1


if __name__ == "__main__":
    sys.exit(main())
