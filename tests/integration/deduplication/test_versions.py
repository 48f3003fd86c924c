"""A new version of the incident's document never overtakes data: what it permits waits, what it stops does not."""

from dataclasses import replace

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_WITHDRAWN, Notices
from services.core.policy import Correction, OnIdentityConflict, Pace, Policy
from services.kit.errors import ConfigError
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Person, Scene, Sent, block, people
from tests.unit.deduplication.said import Said, packed

EMAIL, LETTER, PORTAL = Channel.EMAIL, Channel.LETTER, Channel.PORTAL
HEADS = (0, 2, 0, 0, 0, 0, 0, 0)  # two blocks of partition 1 came before the newest version
BOTH = int(EMAIL | LETTER)


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with a released cohort, and an incident whose notices go by letter."""
    made = Scene(await room_pool("deduplication"))
    made.incident(channels=[LETTER])
    made.cohort("wave", released=True)
    return made


def by_email(count: int) -> list[Person]:
    """Return people who have an e-mail address, and no other."""
    return [replace(one, channels=int(EMAIL)) for one in people(count)]


def sent_to(sent: Sent) -> list[Notices]:
    """Return the notices that went out."""
    return [notices for _, notices in sent.notices]


async def test_a_channel_opens_once_corrections_that_came_before_are_known(scene: Scene) -> None:
    """An address was taken back before e-mail was opened, and deduplication is behind: nobody is told there."""
    rows = by_email(3)
    await scene.take(block("wave", rows, partition=1))
    await scene.took({1: 1})
    scene.incident(version=2, channels=[EMAIL, LETTER], after=HEADS)
    behind = await scene.tick()
    gone = replace(rows[0], version=2, channels=0, flags=FLAG_WITHDRAWN)
    corrected = await scene.take(block("wave", [gone], partition=1, seq=2))
    await scene.took({1: 2})
    opened = await scene.tick()

    assert ([], []) == (behind.ids, corrected.ids)
    ((_, notices),) = opened.notices
    assert {one.member for one in rows[1:]} == set(notices.members)


async def test_it_opens_in_each_partition_by_itself(scene: Scene) -> None:
    """Partitions that are as far go on."""
    rows = by_email(2)
    await scene.take(block("wave", rows[:1], partition=1), block("wave", rows[1:], partition=2))
    await scene.took({1: 1, 2: 1})
    scene.incident(version=2, channels=[EMAIL], after=HEADS)

    assert [[rows[1].member]] == [notices.members for notices in sent_to(await scene.tick())]


async def test_who_comes_meanwhile_is_told_by_what_was_open_before(scene: Scene) -> None:
    """Their notices name no channel that is not open here yet, so that routing takes none."""
    scene.incident(version=2, channels=[EMAIL, LETTER], after=HEADS)
    alone, twice = (replace(one, channels=BOTH) for one in people(2))
    other = replace(twice, member=b"o" * 16, exposed=2)
    ((_, early),) = (await scene.take(block("wave", [alone, twice, other], partition=1))).notices
    await scene.took({1: 2})
    late = await scene.take(block("wave", [replace(people(3)[2], channels=BOTH)], partition=1, seq=3))

    assert (2, [int(LETTER)] * 2) == (early.incident_version, early.channels)
    assert [[BOTH]] == [notices.channels for notices in sent_to(late)]


async def test_a_channel_closes_at_once(scene: Scene) -> None:
    """Version 2 opens e-mail and closes letters: until all is known, nobody is told at all."""
    scene.incident(version=2, channels=[EMAIL], after=HEADS)
    rows = [replace(one, channels=BOTH) for one in people(2)]
    arrived = await scene.take(block("wave", rows, partition=1))
    held = await scene.counts()
    await scene.took({1: 2})
    opened = await scene.tick()

    assert ([], {"held_unreachable": 2}) == (arrived.ids, held)
    assert 2 == len(opened.ids)


async def test_a_channel_that_was_closed_meanwhile_does_not_open_before_its_time(scene: Scene) -> None:
    """It was open, is closed by the second version and opened by the third: the stop between them holds until then."""
    scene.incident(version=2, channels=[EMAIL], after=(0,) * 8)
    scene.incident(version=3, channels=[LETTER], after=HEADS)
    rows = people(2)
    arrived = await scene.take(block("wave", rows, partition=1))
    await scene.took({1: 2})

    assert ([], 2) == (arrived.ids, len((await scene.tick()).ids))


async def test_conflicts_are_let_go_once_what_came_before_is_known(scene: Scene) -> None:
    """The policy held people who contradict each other; a correction may have settled who they are."""
    scene.incident(version=2, channels=[LETTER], policy=Policy(OnIdentityConflict.HOLD))
    one, other = people(2)
    rows = [
        replace(one, witnesses=packed(Said(birth=(1980, 1, 1)))),
        replace(other, person=one.person, witnesses=packed(Said(birth=(1990, 2, 2)))),
    ]
    await scene.take(block("wave", rows, partition=1))
    await scene.took({1: 1})
    scene.incident(version=3, channels=[LETTER], after=HEADS)
    behind = await scene.tick()
    await scene.took({1: 2})

    assert ([], 2) == (behind.ids, len((await scene.tick()).ids))


async def test_the_slower_pace_holds_until_what_came_before_is_known(scene: Scene) -> None:
    """Version 3 sets the pace of two a day free: the third is told once all is known."""
    scene.incident(version=2, channels=[LETTER], policy=Policy(pace=Pace(per_day=2)))
    await scene.take(block("wave", people(5), partition=1))
    await scene.took({1: 1})
    scene.incident(version=3, channels=[LETTER], after=HEADS)
    behind = [len((await scene.tick()).ids) for _ in range(4)]
    await scene.took({1: 2})

    assert (2, 3) == (sum(behind), len((await scene.tick()).ids))


async def test_corrections_are_sent_only_where_both_versions_want_them(scene: Scene) -> None:
    """One goes to the address that is known here, so it waits like any notice; a policy that ends does not."""
    rows = people(2)
    told = await scene.take(block("wave", [replace(one, exposed=3) for one in rows], partition=1))
    await scene.answer(rows, told.ids, stopped=False)
    always = Policy(correction=Correction.ALWAYS)
    scene.incident(version=2, channels=[LETTER], policy=always, after=HEADS)
    early = await scene.take(block("wave", [replace(rows[0], version=2, contact_since=1)], partition=1, seq=2))
    await scene.took({1: 3})
    late = await scene.take(block("wave", [replace(rows[1], version=2, contact_since=1)], partition=1, seq=4))
    scene.incident(version=3, channels=[LETTER], after=HEADS)
    ended = await scene.take(
        block("wave", [replace(rows[1], version=3, exposed=3, contact_since=1)], partition=1, seq=5)
    )

    assert ([], 1, []) == (early.ids, len(late.ids), ended.ids)


async def test_a_version_of_another_number_of_partitions_is_an_error(scene: Scene) -> None:
    """What it comes after must be known of each partition."""
    scene.incident(version=2, channels=[EMAIL], after=(0,) * 7)

    with pytest.raises(ConfigError, match="version 2 was put on 7 partitions, HERAUT_PARTITIONS is 8"):
        await scene.take(block("wave", people(1)))
