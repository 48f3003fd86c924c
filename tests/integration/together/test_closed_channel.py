"""A channel that is closed while notices are on their way to it: through all rooms, on each log."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from services.core.access import Principal, Role
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
from services.tracking.closures import ClosureLists
from services.tracking.config import Config as TrackingConfig
from services.tracking.store import Store
from tests.conftest import RoomPool
from tests.integration.intake.conftest import a_document
from tests.integration.release.deduplicating import EVERY_PARTITION
from tests.integration.release.test_release import Installation, installation
from tests.integration.release.test_together import running, settings
from tests.unit.intake.builders import a_record
from tests.waiting import until

__all__ = ["installation", "settings"]  # fixtures

PEOPLE = 400
_LET_BEGIN = 2.0  # seconds after the answer


class _Portal(PortalServer):
    """A slow portal that notes when each message came."""

    def __init__(self) -> None:
        super().__init__()
        self.delay = 0.3
        self.came: dict[str, float] = {}

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a message."""
        self.came.setdefault(request.headers["Idempotency-Key"], asyncio.get_running_loop().time())
        return await super().take(request)


async def _counts(pool: Pool, stage: str) -> dict[str, int]:
    rows = [row["counts"] for row in await pool.fetch("select counts from totals")]
    return dict(zip(COUNTERS[stage], map(sum, zip(*rows, strict=True)), strict=False)) if rows else {}


def _printed(folder: Path) -> set[str]:
    manifests = [orjson.loads(one.read_bytes()) for one in folder.glob("*.manifest.json")]
    return {letter["noticeId"] for one in manifests for letter in one["letters"]}


def _moved_on(shown: Any) -> int | None:
    """Return how many moved on; None where not all is reported."""
    return shown["movedOn"].get("portal", 0) if shown and shown["closures"] and shown["complete"] else None


async def _close_the_portal(installation: Installation) -> Any:
    closing = a_document(compromisedChannels=["portal"])
    async with installation.source.put("/v1/incidents/lab", json=closing) as response:
        return await response.json()


async def test_who_waits_for_a_channel_that_is_closed_is_told_by_the_next_one(
    installation: Installation, settings: Mapping[str, str], room_pool: RoomPool, tmp_path: Path
) -> None:
    """Two seconds after the answer nothing begins, what had begun is listed, and all others get a letter."""
    pool, dispatch = await room_pool("tracking"), await room_pool("dispatch")
    by_letter = load(LetterConfig, {**settings, "HERAUT_LETTER_FORMAT": "ndjson"})
    lists = partial(ClosureLists, pool, Store(), partitions=len(EVERY_PARTITION))
    portal = _Portal()

    async def begun() -> bool:
        return len(portal.came) > 100

    async def told() -> bool:
        return (await _counts(pool, "tracking")).get("notified") == PEOPLE

    async def shown() -> Any:
        return await lists(incidents=installation.room.incidents).of(Principal("o", frozenset({Role.OPERATOR})), "lab")

    async def complete() -> bool:
        return _moved_on(await shown()) == (await _counts(dispatch, "dispatch")).get("moved_on_portal", 0)

    async with portal.serve(), asyncio.timeout(120.0), installation.room.running():
        await installation.opened()
        rows = [a_record(memberRef=f"m-{at}", bsn=None, personKey=f"{at:064x}", email=None) for at in range(PEOPLE)]
        await installation.uploaded(*rows)
        await installation.room.has_members(PEOPLE)
        async with running(
            partial(routing, load(RoutingConfig, settings)),
            partial(tracking, load(TrackingConfig, settings)),
            partial(dispatching, Channel.PORTAL, load(PortalConfig, {**settings, "HERAUT_PORTAL_URL": portal.url})),
            partial(dispatching, Channel.LETTER, by_letter),
        ):
            await installation.released()
            await until(begun)
            answer = await _close_the_portal(installation)
            answered = asyncio.get_running_loop().time()
            await until(told)
            await until(complete)
            closures, counted = await shown(), await _counts(dispatch, "dispatch")

    (closure,) = closures["closures"]
    listed = {f"{one['noticeId']}.{one['attempt']}" for one in closure["begun"]}
    letters = _printed(tmp_path / "print")
    assert ["portal"] == answer["closed"]
    assert {key for key, at in portal.came.items() if at > answered} <= listed <= portal.came.keys()
    assert [] == [key for key, at in portal.came.items() if at > answered + _LET_BEGIN]
    assert set() == {key.partition(".")[0] for key in portal.taken} & letters
    assert PEOPLE == len(portal.taken) + len(letters)
    assert 0 < counted["moved_on_portal"] == closures["movedOn"]["portal"] <= len(letters)
