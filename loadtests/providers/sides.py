"""The providers of a run with faults: which there are, what they are told to do wrong, and whom they were handed.

`stand-ins` are the demo's: a portal, a mail server, and a print house by SFTP. The others are a store of FBS in the
portal's place, a mail provider over HTTP or Notify for e-mail, and Notify for letters.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.providers.mail_api import MailApiServer
from loadtests.providers.misbehaving import SimulatedProvider
from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import Channel
from services.core.rooms import dispatch_stage
from services.demo.provider_records import read_provider_records, record_file
from services.demo.standins.faults import faults_of

__all__ = ["SIDES", "Side", "StandIns", "side_of"]

_OIN: Final = "00000001823288444000"  # made up
_TEMPLATE: Final = "f33517ff-2a88-4f6e-b855-c550268ce08a"
_TOKEN: Final = "made-up-callback"  # noqa: S105 - of a simulator


class Side(ABC):
    """All providers of one run."""

    standins: tuple[str, ...] = ()  # arguments of the stand-ins' process
    patience = 150.0  # seconds without any progress; a mail that is put off twice waits for a minute and a half

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return what Heraut must know to hand over to them."""

    def began(self, fleet: Fleet) -> None:
        """Take note of where Heraut listens."""
        del fleet

    def portal_id(self, number: int) -> str | None:
        """Return what a person's account at the portal is called; None = as made-up people have it."""
        del number
        return None

    @abstractmethod
    def hand_overs(self, records: Path) -> Iterator[str]:
        """Return each hand-over that a provider kept, as what is told apart: a notice, or a person."""

    @abstractmethod
    async def misbehave(self, fleet: Fleet, http: aiohttp.ClientSession, faults: Mapping[str, Any]) -> None:
        """Have all do this wrong from now on."""

    @abstractmethod
    async def shut(self, fleet: Fleet, http: aiohttp.ClientSession, seconds: float) -> None:
        """Let nobody reach any of them for so long."""

    async def settled(self, fleet: Fleet, http: aiohttp.ClientSession) -> bool:
        """Tell whether they have looked at all that they were given."""
        del fleet, http
        return True


class StandIns(Side):
    """The demo's stand-ins, in a process of their own."""

    standins = ("--sftp-dir",)

    def settings(self) -> dict[str, str]:
        """Return nothing: the fleet asks the stand-ins."""
        return {}

    def hand_overs(self, records: Path) -> Iterator[str]:
        """Return the notice of each."""
        yield from _portal_notices(records)
        for record in read_provider_records(record_file(records, Channel.EMAIL)):
            yield record["message"].partition("X-Heraut-Notice: ")[2].split(maxsplit=1)[0]
        for record in read_provider_records(record_file(records, Channel.LETTER)):
            yield from (letter["noticeId"] for letter in record["letters"])

    async def misbehave(self, fleet: Fleet, http: aiohttp.ClientSession, faults: Mapping[str, Any]) -> None:
        """Tell the control API."""
        for name in await _standins(fleet, http):
            await _tell(http, "PUT", f"{fleet.control_url}/{name}/faults", faults)

    async def shut(self, fleet: Fleet, http: aiohttp.ClientSession, seconds: float) -> None:
        """Tell the control API; a print house has no door, as it comes to fetch."""
        for name in await _standins(fleet, http):
            if name != "print":
                await _tell(http, "POST", f"{fleet.control_url}/{name}/outage", {"seconds": seconds})

    async def settled(self, fleet: Fleet, http: aiohttp.ClientSession) -> bool:
        """Tell whether the print house has looked at each file that is there."""
        shown = await _standins(fleet, http)
        marks = sum(1 for _ in (fleet.folder / "house" / "there" / "in").glob("*.done"))
        return bool(shown["print"]["figures"].get("requests", 0) == marks)


