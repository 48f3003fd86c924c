"""What Notify took and rejected afterwards, through all rooms: no other channel is tried for it but by an operator."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from notification.topics import MEMBERS_ACCEPTED

from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import Channel
from services.core.ledger import COUNTERS
from services.demo.standins.mail import MailServer
from services.dispatch.app import run as dispatching
from services.dispatch.config import LetterConfig
from services.dispatch.mail_config import EmailConfig
from services.kit.config import load
from services.kit.postgres import Pool
from services.routing.app import run as routing
from services.routing.config import Config as RoutingConfig
from services.tracking.app import run as tracking
from services.tracking.config import Config as TrackingConfig
from tests.conftest import RoomPool
from tests.integration.dispatch.test_notify import text_of
from tests.integration.release.deduplicating import EVERY_PARTITION
from tests.integration.release.test_release import KEYS, Installation, installation
from tests.integration.release.test_together import running, settings
from tests.unit.intake.builders import a_record
from tests.waiting import until

__all__ = ["installation", "settings"]  # fixtures

TOKEN = "made-up-token"
EVERYBODY = range(5)
TOLD_AT_ONCE, HANDED_OVER_AGAIN, GIVEN_UP, CORRECTED_BEFORE, CORRECTED_AFTER = EVERYBODY
_STREET = re.compile(r"(Oudeweg|Nieuweweg) (\d+)")


def _record(at: int, **changed: Any) -> dict[str, Any]:
    said = {"street": "Oudeweg", "houseNumber": str(at + 1), "email": f"old-{at}@mail.example", "portalId": None}
    return a_record(memberRef=f"m-{at}", bsn=None, personKey=KEYS[at], **(said | changed))


@dataclass
class Run:
    """All rooms, and what the providers were given."""

    installation: Installation
    notify: NotifyServer
    mails: MailServer
    letters: ClientSession  # dispatch's face for letters
    pools: Mapping[str, Pool]

    def sent(self) -> list[tuple[str, int, str]]:
        """Return the letters in their order: street, number, reference."""
        found = [(_STREET.search(text_of(self.notify.pdfs[one["id"]])), one["reference"]) for one in self.notify.kept]
        return [(street[1], int(street[2]) - 1, reference) for street, reference in found if street]

    async def reject(self, *people: int) -> list[str]:
        """Say of the latest letter of each that it cannot be printed, as Notify does; returns their references."""
        latest = {number: reference for _, number, reference in self.sent()}
        for at in people:
            said = {"id": f"made-up-{at}", "reference": latest[at], "status": "validation-failed"}
            said |= {"notification_type": "letter", "completed_at": datetime.now(UTC).isoformat()}
            headers = {"Authorization": f"Bearer {TOKEN}"}
            async with self.letters.post("/v1/notify/statuses", json=said, headers=headers) as answer:
                assert answer.status == 204
        return [latest[at] for at in people]

    async def decide(self, act: str) -> int:
        """Decide as an operator; returns about how many."""
        async with self.letters.post(f"/v1/rejected/lab/{act}") as answer:
            return int((await answer.json())["notices"])

    async def count(self, room: str, counter: str) -> int:
        """Return what a room counts."""
        place = COUNTERS[room].index(counter)
        rows = await self.pools[room].fetch("select counts from totals")
        return sum(row["counts"][place] for row in rows if len(row["counts"]) > place)

    async def until_counted(self, room: str, counter: str, number: int) -> None:
        """Wait until a room counts so many."""

        async def counted() -> bool:
            return await self.count(room, counter) == number

        await until(counted)

    async def until_rejected(self, held: int, stopped: int) -> None:
        """Wait until so many attempts wait for an operator, and so many were stopped."""

        async def so() -> bool:
            query = "select count(*) filter (where state = 11), count(*) filter (where state = 6) from attempts"
            row = await self.pools["dispatch"].fetchrow(f"{query} join batches using (batch)")
            return row is not None and (held, stopped) == tuple(row)

        await until(so)

    async def until_sent(self, letters: int) -> None:
        """Wait until so many letters were handed over."""

        async def sent() -> bool:
            return len(self.notify.kept) >= letters

        await until(sent)

    async def until_mailed(self, mails: int) -> None:
        """Wait until so many e-mails were handed over."""

        async def sent() -> bool:
            return len(self.mails.taken) >= mails

        await until(sent)

    async def until_asked_or_sent(self, letters: int) -> None:
        """Wait until dispatch has been told how far deduplication is, or more letters were handed over."""

        async def so() -> bool:
            query = "select exists (select from known where channel = $1)"
            told = await self.pools["dispatch"].fetchval(query, int(Channel.LETTER))
            return bool(told) or len(self.notify.kept) > letters

        await until(so)

    async def until_called_back(self) -> None:
        """Wait until everybody knows how the one recall ended, and routing the new address."""
        query = "select (select count(*) from recalls where over_since is not null) * (select count(*) from addresses)"

        async def over() -> bool:
            return bool(await self.pools["routing"].fetchval(query))

        await until(over)


@asynccontextmanager
async def _run(
    installation: Installation, settings: Mapping[str, str], pools: Mapping[str, Pool], ready: Path
) -> AsyncIterator[Run]:
    async with NotifyServer().serve() as notify, MailServer().serve() as mails, installation.room.running():
        by_notify = {"HERAUT_LETTER_PROVIDER": "notify", "HERAUT_NOTIFY_URL": notify.url}
        by_notify |= {"HERAUT_NOTIFY_KEY": MADE_UP_KEY, "HERAUT_NOTIFY_CALLBACK_TOKEN": TOKEN}
        letters = load(LetterConfig, {**settings, **by_notify})
        emails = load(EmailConfig, {**settings, "HERAUT_SMTP_URL": f"smtp://127.0.0.1:{mails.port}"})
        async with running(
            partial(routing, load(RoutingConfig, settings)),
            partial(tracking, load(TrackingConfig, settings)),
            partial(dispatching, Channel.LETTER, letters, ready_file=ready),
            partial(dispatching, Channel.EMAIL, emails),
        ):

            async def is_ready() -> bool:
                return await asyncio.to_thread(ready.exists)

            await until(is_ready)
            url = await asyncio.to_thread(ready.read_text, "utf-8")
            async with ClientSession(url, headers=installation.source.headers) as face:
                yield Run(installation, notify, mails, face, pools)


async def test_what_an_operator_decides_about_rejected_letters_goes_by_the_record_of_then(
    installation: Installation, settings: Mapping[str, str], room_pool: RoomPool, tmp_path: Path
) -> None:
    """Nobody goes to e-mail for what Notify cannot print; everybody is told once, where their record says by then.

    One was corrected before the rejection (too late for the letter that turned out to be none), one after it.
    """
    pools = {room: await room_pool(room) for room in ("routing", "dispatch", "tracking")}
    async with asyncio.timeout(120.0), _run(installation, settings, pools, tmp_path / "letters.ready") as run:
        await installation.put(channels=["letter", "email"])
        await installation.opened()
        await installation.uploaded(*map(_record, EVERYBODY))
        await installation.room.has_members(len(EVERYBODY))
        await installation.released()
        await run.until_counted("tracking", "notified", len(EVERYBODY))

        nowhere = dict.fromkeys(("street", "houseNumber", "postcode", "city"))
        await installation.uploaded(_record(CORRECTED_BEFORE, email="new@mail.example", **nowhere))
        await run.until_called_back()
        rejected = await run.reject(HANDED_OVER_AGAIN, GIVEN_UP, CORRECTED_BEFORE, CORRECTED_AFTER)
        await run.until_rejected(held=3, stopped=1)
        await run.until_mailed(1)
        mailed = [to for to, _ in run.mails.taken]

        await installation.uploaded(_record(CORRECTED_AFTER, street="Nieuweweg"))
        await run.until_rejected(held=2, stopped=2)
        await run.until_sent(6)
        again = await run.decide("again")
        await run.until_counted("tracking", "notified", len(EVERYBODY))
        rejected += await run.reject(GIVEN_UP)
        await run.until_rejected(held=1, stopped=2)
        given_up = await run.decide("give-up")
        await run.until_counted("tracking", "notified", len(EVERYBODY))
        held = await run.count("dispatch", "held_unprinted")

    told = sorted((street, number) for street, number, reference in run.sent() if reference not in rejected)
    assert (["new@mail.example"], 2, 1, 0) == (mailed, again, given_up, held)
    assert [("Nieuweweg", CORRECTED_AFTER), ("Oudeweg", TOLD_AT_ONCE), ("Oudeweg", HANDED_OVER_AGAIN)] == told
    assert ["new@mail.example", f"old-{GIVEN_UP}@mail.example"] == sorted(to for to, _ in run.mails.taken)
    assert 8 == len(run.notify.kept)


async def test_what_an_operator_decides_overtakes_no_correction(
    installation: Installation, settings: Mapping[str, str], room_pool: RoomPool, tmp_path: Path
) -> None:
    """Corrected and acknowledged before the act, with deduplication behind: nobody is told at the old address."""
    pools = {room: await room_pool(room) for room in ("routing", "dispatch", "tracking")}
    gate = installation.room.gate
    async with asyncio.timeout(120.0), _run(installation, settings, pools, tmp_path / "letters.ready") as run:
        await installation.put(channels=["letter", "email"])
        await installation.opened()
        await installation.uploaded(*map(_record, EVERYBODY))
        await installation.room.has_members(len(EVERYBODY))
        await installation.released()
        await run.until_counted("tracking", "notified", len(EVERYBODY))
        rejected = await run.reject(0, 1)
        await run.until_rejected(held=2, stopped=0)

        gate.topics, gate.shut = (MEMBERS_ACCEPTED,), EVERY_PARTITION
        await installation.uploaded(_record(0, street="Nieuweweg", email="new@mail.example"))
        decided = await run.decide("again")
        await run.until_asked_or_sent(len(EVERYBODY))
        early = len(run.notify.kept)
        gate.shut = ()
        await run.until_counted("tracking", "notified", len(EVERYBODY))
        await run.until_rejected(held=0, stopped=1)

    told = sorted((street, number) for street, number, reference in run.sent() if reference not in rejected)
    assert (2, len(EVERYBODY)) == (decided, early)
    assert [("Nieuweweg", 0), *(("Oudeweg", number) for number in EVERYBODY[1:])] == told
