"""What each fault of the providers does to the ledger, at five percent of what they are asked.

    python -m loadtests.providers.faults [--people 2000] [--percent 5] [--seed 1] [--log kafka] [--dir DIR]
        [--sides "stand-ins" "portal, notify" ...] [--faults refused ...] [--results FILE]

All of Heraut runs, one process of each service, with each side of providers in turn (`sides.py`), so that each kind of
provider has each fault. One cohort a fault: a third of its people are told by portal, a third by e-mail, a third by
letter; all have a postal address to fall back on. The providers' own records say who was told truly, and how often;
`silent` are people whom the ledger calls notified and nobody told. After a fault that rejects print jobs, an operator
has them printed again, with nothing wrong any more.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.providers.sides import SIDES, Side, side_of
from services.core.channel import CHANNELS, Channel
from services.core.ledger import HoldReason
from services.core.rooms import DISPATCH_STAGES, dispatch_stage
from services.demo.made_up.channels import CONTACTS, Who
from services.demo.made_up.incident import CATEGORIES, made_up_incident
from services.demo.made_up.people import Person, make_people
from services.demo.standins.faults import Fault

NONE, OUTAGE = "none", "outage"
FAULTS = (NONE, *(fault.value for fault in Fault), OUTAGE)
OUTAGE_SECONDS = 10
_LOOK_EVERY = 0.5
_COLUMNS = (
    *("fault", "people", "told", "twice", "never", "notified", "unknown", "held", "exhausted", "in flight", "silent"),
    *("balanced", "seconds"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one fault did: by the providers' records, and by the ledger."""

    fault: str
    people: int
    told: Counter[str]  # hand-overs by notice, as the providers kept them
    ledger: Mapping[str, Any]
    unknown: int
    seconds: float

    def row(self) -> tuple[object, ...]:
        """Return the figures in the order of the columns."""
        totals, told = self.ledger["totals"], len(self.told)
        twice = self.told.total() - told
        figures = (totals["notified"], self.unknown, totals["held"], totals["exhausted"])
        flying, silent = totals["inFlight"] - self.unknown, max(0, totals["notified"] - told)
        return (
            self.fault,
            self.people,
            told,
            twice,
            self.people - told,
            *figures,
            flying,
            silent,
            "yes" if self.ledger["balanced"] else "NO",
            round(self.seconds, 1),
        )


