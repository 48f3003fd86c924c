"""Members and cohorts that are taken back, from blocks to rows, counts and notices, on PostgreSQL."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.core.channel import CHANNELS
from services.core.notices import FLAG_WITHDRAWN
from services.core.policy import Correction, Policy
from services.core.witnesses import NO_WITNESSES
from services.deduplication import store, ticking
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Person, Scene, block, people
from tests.unit.deduplication.builders import IDS

NOWHERE = 0  # no channel


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with one released cohort `open` and two unreleased, `closed` and `late`."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("open", released=True)
    for name in ("closed", "late"):
        made.cohort(name, released=False)
    return made


def taken_back(rows: Sequence[Person], version: int = 2) -> list[Person]:
    """Return the withdrawals of these members, as intake writes them."""
    return [
        Person(
            one.member, one.person, version=version, exposed=0, channels=NOWHERE, flags=FLAG_WITHDRAWN,
            witnesses=NO_WITNESSES,
        )
        for one in rows
    ]  # fmt: skip


def again(rows: Sequence[Person]) -> list[Person]:
    """Return other members of the same people."""
    return [replace(one, member=one.member[::-1]) for one in rows]


async def ticked(scene: Scene) -> list[bytes]:
    """Tick until nothing is left to be done; return the notices that went out."""
    ids: list[bytes] = []
    for _ in range(20):
        sent = await scene.tick()
        ids += sent.ids
    return ids


async def test_withdrawn_before_the_release_is_never_told(scene: Scene) -> None:
    """In whatever order member and withdrawal come, in one batch or two; a replay of both changes nothing."""
    rows = people(6)
    await scene.take(block("closed", rows[:2]))
    await scene.take(block("closed", taken_back(rows[:2])))
    await scene.take(block("closed", taken_back(rows[2:4])))
    await scene.take(block("closed", rows[2:4]))
    await scene.take(block("closed", rows[4:]), block("closed", taken_back(rows[4:])))
    scene.cohort("closed", released=True, version=2)
    told = await ticked(scene)
    again_sent = await scene.take(block("closed", rows), block("closed", taken_back(rows)))

    assert ([], []) == (told, again_sent.ids)
    assert {"withdrawn": 6} == await scene.counts()
    assert 6 <= scene.entered["withdrawn"]


async def test_a_person_that_comes_back_is_told_once(scene: Scene) -> None:
    """The next record is told like any other; taken back again after that, it stays told, and no third is sent."""
    rows = people(2)
    await scene.take(block("closed", rows))
    await scene.take(block("closed", taken_back(rows)))
    scene.cohort("closed", released=True, version=2)
    back = await scene.take(block("closed", [replace(one, version=3) for one in rows]))
    gone = await scene.take(block("closed", taken_back(rows, 4)))
    last = await scene.take(block("closed", [replace(one, version=5) for one in rows]))

    assert (2, [], []) == (len(back.ids), gone.ids, last.ids)
    assert {"released": 2} == await scene.counts()


async def test_the_others_of_a_withdrawn_member_are_decided_again(scene: Scene) -> None:
    """Who was merged into it bears the notice, if it can be written to; its facts are told no more."""
    rows = people(3)
    await scene.take(block("closed", [replace(one, exposed=3) for one in rows]))
    await scene.take(block("late", again(rows), at=2000))
    await scene.take(block("closed", taken_back(rows)))
    scene.cohort("late", released=True, version=2)
    sent = await scene.tick()

    assert [1] * 3 == [exposed for _, notices in sent.notices for exposed in notices.exposed]
    assert {one.member: "released" for one in again(rows)} | {one.member: "withdrawn" for one in rows} == (
        await scene.outcomes()
    )


async def test_a_cancelled_cohort_counts_as_withdrawn_and_frees_the_others(scene: Scene) -> None:
    """All its members but those that were told; the people of other cohorts are told by these, some in each tick."""
    rows = people(7)
    await scene.take(block("open", rows[:2]))
    await scene.take(block("open", [replace(rows[2], channels=NOWHERE)]))
    await scene.take(block("closed", again(rows[3:5]), at=500))
    await scene.take(block("late", rows[3:5]))
    await scene.take(block("late", rows[5:], at=1000))
    scene.cohort("late", released=True, version=2)
    scene.cohort("open", released=True, version=2, cancelled=True)
    scene.cohort("closed", released=False, version=2, cancelled=True)
    told = await ticked(scene)

    assert 4 == len(told) == len(set(told))
    assert {"released": 6, "withdrawn": 3} == await scene.counts()
    assert 0 == await scene.pool.fetchval("select count(*) from members where waits > 0")


async def test_members_that_come_after_the_cancellation_are_withdrawn_at_once(scene: Scene) -> None:
    """New people over columns, and those who are known from another cohort."""
    rows = people(5)
    await scene.take(block("late", again(rows[:2])))
    scene.cohort("open", released=True, version=2, cancelled=True)
    sent = await scene.take(block("open", [*rows, replace(rows[4], member=b"n" * 16, exposed=3)]))

    assert [] == sent.ids
    assert {"withdrawn": 6, "held_unreleased": 2} == await scene.counts()


async def test_many_members_of_a_cancelled_cohort_are_reached(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some in each tick, across the ends of what is looked through at once, other cohorts' rows in between."""
    monkeypatch.setattr(store, "_ROWS_A_LOOK", 7)
    monkeypatch.setattr(ticking, "PERSONS_A_TICK", 5)
    rows = people(40)
    await scene.take(block("closed", rows[:25]), block("late", [*again(rows[20:25]), *rows[25:]], at=2000))
    await scene.take(block("late", again(rows[:5]), at=2000))
    scene.cohort("closed", released=False, version=2, cancelled=True)
    first = await scene.tick()
    withdrawn = (await scene.counts())["withdrawn"]
    await ticked(scene)

    assert [] == first.ids
    assert 0 < withdrawn <= 5
    assert {"withdrawn": 25, "held_unreleased": 20 + 5} == await scene.counts()