class Simulated(Side):
    """Providers that can be asked what they took, simulated in this process, beside the portal's stand-in."""

    patience = 400.0  # Notify is asked after two minutes, and once more after two

    def __init__(self, email: str, notify: NotifyServer, mail_api: MailApiServer, *, fbs: bool) -> None:
        """`email`: who is given e-mails. `fbs`: the portal is a store of FBS."""
        self._email, self._notify, self._mail_api, self._fbs = email, notify, mail_api, fbs

    def settings(self) -> dict[str, str]:
        """Return their addresses, and who we are there."""
        return {
            "HERAUT_EMAIL_PROVIDER": self._email,
            "HERAUT_LETTER_PROVIDER": "notify",
            "HERAUT_LETTER_FORMAT": "pdf",
            "HERAUT_NOTIFY_URL": self._notify.url,
            "HERAUT_NOTIFY_KEY": MADE_UP_KEY,
            "HERAUT_NOTIFY_TEMPLATE": _TEMPLATE,
            "HERAUT_NOTIFY_CALLBACK_TOKEN": _TOKEN,
            "HERAUT_MAIL_API_URL": self._mail_api.url,
            "HERAUT_MAIL_API_TOKEN": self._mail_api.token,
            **({"HERAUT_PORTAL_OIN": _OIN} if self._fbs else {}),
        }

    def began(self, fleet: Fleet) -> None:
        """Let Notify call where it is to tell of deliveries."""
        url = fleet.urls(dispatch_stage(Channel.EMAIL))[0]
        self._notify.callback = (f"{url}/v1/notify/statuses", _TOKEN)

    def portal_id(self, number: int) -> str | None:
        """Return a typed number, where a store of FBS asks for one."""
        return f"BSN:{100_000_000 + number}" if self._fbs else None

    def hand_overs(self, records: Path) -> Iterator[str]:
        """Return the notice of each; a store of FBS is told none, so there the person."""
        if self._fbs:
            for record in read_provider_records(record_file(records, Channel.PORTAL)):
                yield record["ontvanger"]["waarde"]
        else:
            yield from _portal_notices(records)
        yield from (one["reference"].partition(".")[0] for one in self._notify.kept)
        yield from (mail["Metadata"]["attempt"].partition(".")[0] for _at, mail in self._mail_api.taken)

    async def misbehave(self, fleet: Fleet, http: aiohttp.ClientSession, faults: Mapping[str, Any]) -> None:
        """Set their faults, and tell the portal's stand-in."""
        for one in self._servers:
            one.faults = faults_of(faults)
        await _tell(http, "PUT", f"{fleet.control_url}/portal/faults", faults)

    async def shut(self, fleet: Fleet, http: aiohttp.ClientSession, seconds: float) -> None:
        """Shut their doors."""
        for one in self._servers:
            one.door.shut_for(seconds)
        await _tell(http, "POST", f"{fleet.control_url}/portal/outage", {"seconds": seconds})

    @property
    def _servers(self) -> tuple[SimulatedProvider, ...]:
        return self._notify, self._mail_api


# By name: who is given e-mails, and whether the portal is a store of FBS.
SIDES: Final[Mapping[str, tuple[str, bool] | None]] = {
    "stand-ins": None, "fbs, mail-api, notify": ("mail-api", True), "portal, notify": ("notify", False),
}  # fmt: skip


@asynccontextmanager
async def side_of(name: str) -> AsyncIterator[Side]:
    """Run the providers that a name of `SIDES` means."""
    about = SIDES[name]
    if about is None:
        yield StandIns()
        return
    async with AsyncExitStack() as running:
        notify = await running.enter_async_context(NotifyServer().serve())
        mail_api = await running.enter_async_context(MailApiServer().serve())
        yield Simulated(about[0], notify, mail_api, fbs=about[1])


def _portal_notices(records: Path) -> Iterator[str]:
    for record in read_provider_records(record_file(records, Channel.PORTAL)):
        yield record["key"].partition(".")[0]


async def _standins(fleet: Fleet, http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get(fleet.control_url) as answer:
        found: dict[str, Any] = orjson.loads(await answer.read())
        return found


async def _tell(http: aiohttp.ClientSession, method: str, url: str, body: Mapping[str, Any]) -> None:
    async with http.request(method, url, data=orjson.dumps(body)) as answer:
        text = await answer.text()
        assert answer.status < 300, text[:500]
