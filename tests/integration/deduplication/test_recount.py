"""Deduplication's figures agree with its rows, whatever became of people; what was bent is found."""

from dataclasses import replace

import pytest

from services.cli.recount import Recount, recount
from services.core.channel import CHANNELS
from services.core.ledger import COUNTERS
from services.core.notices import (
    FLAG_DECEASED,
    FLAG_NOT_AT_ADDRESS,
    FLAG_NOT_DECEASED,
    FLAG_RETRACTED,
    FLAG_WITHDRAWN,
)
from services.core.policy import Correction, Policy
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import INCIDENT, Scene, block, people
from tests.unit.deduplication.builders import IDS
from tests.unit.deduplication.said import Said, packed

HELD = COUNTERS["deduplication"].index("held_unreleased") + 1  # its place in a row of counts


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication after two cohorts in which people stand in every place, and are moved between them."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("open", released=True)
    made.cohort("closed", released=False)
    made.cohort("still", released=True, version=2, paused_since=2)
    rows = people(60)
    again = [replace(one, member=one.member[::-1]) for one in rows]
    await made.take(block("open", rows[:20], partition=1), block("closed", rows[20:40], partition=2))
    await made.take(block("closed", [*again[:5], *again[20:25]], partition=1, at=2))
    await made.take(block("open", [replace(one, channels=0) for one in rows[40:44]], at=3))
    await made.take(block("open", [replace(one, flags=int(FLAG_DECEASED)) for one in rows[44:47]], at=3))
    await made.take(block("open", [replace(one, flags=int(FLAG_NOT_AT_ADDRESS)) for one in rows[47:49]], at=3))
    await made.take(block("open", [replace(rows[0], version=2, flags=int(FLAG_RETRACTED))], partition=1, at=4))
    await made.take(block("open", [replace(rows[40], version=2)], at=4))
    await made.take(block("open", [replace(rows[53], flags=FLAG_WITHDRAWN)], at=4))
    await made.take(block("still", rows[54:58], at=4))
    both = FLAG_DECEASED, FLAG_NOT_DECEASED
    torn = [replace(one, person=rows[58].person, flags=flag) for one, flag in zip(rows[58:], both, strict=True)]
    await made.take(block("open", torn, at=4))
    # One identity: two people who contradict each other, and a record that could be either's.
    born = [packed(Said((1980, 1, day), frozenset({name}))) for day, name in ((1, "jan"), (2, "pit"))]
    shared = [replace(one, person=rows[50].person) for one in rows[50:53]]
    told = [replace(one, witnesses=said) for one, said in zip(shared, born, strict=False)]
    await made.take(block("open", told, at=5), block("open", [shared[2]], at=5))
    # Somebody was told, and the record is another person's: nobody is left who could hear of it.
    made.incident(channels=CHANNELS, policy=Policy(correction=Correction.ALWAYS))
    await made.take(block("open", [replace(rows[19], version=2, flags=int(FLAG_RETRACTED))], partition=1, at=6))
    await made.answer([rows[19]], [IDS.of(rows[19].person, 1)], stopped=False)
    return made


async def _differing(database_url: str) -> list[str]:
    return [str(one) for one in await recount(database_url, INCIDENT) if not one.agrees]


async def _seen(database_url: str) -> list[Recount]:
    return [one for one in await recount(database_url) if one.room == "deduplication"]


async def test_figures_agree_wherever_people_stand(scene: Scene, database_url: str) -> None:
    """Each counter has somebody in it, and is what its rows come to, before a release and after it."""
    before = await _seen(database_url)
    scene.cohort("closed", released=True, version=2)
    await scene.tick()
    after = await _seen(database_url)

    assert [] == [one for one in (*before, *after) if not one.agrees]
    assert set(COUNTERS["deduplication"]) == {one.figure for one in before if one.rows}
    assert (21, 0) == tuple(
        sum(one.rows for one in found if one.figure == "held_unreleased") for found in (before, after)
    )


@pytest.mark.parametrize(
    ("bend", "found"),
    [
        ("delete from members where outcome = 2 and member = (select min(member) from members where outcome = 2)",
         ["lab-2025/open: deduplication counted 3 suppressed, and has rows of 2"]),
        (f"update totals set counts[{HELD}] = counts[{HELD}] + 1 where scope = 'lab-2025/closed' and source = '2'",
         ["lab-2025/closed: deduplication counted 22 held_unreleased, and has rows of 21"]),
        ("update members set outcome = 1 where outcome = 5",
         ["lab-2025/open: deduplication counted 0 merged, and has rows of 2",
          "lab-2025/open: deduplication counted 2 held_not_at_address, and has rows of 0"]),
    ],
)  # fmt: skip
async def test_what_was_bent_is_found(scene: Scene, database_url: str, bend: str, found: list[str]) -> None:
    """A row that is gone, a counter that moved alone, a member that stands elsewhere: named by cohort and figure."""
    assert [] == await _differing(database_url)
    await scene.pool.execute(bend)

    assert found == await _differing(database_url)
