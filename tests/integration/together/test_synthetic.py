"""The synthetic person through all rooms: it arrives on every channel, no provider sees it, and nothing of it stays."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from services.core.channel import CHANNELS, Channel
from services.deduplication.app import run as deduplicating
from services.deduplication.config import Config as DeduplicationConfig
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from services.dispatch.app import run as dispatching
from services.dispatch.config import LetterConfig, PortalConfig
from services.dispatch.mail_config import EmailConfig
from services.intake.app import run as taking_in
from services.intake.config import Config as IntakeConfig
from services.kit.config import ServiceConfig, load
from services.kit.postgres import Pool
from services.kit.vault.key_files import create_keys, load_keys
from services.routing.app import run as routing
from services.routing.config import Config as RoutingConfig
from services.tracking.app import run as tracking
from services.tracking.config import Config as TrackingConfig
from tests.conftest import RoomPool
from tests.integration.release.deduplicating import EVERY_PARTITION, Deduplicating
from tests.integration.release.test_release import ON_THE_EMBEDDED_LOG
from tests.integration.release.test_together import Service, running, settings
from tests.principals import bearer
from tests.waiting import until

__all__ = ["settings"]  # the fixture

_WAYS = len(EVERY_PARTITION) * len(CHANNELS)
# Where something of a synthetic person would stay, if it did; deduplication keeps it for an hour.
_TABLES = {
    "intake": ("members", "reference_blocks", "unsettled", "synthetic"),
    "vault": ("pages", "keys"),
    "routing": ("exhausted", "addresses", "came_back", "recalls"),
    "dispatch": ("batches", "attempts", "print_files", "print_runs"),
    "tracking": ("cohorts", "notices", "steps", "receipts", "refusals", "unread", "stage_totals", "totals"),
}


class Stack:
    """What every room is run with, and where its providers are."""

    def __init__(self, settings: Mapping[str, str], folder: Path, mails: MailServer, portal: PortalServer) -> None:
        self._settings = {**settings, "HERAUT_LETTER_FORMAT": "ndjson"}
        self._mails, self._portal, self._folder = mails, portal, folder
        create_keys(folder / "keys")
        self.headers = bearer(folder / "principals.json")

    def intake(self, **said: str) -> Service:
        """Return intake, which sends people as it is told."""
        config = load(IntakeConfig, {**self._settings, **said})
        return partial(taking_in, config, ready_file=self._folder / "intake")

    def behind_it(self) -> list[Service]:
        """Return all rooms but intake and deduplication."""
        given, letters = self._settings, {**self._settings}
        mails = {**given, "HERAUT_SMTP_URL": f"smtp://127.0.0.1:{self._mails.port}"}
        portal = {**given, "HERAUT_PORTAL_URL": self._portal.url}
        return [
            partial(routing, load(RoutingConfig, given)),
            partial(tracking, load(TrackingConfig, given)),
            partial(dispatching, Channel.LETTER, load(LetterConfig, letters)),
            partial(dispatching, Channel.EMAIL, load(EmailConfig, mails)),
            partial(dispatching, Channel.PORTAL, load(PortalConfig, portal)),
        ]

    def rooms(self) -> list[Service]:
        """Return all rooms but intake."""
        return [partial(deduplicating, load(DeduplicationConfig, self._settings)), *self.behind_it()]

    def told(self) -> list[Any]:
        """Return whatever a provider was given."""
        printed = [path for path in (self._folder / "print").rglob("*") if not path.is_dir()]
        return [*self._mails.taken, *self._portal.taken, *printed]

    async def figures(self, name: str) -> dict[tuple[str, ...], float]:
        """Return a metric of intake by its labels, their values in the order of their names."""
        url = (self._folder / "intake").read_text(encoding="utf-8")
        async with ClientSession(url, headers=self.headers) as session, session.get("/metrics") as response:
            families = text_string_to_metric_families(await response.text())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return {tuple(value for _, value in sorted(one.labels.items())): one.value for one in samples}


@pytest.fixture
async def stack(settings: dict[str, str], tmp_path: Path) -> AsyncIterator[Stack]:
    """Return the rooms' settings, and providers that run."""
    async with MailServer().serve() as mails, PortalServer().serve() as portal:
        yield Stack(settings, tmp_path, mails, portal)


async def _left(pool: Pool) -> dict[str, int]:
    """Return how many rows each table has that has any."""
    names = [f"{schema}.{table}" for schema, tables in _TABLES.items() for table in tables]
    counted = {name: await pool.fetchval(f"select count(*) from {name}") for name in names}
    return {name: count for name, count in counted.items() if count}


async def test_a_person_arrives_on_every_channel_of_every_partition_and_nothing_of_it_stays(
    stack: Stack, owner_pool: Pool
) -> None:
    """Each way is gone in turn; no provider is given anything, no ledger counts anybody, and all rows go."""

    async def went_all_ways() -> bool:
        return int(await owner_pool.fetchval("select max(number) from intake.synthetic_turns") or 0) >= _WAYS

    async def all_arrived() -> bool:
        return bool(await owner_pool.fetchval("select count(*) = 0 from intake.synthetic"))

    async with asyncio.timeout(120.0), running(stack.intake(HERAUT_SYNTHETIC_EVERY="50ms"), *stack.rooms()):
        await until(went_all_ways)
        await owner_pool.execute("update intake.synthetic_turns set at = 'infinity'")  # it is nobody's turn any more
        await until(all_arrived)
        lost = await stack.figures("heraut_synthetic_lost_total")
        left = await _left(owner_pool)
        gone = await owner_pool.fetch("select distinct partition, channels from deduplication.members")

    assert {(str(channel.label), str(one)) for one in EVERY_PARTITION for channel in CHANNELS} == lost.keys()
    assert {(partition, int(channel)) for partition in EVERY_PARTITION for channel in CHANNELS} == set(map(tuple, gone))
    assert ([], {}) == (stack.told(), left)


@ON_THE_EMBEDDED_LOG
async def test_who_comes_to_a_partition_that_stands_still_is_lost_until_it_moves_again(
    stack: Stack, settings: Mapping[str, str], database_url: str, room_pool: RoomPool, tmp_path: Path
) -> None:
    """The counter of that partition moves, which of the others somebody arrives; late ones are missing no more."""
    config = load(ServiceConfig, {**settings, "HERAUT_DATABASE_URL": database_url})
    room = Deduplicating(await room_pool("deduplication"), config, load_keys(tmp_path / "keys"))
    sending = stack.intake(
        HERAUT_SYNTHETIC_EVERY="100ms", HERAUT_SYNTHETIC_CHANNELS="portal", HERAUT_SYNTHETIC_LOST_AFTER="3s"
    )

    async def figure(name: str, *labels: str) -> float:
        return (await stack.figures(f"heraut_synthetic_{name}")).get(labels, 0.0)

    async def is_up() -> bool:
        return (tmp_path / "intake").exists()

    async def is_lost() -> bool:
        lost, missing = await figure("lost_total", "portal", "3"), await figure("missing", "portal", "3")
        return min(lost, missing, await figure("arrived_total", "portal")) > 0

    async def is_back() -> bool:
        return await figure("missing", "portal", "3") == 0

    room.gate.shut = (3,)
    async with asyncio.timeout(120.0), running(sending, *stack.behind_it()), room.running():
        await until(is_up)
        await until(is_lost)
        room.gate.shut = ()
        await until(is_back)
