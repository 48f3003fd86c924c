"""What is taken back while deduplication is behind: intake's process, deduplication's stage."""

from collections.abc import Mapping

import pytest

from services.kit.postgres import Pool
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
from tests.waiting import until

__all__ = ["installation"]  # the fixture

OTHER = COHORT.replace("wave-1", "other")
RELEASED, WITHDRAWN = 0, 8


@pytest.fixture
async def pool(room_pool: RoomPool) -> Pool:
    """Return connections as deduplication."""
    return await room_pool("deduplication")


async def withdrawn(installation: Installation, count: int) -> None:
    """Withdraw the first members of the cohort."""
    for at in range(count):
        async with installation.source.post(f"{COHORT}/withdrawals", json={"memberRef": f"m-{at}"}) as response:
            assert (200, True) == (response.status, (await response.json())["changed"])


async def cancelled(installation: Installation) -> int:
    """Cancel the cohort; return the version that says so."""
    async with installation.source.post(f"{COHORT}/cancel") as response:
        assert response.ok
        return int((await response.json())["version"])


async def standing(pool: Pool, expected: Mapping[int, int]) -> None:
    """Wait until so many members stand in each outcome."""

    async def stand() -> bool:
        rows = await pool.fetch("select outcome, count(*) as members from members group by outcome")
        return {row["outcome"]: row["members"] for row in rows} == expected

    await until(stand)


async def test_nobody_is_told_by_a_record_that_was_withdrawn_before_the_release(
    installation: Installation, pool: Pool
) -> None:
    """Withdrawals acknowledged, then the release, with all of deduplication behind; all are counted."""
    room = installation.room
    async with room.running():
        await installation.filled()
        room.gate.shut = EVERY_PARTITION
        await withdrawn(installation, 10)
        await room.knows("lab", "wave-1", await installation.released())
        room.gate.shut = ()
        await standing(pool, {RELEASED: PEOPLE - 10, WITHDRAWN: 10})
        told = await room.notices()

    assert PEOPLE - 10 == sum(map(len, told.values()))


@ON_THE_EMBEDDED_LOG
async def test_a_cancel_stops_a_release_at_once(installation: Installation, pool: Pool) -> None:
    """The release waits for data that deduplication has not read; the cancel waits for nothing, and is final."""
    room = installation.room
    async with room.running():
        await installation.filled()
        room.gate.shut = EVERY_PARTITION
        await installation.sent("Nieuwe weg")
        await installation.released()
        await room.knows("lab", "wave-1", await cancelled(installation))
        await standing(pool, {WITHDRAWN: PEOPLE})
        room.gate.shut = ()
        await room.knows("lab", "wave-1", 3)
        await standing(pool, {WITHDRAWN: PEOPLE})

    assert {} == await room.notices()


@ON_THE_EMBEDDED_LOG
async def test_people_of_another_released_cohort_are_told_by_that_one(installation: Installation, pool: Pool) -> None:
    """The cancelled cohort's members bear nothing; each of its people who is in the other is told once."""
    room = installation.room
    async with room.running():
        await installation.opened()
        await installation.opened(OTHER)
        await installation.sent("Oude weg")
        await room.has_members(PEOPLE)
        await installation.sent("Oude weg", cohort=OTHER, keys=KEYS[:10])
        await room.has_members(PEOPLE + 10)
        await room.knows("lab", "wave-1", await cancelled(installation))
        await room.knows("lab", "other", await installation.released(OTHER))
        await standing(pool, {RELEASED: 10, WITHDRAWN: PEOPLE})
        told = await room.notices()

    assert 10 == sum(map(len, told.values()))


@ON_THE_EMBEDDED_LOG
async def test_a_restart_looks_for_whom_a_cancel_missed(installation: Installation, pool: Pool) -> None:
    """The process ends after the cancel and before its tick: the next one withdraws everybody."""
    room = installation.room
    async with room.running():
        await installation.filled()
    version = await cancelled(installation)
    async with room.running():
        await room.knows("lab", "wave-1", version)
        await standing(pool, {WITHDRAWN: PEOPLE})

    assert {} == await room.notices()
