"""What comes back after it was handed over, through all rooms: told on the next way, or listed to the source."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from deploy.postgres.server import free_port
from loadtests.chaos.fleet import Fleet
from services.demo.made_up.incident import made_up_incident
from services.demo.standins.mail import MailServer
from tests.e2e.bouncing import MAILBOX, bounce
from tests.waiting import until

pytestmark = pytest.mark.timeout(180)

COHORT = "/v1/incidents/lab/cohorts/wave-1"
PEOPLE = b"""memberRef,familyName,birthDate,postcode,houseNumber,street,city,email,dataCategories,certainty
m-1,Bakker,1980-01-02,1011AB,1,Dam,Amsterdam,bakker@post.example,address,confirmed
m-2,Visser,1981-02-03,1012AB,2,Dam,Amsterdam,visser@post.example,address,confirmed
m-3,Mulder,1982-03-04,1013AB,3,Dam,Amsterdam,,address,confirmed
"""
_VISSER = PEOPLE.splitlines()[2]
# Other facts of the same record at the same address, and then another address.
SUPPLEMENT = _VISSER.replace(b",address,", b",address|doctor,")
MOVED = SUPPLEMENT.replace(b",Dam,", b",Singel,").replace(b"visser@post.example", b"")


class Run:
    """A fleet that told three people: two by e-mail, one by letter."""

    def __init__(self, fleet: Fleet, mails: MailServer, bounces_port: int) -> None:
        self.fleet, self.mails, self.port = fleet, mails, bounces_port

    def http(self, stage: str) -> aiohttp.ClientSession:
        """Return a client of a service."""
        return aiohttp.ClientSession(self.fleet.urls(stage)[0], headers=self.fleet.headers, raise_for_status=True)

    async def tell(self) -> None:
        """Send a cohort, and let it go."""
        document = made_up_incident(datetime.now(UTC)) | {"channels": ["email", "letter"]}
        async with self.http("intake") as http:
            await http.put("/v1/incidents/lab", json=document)
            await http.put(COHORT, json={"source": "Lab B.V.", "autoRelease": True})
            await http.post(f"{COHORT}/members", data=PEOPLE, headers={"Content-Type": "text/csv"})

    async def corrected(self, line: bytes) -> None:
        """Send a later version of a record."""
        body = PEOPLE.splitlines()[0] + b"\n" + line + b"\n"
        async with self.http("intake") as http:
            await http.post(f"{COHORT}/members", data=body, headers={"Content-Type": "text/csv"})

    async def totals(self) -> dict[str, int]:
        """Return the incident's ledger; nothing as long as nothing was heard of it."""
        path = "/v1/incidents/lab/ledger"
        async with self.http("tracking") as http, http.get(path, raise_for_status=False) as answer:
            totals: dict[str, int] = (await answer.json())["totals"] if answer.ok else {}
            return totals

    async def problems(self) -> list[dict[str, Any]]:
        """Return what the cohort's source is shown."""
        async with self.http("intake") as http, http.get(f"{COHORT}/problems") as answer:
            problems: list[dict[str, Any]] = (await answer.json())["problems"]
            return problems

    def letters(self) -> list[dict[str, Any]]:
        """Return the letters that lie in the print folder, whole."""
        done = sorted(self.fleet.print_dir.glob("*.done"))
        lines = [line for one in done for line in one.with_suffix(".ndjson").read_bytes().splitlines()]
        return [letter for letter in map(orjson.loads, lines) if "reference" in letter]

    def bounce(self, recipient: str) -> int:
        """Report, as the recipient's mail server does, that a mail could not be delivered; returns a code."""
        at = [to for to, _ in self.mails.taken].index(recipient)
        return bounce(self.port, self.mails.senders[at])


async def test_what_came_back_goes_on_to_the_next_way(tmp_path: Path) -> None:
    """A mail that bounced becomes a letter; a letter that comes back is listed to its source; the ledger balances.

    More about that person goes to neither address, and is listed in its place; it goes to the new one, once.
    """
    async with MailServer().serve() as mails:
        port = free_port()
        settings = {
            "HERAUT_SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
            "HERAUT_SMTP_BOUNCES": MAILBOX,
            "HERAUT_BOUNCES_LISTEN": f"127.0.0.1:{port}",
        }
        fleet = Fleet(tmp_path, "postgres", settings, replicas=1)
        try:
            await fleet.start()
            await _tell_and_hear(Run(fleet, mails, port))
        finally:
            await fleet.stop()


async def _tell_and_hear(run: Run) -> None:
    async def stands(**figures: int) -> bool:
        return figures.items() <= (await run.totals()).items()

    async def listed() -> bool:
        return bool(await run.problems())

    async def two_letters() -> bool:
        return len(run.letters()) == 2

    await run.tell()
    await until(lambda: stands(notified=3, inFlight=0))
    first = run.letters()
    code = await asyncio.to_thread(run.bounce, "visser@post.example")
    await until(two_letters)
    await until(lambda: stands(notified=3, inFlight=0))
    (again,) = [letter for letter in run.letters() if letter not in first]
    body = f"reference,reason,date\n{again['reference']},verhuisd,{datetime.now(UTC).date()}\n"
    async with run.http("tracking") as http:
        await http.post("/v1/receipts", data=body.encode(), headers={"Content-Type": "text/csv"})
    await until(listed)
    await until(lambda: stands(accepted=3, notified=2, exhausted=1, inFlight=0))
    (problem,) = await run.problems()

    async def listed_anew() -> bool:
        return [one["since"] for one in await run.problems()] not in ([], [problem["since"]])

    await run.corrected(SUPPLEMENT)
    await until(listed_anew)
    await until(lambda: stands(accepted=3, notified=2, exhausted=1, inFlight=0))
    held = await run.problems(), len(run.letters())
    await run.corrected(MOVED)
    await until(lambda: stands(accepted=3, notified=3, exhausted=0, inFlight=0))
    (moved,) = [letter for letter in run.letters() if letter not in (*first, again)]

    assert (["m-2"], 2) == ([one["memberRef"] for one in held[0]], held[1])
    assert ("Singel" in str(moved["address"]), []) == (True, await run.problems())
    assert 250 == code
    assert (1, True) == (len(first), "Mulder" in str(first[0]["address"]))
    assert (True, 2) == ("Visser" in str(again["address"]), again["attempt"])
    assert ("m-2", "exhausted") == (problem["memberRef"], problem["kind"])
    assert 2 == len(run.mails.taken)