async def test_a_cancellation_whose_transaction_was_lost_is_done_again(scene: Scene) -> None:
    """What was looked through counts only once it is written: a tick that is rolled back leaves nobody behind."""
    rows = people(4)
    await scene.take(block("closed", rows))
    scene.cohort("closed", released=False, version=2, cancelled=True)
    async with scene.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await scene.handler.tick(connection, range(8))
        await transaction.rollback()
    before = await scene.counts()
    await ticked(scene)

    assert {"held_unreleased": 4} == before
    assert {"withdrawn": 4} == await scene.counts()


async def test_an_owner_of_some_partitions_touches_no_others(scene: Scene) -> None:
    """Each owner withdraws the members of its own partitions."""
    rows = people(4)
    await scene.take(block("closed", rows[:2], partition=1), block("closed", rows[2:], partition=2))
    scene.cohort("closed", released=False, version=2, cancelled=True)
    for _ in range(3):
        await scene.tick([2])
    half = await scene.counts()
    for _ in range(3):
        await scene.tick([1, 2])

    assert {"held_unreleased": 2, "withdrawn": 2} == half
    assert {"withdrawn": 4} == await scene.counts()


async def test_a_cancel_in_the_middle_of_a_release_stops_the_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some were freed by a tick, then the cohort is cancelled: those stay told, nobody else is, and all are counted."""
    monkeypatch.setattr(ticking, "PERSONS_A_TICK", 4)
    rows = people(10)
    await scene.take(block("closed", rows))
    scene.cohort("closed", released=True, version=2)
    first = await scene.tick()
    scene.cohort("closed", released=True, version=3, cancelled=True)
    later = await ticked(scene)

    assert (4, []) == (len(first.ids), later)
    assert {"released": 4, "withdrawn": 6} == await scene.counts()


async def test_looking_through_uses_the_key(scene: Scene) -> None:
    """No scan of the incident in each tick: the next rows are found by their place."""
    await scene.take(block("closed", people(3)))
    await scene.pool.execute("set enable_seqscan = off")
    number = await scene.pool.fetchval("select number from incidents")
    plan = await scene.explain(store._QUERIES["of_cancelled"], number, b"", 0, [1], [0], 100)

    assert "members_pkey" in plan
    assert "Sort" not in plan.split("CTE looked_at")[1].split("CTE")[0]


async def test_what_was_released_is_called_back_and_its_people_are_told_by_others(scene: Scene) -> None:
    """By a withdrawal and by a cancelled cohort; until the answer nothing moves, and a repeat of it changes nothing."""
    rows = people(4)
    first = await scene.take(block("open", rows))
    await scene.take(block("late", again(rows[:1]), at=2000))
    withdrawn = await scene.take(block("open", taken_back(rows[:2])))
    before = await scene.counts()
    scene.cohort("late", released=True, version=2)
    scene.cohort("open", released=True, version=2, cancelled=True)
    cancelled = [notice for _ in range(3) for notice in (await scene.tick()).recalled]
    stopped = await scene.answer(rows[:3], first.ids[:3], stopped=True)
    begun = await scene.answer(rows[3:], first.ids[3:], stopped=False)
    repeated = await scene.answer(rows[:3], first.ids[:3], stopped=True)

    assert ({*first.ids[:2]}, {*first.ids[2:]}) == ({*withdrawn.recalled}, {*cancelled})
    assert {"released": 4, "merged": 1} == before
    assert [again(rows)[0].member] == [member for _, notices in stopped.notices for member in notices.members]
    assert ({*first.ids[:3]}, first.ids[3:]) == ({*stopped.over}, begun.over)
    assert ([], []) == (repeated.ids, repeated.recalled)
    assert {"released": 2, "withdrawn": 3} == await scene.counts()


async def test_whoever_was_told_hears_that_it_does_not_hold(scene: Scene) -> None:
    """By the policy: a record that was withdrawn, and a cohort that was cancelled, once; what comes back is news."""
    scene.incident(channels=CHANNELS, policy=Policy(correction=Correction.WHEN_WHOLLY_WITHDRAWN))
    one, *others = people(4)
    first = await scene.take(block("open", [one]), block("late", others))
    scene.cohort("late", released=True, version=2)
    late = await ticked(scene)
    await scene.take(block("open", taken_back([one])))
    sent = await scene.answer([one], first.ids, stopped=False)
    scene.cohort("late", released=False, version=3, cancelled=True)
    waiting = await ticked(scene)
    by_id = dict(zip((IDS.of(row.person, 1) for row in others), others, strict=True))
    cancelled = (await scene.answer([by_id[notice] for notice in late], late, stopped=False)).ids
    await scene.take(block("open", [replace(one, version=3)]))
    back = await scene.answer([one], sent.ids, stopped=False)

    assert [(0, [2], [0], [1], [1])] == [
        (partition, n.revisions, n.exposed, n.told_exposed, n.versions) for partition, n in sent.notices
    ]
    assert ([], 3, []) == (waiting, len(cancelled), await ticked(scene))
    assert [(3, 1, 0)] == [(n.revisions[0], n.exposed[0], n.told_exposed[0]) for _, n in back.notices]
    assert {"released": 4} == await scene.counts()
    assert {"released": 1, "taken_back": 3} == Counter((await scene.outcomes()).values())
