"""What holds through all rooms at once: intake's process, deduplication's stage, the others as they run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.core.channel import Channel
from services.core.ledger import COUNTERS
from services.demo.standins.portal import PortalServer
from services.dispatch.app import run as dispatching
from services.dispatch.config import LetterConfig, PortalConfig
from services.kit.config import load
from services.kit.postgres import Pool
from services.routing.app import run as routing
from services.routing.config import Config as RoutingConfig
from services.tracking.app import run as tracking
from services.tracking.config import Config as TrackingConfig
from tests.conftest import RoomPool
from tests.integration.release.deduplicating import EVERY_PARTITION
from tests.integration.release.test_release import (
    COHORT,
    KEYS,
    ON_THE_EMBEDDED_LOG,
    PEOPLE,
    Installation,
    installation,
)
from tests.logins import login_settings
from tests.unit.intake.builders import a_record
from tests.waiting import until

__all__ = ["installation"]  # the fixture

PROBE = COHORT.replace("wave-1", "probe")
Service = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


@pytest.fixture
def settings(log_settings: dict[str, str], database_url: str, tmp_path: Path) -> dict[str, str]:
    """Return the settings of every room but intake and deduplication."""
    return {
        **log_settings, **login_settings(database_url), "HERAUT_DATA_DIR": str(tmp_path), "HERAUT_HTTP_PORT": "0",
        "HERAUT_HTTP_HOST": "127.0.0.1", "HERAUT_PRINCIPALS_FILE": str(tmp_path / "principals.json"),
        "HERAUT_KEYS_DIR": str(tmp_path / "keys"), "HERAUT_PRINT_DIR": str(tmp_path / "print"),
    }  # fmt: skip


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Run services as long as the context lasts."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for one in services:
            group.create_task(one(stop))
        try:
            yield
        finally:
            stop.set()


def _record(at: int, key: str, portal_id: str) -> dict[str, Any]:
    return a_record(memberRef=f"m-{at}", bsn=None, personKey=key, portalId=portal_id, email=None, street=None)


async def _counted(pool: Pool, counter: str, stage: str) -> int:
    place = COUNTERS[stage].index(counter)
    return sum(row["counts"][place] for row in await pool.fetch("select counts from totals"))


async def _done(installation: Installation, act: str) -> None:
    async with installation.source.post(act) as response:
        assert response.ok


async def test_nobody_is_told_at_an_address_that_was_corrected_before_the_end_of_a_pause(
    installation: Installation, settings: Mapping[str, str], room_pool: RoomPool
) -> None:
    """Corrected during the pause, with deduplication behind as it ends: dispatch holds what it has until it is told.

    One who is told by a cohort that is released after that shows that dispatch has heard of the end.
    """
    room, dispatch = installation.room, await room_pool("dispatch")
    async with PortalServer().serve() as portal, asyncio.timeout(120.0), room.running():

        def recipients() -> set[str]:
            return {orjson.loads(body)["recipient"] for body in portal.taken.values()}

        async def set_aside() -> bool:
            return await _counted(dispatch, "set_aside", "dispatch") == PEOPLE

        async def probed() -> bool:
            return "probe" in recipients()

        async def told() -> bool:
            return len(portal.taken) > PEOPLE

        await installation.opened()
        await installation.opened(PROBE)
        await installation.uploaded(*(_record(at, key, f"old-{at}") for at, key in enumerate(KEYS[:PEOPLE])))
        await installation.uploaded(_record(0, KEYS[PEOPLE], "probe"), cohort=PROBE)
        await room.has_members(PEOPLE + 1)
        (open_to,) = await room.partitions("probe")
        config = load(RoutingConfig, settings)
        async with running(partial(routing, config)):
            await installation.released()
            await room.told(PEOPLE)
            await _done(installation, f"{COHORT}/pause")
            channel = load(PortalConfig, {**settings, "HERAUT_PORTAL_URL": portal.url})
            async with running(partial(dispatching, Channel.PORTAL, channel)):
                await until(set_aside)
                room.gate.shut = {*EVERY_PARTITION} - {open_to}
                await installation.uploaded(*(_record(at, key, f"new-{at}") for at, key in enumerate(KEYS[:PEOPLE])))
                await _done(installation, f"{COHORT}/resume")
                await installation.released(PROBE)
                await until(probed)
                early = recipients()
                room.gate.shut = ()
                await until(told)

    assert not [one for one in early if one.startswith("old")]
    assert {"probe", *(f"new-{at}" for at in range(PEOPLE))} == recipients()
    assert PEOPLE + 1 == len(portal.taken)


@ON_THE_EMBEDDED_LOG
async def test_who_cannot_be_printed_is_held_listed_corrected_and_told(
    installation: Installation, settings: Mapping[str, str], room_pool: RoomPool, tmp_path: Path
) -> None:
    """Dispatch refuses, routing has no channel left, tracking counts it held, intake lists it; then it is printed."""
    alone = {"email": None, "portalId": None}
    folder, pool = tmp_path / "print", await room_pool("tracking")

    async def listed() -> list[tuple[str, ...]]:
        async with installation.source.get(f"{COHORT}/problems") as response:
            found = (await response.json())["problems"]
        return [(one["kind"], one["memberRef"], one["reason"], *one["fields"]) for one in found]

    async def is_listed() -> bool:
        return bool(await listed())

    async def is_held() -> bool:
        return await _counted(pool, "held_unprintable", "tracking") == 1

    async def is_told() -> bool:
        return (await _counted(pool, "notified", "tracking"), await listed()) == (1, [])

    config = load(LetterConfig, settings)
    async with (
        asyncio.timeout(120.0),
        installation.room.running(),
        running(
            partial(routing, load(RoutingConfig, settings)),
            partial(tracking, load(TrackingConfig, settings)),
            partial(dispatching, Channel.LETTER, config),
        ),
    ):
        await installation.opened()
        await installation.released()
        await installation.uploaded(a_record(familyName="𐎠", **alone))
        await until(is_listed)
        await until(is_held)
        problems, printed = await listed(), sorted(folder.glob("*.done"))
        await installation.uploaded(a_record(familyName="Wang", **alone))
        await until(is_told)
        held = await _counted(pool, "held_unprintable", "tracking")
        (manifest,) = folder.glob("*.manifest.json")

    assert ([("held", "m-1", "unprintable", "familyName")], []) == (problems, printed)
    assert (0, 1) == (held, len(orjson.loads(manifest.read_bytes())["letters"]))
