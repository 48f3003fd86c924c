"""People of several identities: no permission overtakes what was acknowledged of any of them, in whatever partition."""

from dataclasses import replace

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_WITHDRAWN
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import PARTITIONS, Person, Scene, block, moves, people

ONE, OTHER = bytes([0]) * 3 + bytes([1]) * 13, bytes([0]) * 3 + bytes([2]) * 13  # in partitions 1 and 2
BY_ONE, BY_OTHER = Person(b"m" * 16, ONE), Person(b"n" * 16, OTHER)
CORRECTED = replace(BY_ONE, version=2, contact_since=2)
TIED = {ONE: (OTHER, 1)}


def heads(**last: int) -> list[int]:
    """Return heads by partition: `p1=3`."""
    return [last.get(f"p{partition}", 0) for partition in range(PARTITIONS)]


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with a cohort that is not released; both identities are known."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("c1", released=False)
    await made.take(block("c1", [BY_ONE], partition=1))
    await made.took({1: 1})
    return made


async def test_a_release_waits_for_what_is_on_its_way_in_the_old_home(scene: Scene) -> None:
    """The tie is taken, and the correction before it is not: the new home's partition has come so far, and waits."""
    await scene.take(moves(TIED, partition=2))
    await scene.took({2: 1})
    scene.cohort("c1", released=True, version=2, after=heads(p1=2, p2=1))
    early = [await scene.tick(), await scene.tick([2])]
    late = await scene.take(block("c1", [CORRECTED], partition=1, seq=2))
    await scene.took({1: 2})
    ((partition, notices),) = (await scene.tick()).notices

    assert [[], [], []] == [sent.ids for sent in (*early, late)]
    assert (2, [2]) == (partition, notices.versions)


async def test_who_comes_meanwhile_waits_as_well(scene: Scene) -> None:
    """Others of the incident come in blocks: the rule is the same for them as in a tick."""
    await scene.take(moves(TIED, partition=2))
    await scene.took({2: 1})
    scene.cohort("c1", released=True, version=2, after=heads(p1=2, p2=1))
    arrived = await scene.take(block("c1", people(2), partition=2, seq=2))

    assert ([], {"held_unreleased": 3}) == (arrived.ids, await scene.counts())


async def test_a_release_waits_for_the_tie_that_came_before_it(scene: Scene) -> None:
    """Nobody knows here of the tie, nor of the correction behind it: the release says that there are such people."""
    scene.cohort("c1", released=True, version=2, after=heads(p1=1, p2=2), tied=True)
    early = await scene.tick()
    tied = moves(TIED, partition=2)
    sent = await scene.take(tied, block("c1", [CORRECTED], partition=2, seq=2, homes=TIED))
    await scene.took({2: 2})
    ((partition, notices),) = (await scene.tick()).notices

    assert ([], []) == (early.ids, sent.ids)
    assert (2, [2]) == (partition, notices.versions)


async def test_the_end_of_a_pause_and_a_new_version_wait_as_well(scene: Scene) -> None:
    """All three permissions hold where all partitions have come so far."""
    scene.cohort("c1", released=True, version=2)
    scene.incident(version=2, channels=[Channel.EMAIL])
    scene.cohort("still", released=True, version=2)
    stays = replace(BY_OTHER, channels=int(Channel.EMAIL))
    scene.cohort("still", released=True, version=3, paused_since=3)
    await scene.take(block("still", [stays], partition=2))
    await scene.took({2: 1})
    scene.cohort("still", released=True, version=4, resumed_after=tuple(heads(p1=2, p2=1)), tied=True)
    scene.incident(version=3, channels=[Channel.EMAIL, Channel.LETTER], after=heads(p1=2, p2=1), tied=True)
    early = await scene.tick()
    await scene.took({1: 2})
    late = await scene.tick()

    assert ([], 2) == (early.ids, len(late.ids))


async def test_without_ties_each_partition_waits_for_its_own(scene: Scene) -> None:
    """No permission waits for another partition where nobody comes under two identities."""
    scene.cohort("c1", released=True, version=2, after=heads(p1=1, p2=7))

    assert 1 == len((await scene.tick()).ids)


async def test_a_notice_is_called_back_where_it_went(scene: Scene) -> None:
    """It went through the old home's partition, and lies there still: so does what concerns it, in its order."""
    scene.cohort("c1", released=True, version=2)
    (notice,) = (await scene.tick()).ids
    await scene.take(moves(TIED, partition=2))
    moved = await scene.take(block("c1", [CORRECTED], partition=2, seq=2, homes=TIED))
    await scene.take(moves({ONE: (ONE, 2)}, partition=1))
    again = replace(BY_ONE, version=3, contact_since=3)
    back = await scene.take(block("c1", [again], partition=1, seq=3, homes={ONE: (ONE, 2)}))

    assert ([notice], {notice: 1}) == (moved.recalled, moved.places)
    assert {notice} == {one for one, _, _ in (*moved.readdressed, *back.readdressed)}
    assert {notice: 1} == back.places


async def test_a_notice_that_moved_is_stopped_and_told_anew(scene: Scene) -> None:
    """The answer comes in the partition where the notice lies, and is about people of another one."""
    scene.cohort("c1", released=True, version=2)
    told = await scene.tick()
    await scene.take(moves(TIED, partition=2))
    await scene.take(block("c1", [replace(BY_ONE, version=2, channels=0, flags=FLAG_WITHDRAWN)], partition=2, seq=2))
    await scene.take(block("c1", [BY_OTHER], partition=2, seq=3))
    answered = await scene.answer([BY_OTHER], told.ids, stopped=True)

    assert told.ids == answered.over
    assert [(2, [BY_OTHER.member])] == [(partition, notices.members) for partition, notices in answered.notices]


async def test_dispatch_is_told_once_all_partitions_have_come_so_far(scene: Scene) -> None:
    """A correction in the new home's partition calls back what went through the old one's: each waits for all."""
    scene.cohort("c1", released=True, version=2)
    (notice,) = (await scene.tick()).ids
    scene.cohort("c1", released=True, version=4, resumed_after=tuple(heads(p1=1, p2=2)), tied=True)
    behind = await scene.tick()
    called = await scene.take(moves(TIED, partition=2), block("c1", [CORRECTED], partition=2, seq=2, homes=TIED))
    await scene.took({2: 2})
    said, again = await scene.tick(), await scene.tick()

    assert ({}, {notice: 1}) == (behind.known, called.places)
    assert [[0, 1, 2, 0, 0, 0, 0, 0]] * PARTITIONS == [said.marked[place] for place in range(PARTITIONS)]
    assert {} == again.known


async def test_ties_that_come_after_a_word_ask_for_another(scene: Scene) -> None:
    """What was said of one partition is not enough once some people come under two identities."""
    scene.cohort("c1", released=True, version=3, resumed_after=tuple(heads(p1=1, p2=1)))
    alone = await scene.tick()
    scene.cohort("c1", released=True, version=4, resumed_after=tuple(heads(p1=1, p2=1)), tied=True)
    behind = await scene.tick()
    await scene.took({2: 1})
    said = await scene.tick()

    assert [{1}, set(), set(range(PARTITIONS))] == [set(one.known) for one in (alone, behind, said)]
