"""Pauses against a real PostgreSQL: nothing goes out that names the facts of a paused cohort."""

from dataclasses import replace

import pytest

from services.kit.errors import ConfigError
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Scene, block, people
from tests.unit.deduplication.builders import IDS


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with two cohorts that are released, of which `still` is paused."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("open", released=True)
    made.cohort("still", released=True, version=2, paused_since=2)
    return made


async def test_nobody_is_told_while_paused_and_each_once_after(scene: Scene) -> None:
    """Who comes during a pause is held and counted as such; its end frees everybody, once."""
    rows = people(60)
    arrived = await scene.take(block("still", rows))
    held, ticked = await scene.counts(), await scene.tick()
    scene.cohort("still", released=True, version=3)
    freed, again = await scene.tick(), await scene.tick()

    assert ({"held_paused": 60}, [], []) == (held, arrived.ids, ticked.ids)
    assert ({IDS.of(one.person, 1) for one in rows}, []) == (set(freed.ids), again.ids)
    assert {"released": 60} == await scene.counts()
    assert 0 == await scene.pool.fetchval("select count(*) from members where waits > 0")


async def test_a_pause_stops_a_release_that_is_under_way(scene: Scene) -> None:
    """Who was held when the release came, and when the pause came after it, is not told."""
    scene.cohort("closed", released=False)
    await scene.take(block("closed", people(40)))
    scene.cohort("closed", released=True, version=3, paused_since=3)
    sent = await scene.tick()

    assert ([], {"held_paused": 40}) == (sent.ids, await scene.counts())


async def test_a_person_of_two_cohorts_waits_for_both(scene: Scene) -> None:
    """News of a cohort that goes on waits while another's facts would be in the notice: no half, no twice."""
    rows = people(10)
    await scene.take(block("still", rows))
    arrived = await scene.take(block("open", [replace(one, member=one.member[::-1], exposed=2) for one in rows]))
    held = await scene.counts()
    scene.cohort("still", released=True, version=3)
    ((_, notices),) = (await scene.tick()).notices

    assert ([], {"held_paused": 10, "merged": 10}) == (arrived.ids, held)
    assert ([3] * 10, [("open", "still")] * 10) == (notices.exposed, notices.carriers)


async def test_an_unreleased_cohort_that_is_paused_stops_others_notices(scene: Scene) -> None:
    """Its facts would be told with those of others; what is not released anyway counts as that."""
    scene.cohort("closed", released=False, version=2, paused_since=2)
    rows = people(4)
    await scene.take(block("closed", rows))
    before = await scene.counts()
    sent = await scene.take(block("open", [replace(one, member=one.member[::-1]) for one in rows]))

    assert ([], {"held_unreleased": 4}) == (sent.ids, before)
    assert {"held_paused": 4, "merged": 4} == await scene.counts()


async def test_news_of_who_was_told_waits_with_a_cohort_that_told_it(scene: Scene) -> None:
    """A supplement says again what the paused cohort said: it waits, and is a supplement after the pause."""
    rows = people(3)
    scene.cohort("still", released=True, version=3)
    await scene.take(block("still", rows))
    scene.cohort("still", released=True, version=4, paused_since=4)
    more = [replace(one, member=one.member[::-1], exposed=2) for one in rows]
    sent = await scene.take(block("open", more))
    held = await scene.counts()
    scene.cohort("still", released=True, version=5)
    ((_, notices),) = (await scene.tick()).notices

    assert ([], {"released": 3, "held_paused": 3}) == (sent.ids, held)
    assert ([2] * 3, [3] * 3) == (notices.revisions, notices.exposed)


async def test_cancelling_a_paused_cohort_frees_the_others_news(scene: Scene) -> None:
    """A cancelled cohort says nothing any more: what others say of its people goes out without it."""
    rows = people(5)
    await scene.take(block("still", rows))
    await scene.take(block("open", [replace(one, member=one.member[::-1], exposed=2) for one in rows]))
    scene.cohort("still", released=True, version=3, cancelled=True)
    ((_, notices),) = (await scene.tick()).notices

    assert [2] * 5 == notices.exposed
    assert {"released": 5, "withdrawn": 5} == await scene.counts()


async def test_the_end_of_a_pause_waits_in_each_partition_for_what_came_before_it(scene: Scene) -> None:
    """What was acknowledged before the resume is known before anybody is told; other partitions go on."""
    rows = people(4)
    await scene.take(block("still", rows[:2], partition=1), block("still", rows[2:], partition=2))
    await scene.took({1: 1, 2: 1})
    scene.cohort("still", released=True, version=3, resumed_after=(0, 1, 2, 0, 0, 0, 0, 0))
    early = await scene.tick()
    await scene.took({2: 2})
    late = await scene.tick()

    assert {IDS.of(one.person, 1) for one in rows[:2]} == set(early.ids)
    assert {IDS.of(one.person, 1) for one in rows[2:]} == set(late.ids)


async def test_a_resume_on_another_number_of_partitions_is_an_error(scene: Scene) -> None:
    """What it comes after must be known of each partition."""
    scene.cohort("still", released=True, version=3, resumed_after=(0,) * 7)

    with pytest.raises(ConfigError, match="resumed on 7 partitions, HERAUT_PARTITIONS is 8"):
        await scene.take(block("still", people(1)))
