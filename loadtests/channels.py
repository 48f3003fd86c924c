"""How fast the real channels are: letters as PDF, e-mails over SMTP, messages to a portal.

    python -m loadtests.channels [--people 3000] [--dir DIR]

Each channel has an equal share of the people, whom it alone reaches. All of Heraut runs. The stand-ins run in a process
of their own, and their CPU is counted apart.
"""

import argparse
import asyncio
import random
import re
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.processes import cost_between, costs_of, pid_of
from loadtests.python_build import python_build
from services.core.channel import CHANNELS, Channel
from services.core.rooms import dispatch_stage
from services.demo.made_up.channels import CONTACTS, Who
from services.demo.made_up.incident import CATEGORIES, made_up_incident
from services.demo.made_up.people import Person, make_people

__all__ = ["records_of"]

INCIDENT = "channels"
_PATIENCE = 120.0


def records_of(people: list[Person], channel: Channel) -> bytes:
    """Return the people as NDJSON, each with the data of one channel alone, none of which its provider refuses."""
    rng = random.Random(1)  # noqa: S311 - made-up people need no secrets
    lines = []
    for person in people:
        record = {"memberRef": f"{channel.label}-{person.number}", "dataCategories": [CATEGORIES[0][0]]}
        record |= {"familyName": person.family_name, "initials": person.initials, "birthDate": person.birth_date}
        # A person without BSN and key is identified by name and address; here most records have no address.
        key = person.person_key or sha256(str(person.number).encode()).hexdigest()
        record |= {"bsn": person.bsn} if person.bsn else {"personKey": key}
        if contact := CONTACTS.get(channel):
            who = Who(person.number, person.given_name, person.family_name)
            record[contact.column] = contact.make(rng, who, 0.0)
        else:
            record |= {"street": person.street, "houseNumber": person.house_number}
            record |= {"postcode": person.postcode, "city": person.city, "country": person.country}
        lines.append(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


async def run(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Measure one channel after the other on one fleet, and return the figures."""
    people = make_people(arguments.people, 1, kinds={})
    share = len(people) // len(CHANNELS)
    fleet = Fleet(folder, "postgres", {"HERAUT_LETTER_FORMAT": "pdf"}, replicas=1)
    figures: dict[str, object] = {"people": share}
    try:
        await fleet.start()
        async with aiohttp.ClientSession(headers=fleet.headers) as http:
            url = f"{fleet.urls('intake')[0]}/v1/incidents/{INCIDENT}"
            await _send(http, "PUT", url, orjson.dumps(made_up_incident(datetime.now(UTC))), "application/json")
            for number, channel in enumerate(reversed(CHANNELS)):
                group = people[number * share : (number + 1) * share]
                figures[channel.label] = await _measure(fleet, http, url, channel, group)
    finally:
        await fleet.stop()
    return figures


async def _measure(
    fleet: Fleet, http: aiohttp.ClientSession, url: str, channel: Channel, people: list[Person]
) -> dict[str, float]:
    process = fleet.processes[f"{dispatch_stage(channel)}-1"].process
    assert process
    pids = {"dispatch": process.pid, "standins": pid_of("services.demo.standins", str(fleet.records))}
    cohort = f"{url}/cohorts/{channel.label}"
    await _send(http, "PUT", cohort, orjson.dumps({"source": "load", "autoRelease": True}), "application/json")
    before, started = costs_of(pids), time.monotonic()
    await _send(http, "POST", f"{cohort}/members", records_of(people, channel), "application/x-ndjson")
    seconds = await _until_accepted(fleet, http, channel, len(people)) - started
    cost = cost_between(before, costs_of(pids))
    return {
        "perSecond": round(len(people) / seconds, 1),
        "cpuMicroseconds": round(cost["dispatch"].cpu / len(people) * 1e6),
        "standInCpuMicroseconds": round(cost["standins"].cpu / len(people) * 1e6),
    }


async def _until_accepted(fleet: Fleet, http: aiohttp.ClientSession, channel: Channel, wanted: int) -> float:
    """Return the time (monotonic) at which dispatch has counted `wanted` accepted hand-overs."""
    labels = f'channel="{channel.label}",outcome="accepted"'
    pattern = re.compile(rf"dispatch_attempts_total\{{{labels}[^}}]*\}} ([0-9.e+]+)")
    moved, seen = time.monotonic(), 0.0
    while True:
        async with http.get(f"{fleet.urls(dispatch_stage(channel))[0]}/metrics") as answer:
            counted = sum(float(value) for value in pattern.findall(await answer.text()))
        if counted >= wanted:
            return time.monotonic()
        if counted > seen:
            moved, seen = time.monotonic(), counted
        assert time.monotonic() - moved < _PATIENCE, f"{channel.label}: {counted} of {wanted} and no progress"
        await asyncio.sleep(0.1)


async def _send(http: aiohttp.ClientSession, method: str, url: str, body: bytes, kind: str) -> None:
    async with http.request(method, url, data=body, headers={"Content-Type": kind}) as answer:
        text = await answer.text()
        assert answer.status < 300, text[:500]


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.channels")
    parser.add_argument("--people", type=int, default=9000)
    parser.add_argument("--dir", type=Path)
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="heraut-channels-"))
    figures = {"python": python_build()} | asyncio.run(run(arguments, folder))
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    if not arguments.dir:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
