"""A stop from end to end on each log: figures go to tracking, its rule comes back to intake, the cohort is paused."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientSession

from services.core.ledger import COUNTERS
from services.kit.config import load
from services.kit.postgres import Pool
from services.tracking.app import run
from services.tracking.config import Config
from tests.conftest import RoomPool
from tests.integration.release.test_release import COHORT, Installation, installation
from tests.logins import login_settings
from tests.waiting import until

__all__ = ["installation"]  # the fixture

SENT = 100


async def _handed_over(tracking: Pool) -> None:
    """Have so many letters counted as accepted."""
    figures = dict.fromkeys(("notified", "notices_settled", "accepted_letter"), SENT)
    counts = [figures.get(name, 0) for name in COUNTERS["tracking"]]
    await tracking.execute(
        "insert into totals (scope, source, sequence, counts) values ('lab/wave-1', '0', 1, $1)", counts
    )


def _settings(log_settings: Mapping[str, str], database_url: str, folder: Path) -> dict[str, str]:
    return {
        **log_settings, **login_settings(database_url), "HERAUT_DATA_DIR": str(folder), "HERAUT_HTTP_PORT": "0",
        "HERAUT_HTTP_HOST": "127.0.0.1", "HERAUT_PRINCIPALS_FILE": str(folder / "principals.json"),
        "HERAUT_KEYS_DIR": str(folder / "keys"),
    }  # fmt: skip


async def _shown(source: ClientSession) -> Any:
    async with source.get(COHORT) as response:
        return orjson.loads(await response.read())


async def test_complaints_stop_a_cohort_and_an_operator_lets_it_go_on(
    installation: Installation, room_pool: RoomPool, log_settings: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """By itself, by its rule, with what was found; let go on it stays so, until there are more."""
    source, stop = installation.source, asyncio.Event()

    async def complained(count: int) -> None:
        async with source.post(f"{COHORT}/figures", json={"complaints": count}) as response:
            assert response.ok

    async def paused() -> bool:
        return bool((await _shown(source))["paused"])

    await installation.opened()
    await installation.released()
    await _handed_over(await room_pool("tracking"))
    async with asyncio.timeout(120.0), asyncio.TaskGroup() as group:
        group.create_task(run(load(Config, _settings(log_settings, database_url, tmp_path)), stop))
        try:
            await complained(3)
            await until(paused)
            first = await _shown(source)
            async with source.post(f"{COHORT}/resume") as response:
                resumed = await response.json()
            await complained(5)
            await complained(9)
            await until(paused)
            second = await _shown(source)
        finally:
            stop.set()

    found = {"rule": "complaints", "count": 3, "of": SENT, "above": 0.02}
    assert ("rule:complaints", found) == (first["pausedBy"], first["stopped"])
    assert not resumed["paused"]
    assert ("rule:complaints", 9) == (second["pausedBy"], second["stopped"]["count"] + 3)