def records_of(people: list[Person], side: Side) -> bytes:
    """Return the people as NDJSON: a third each by portal, e-mail and letter, none of whom a provider refuses."""
    rng, lines = random.Random(1), []  # noqa: S311 - made-up people need no secrets
    for person in people:
        channel = CHANNELS[person.number % len(CHANNELS)]
        record = {"memberRef": f"m-{person.number}", "dataCategories": [CATEGORIES[0][0]]}
        record |= {"familyName": person.family_name, "initials": person.initials, "birthDate": person.birth_date}
        key = person.person_key or sha256(str(person.number).encode()).hexdigest()
        record |= {"bsn": person.bsn} if person.bsn else {"personKey": key}
        record |= {"street": person.street, "houseNumber": person.house_number}
        record |= {"postcode": person.postcode, "city": person.city, "country": person.country}
        if contact := CONTACTS.get(channel):
            made = contact.make(rng, Who(person.number, person.given_name, person.family_name), 0.0)
            own = side.portal_id(person.number) if channel is Channel.PORTAL else None
            record[contact.column] = own or made
        lines.append(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    return b"".join(lines)


class Run:
    """One fleet, and one cohort after the other."""

    def __init__(self, fleet: Fleet, side: Side, http: aiohttp.ClientSession, arguments: argparse.Namespace) -> None:
        self._fleet, self._side, self._http, self._arguments = fleet, side, http, arguments
        self._before: Counter[str] = Counter()
        self._body = records_of(make_people(arguments.people, arguments.seed, kinds={}), side)

    async def see(self, fault: str) -> list[Found]:
        """Send a cohort through with one fault, and return what became of it; and once rejected jobs are mended."""
        await self._misbehave(fault)
        incident = f"fault-{fault.lower()}"
        url = f"{self._fleet.urls('intake')[0]}/v1/incidents/{incident}"
        await self._send("PUT", url, orjson.dumps(made_up_incident(datetime.now(UTC))), "application/json")
        cohort = f"{url}/cohorts/all"
        await self._send("PUT", cohort, orjson.dumps({"source": "load", "autoRelease": True}), "application/json")
        began = time.monotonic()
        if fault == OUTAGE:
            await self._side.shut(self._fleet, self._http, OUTAGE_SECONDS)
        await self._send("POST", f"{cohort}/members", self._body, "application/x-ndjson")
        ledger, unknown = await self._settled(incident)
        found = [self._found(fault, ledger, unknown, began)]
        if ledger["totals"]["heldReasons"][HoldReason.UNPRINTED.key]:
            await self._misbehave(NONE)
            began = time.monotonic()
            await self._print_again()
            await self._send("POST", f"{cohort}/resume", b"", "application/json")  # a stop rule may have paused it
            settled = await self._settled(incident, mended=True)
            found.append(self._found(f"{fault}, printed again", *settled, began))
        self._before = Counter(self._side.hand_overs(self._fleet.records))
        return found

    def _found(self, fault: str, ledger: Mapping[str, Any], unknown: int, began: float) -> Found:
        told = Counter(self._side.hand_overs(self._fleet.records)) - self._before
        return Found(fault, self._arguments.people, told, ledger, unknown, time.monotonic() - began)

    async def _print_again(self) -> None:
        url = f"{self._fleet.urls(dispatch_stage(Channel.LETTER))[0]}/v1/print-jobs"
        for job in (await self._ask(url))["jobs"]:
            if job["unprinted"]:
                await self._send("POST", f"{url}/{job['job']}/print-again", b"", "application/json")

    async def _misbehave(self, fault: str) -> None:
        share = {} if fault in {NONE, OUTAGE} else {fault: self._arguments.percent}
        faults = {"seed": self._arguments.seed, "percent": share}
        await self._side.misbehave(self._fleet, self._http, faults)

    async def _settled(self, incident: str, *, mended: bool = False) -> tuple[Mapping[str, Any], int]:
        """Return the ledger and how many are unknown, once nothing else is on its way, or nothing moves any more.

        `mended`: nobody is held any more either.
        """
        url = f"{self._fleet.urls('tracking')[0]}/v1/incidents/{incident}/ledger"
        seen, moved = None, time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            ledger, unknown = await self._ask(url), await self._unknown(incident)
            totals = ledger["totals"]
            if (totals, unknown) != seen:
                seen, moved = (totals, unknown), time.monotonic()
            done = totals["received"] == self._arguments.people and totals["inFlight"] == unknown
            done = done and ledger["balanced"] and not (mended and totals["held"]) and not self._silent(ledger)
            done = done and await self._side.settled(self._fleet, self._http)
            if done or time.monotonic() - moved > self._side.patience:
                return ledger, unknown

    def _silent(self, ledger: Mapping[str, Any]) -> int:
        """Return how many more are called notified than were told, by the providers' records."""
        told = Counter(self._side.hand_overs(self._fleet.records)) - self._before
        return max(0, int(ledger["totals"]["notified"]) - len(told))

    async def _unknown(self, incident: str) -> int:
        pages = [await self._ask(f"{self._fleet.urls(stage)[0]}/v1/unknowns") for stage in DISPATCH_STAGES]
        return sum(one["incidentId"] == incident for page in pages for one in page["unknowns"])

    async def _ask(self, url: str) -> Any:
        async with self._http.get(url) as answer:
            assert answer.status == 200, await answer.text()
            return orjson.loads(await answer.read())

    async def _send(self, method: str, url: str, body: bytes, kind: str) -> None:
        async with self._http.request(method, url, data=body, headers={"Content-Type": kind}) as answer:
            text = await answer.text()
            assert answer.status < 300, text[:500]


async def run(arguments: argparse.Namespace, folder: Path, side: Side) -> list[Found]:
    """Run one cohort with each fault, the first one with none."""
    standins = (*side.standins, str(folder / "house")) if side.standins else ()
    settings = {"HERAUT_LEASE": "10s", **side.settings()}
    fleet = Fleet(folder, arguments.log, settings, replicas=1, standins=standins)
    try:
        await fleet.start()
        side.began(fleet)
        async with aiohttp.ClientSession(headers=fleet.headers) as http:
            one = Run(fleet, side, http, arguments)
            found = []
            for fault in arguments.faults or FAULTS:
                for seen in await one.see(fault):
                    found.append(seen)
                    print(_line(seen.row()), flush=True)
            return found
    finally:
        await fleet.stop()


async def _each(arguments: argparse.Namespace, folder: Path) -> list[str]:
    """Run all sides; returns the lines of the tables."""
    lines = []
    for number, name in enumerate(arguments.sides):
        head = ["", f"**{name}**", "", _line(_COLUMNS), f"|{'---|' * len(_COLUMNS)}"]
        print("\n".join(head), flush=True)
        async with side_of(name) as side:
            found = await run(arguments, folder / str(number), side)
        lines += [*head, *(_line(one.row()) for one in found)]
    return lines


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    """Print a table for each side."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.providers.faults")
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--percent", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=list(SIDES))
    parser.add_argument("--faults", nargs="*", choices=FAULTS)
    parser.add_argument("--log", choices=("postgres", "kafka"), default="postgres")
    parser.add_argument("--dir", type=Path)
    parser.add_argument("--results", type=Path, help="file that the tables are written to as well")
    arguments = parser.parse_args()
    folder = arguments.dir or Path(tempfile.mkdtemp(prefix="heraut-faults-"))
    lines = asyncio.run(_each(arguments, folder))
    if arguments.results:
        arguments.results.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if not arguments.dir:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
