"""Canary and pace against a real PostgreSQL: owners share one row, and never let more go than it says."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.core.channel import CHANNELS, Channel
from services.core.policy import Pace, Policy
from services.deduplication.handlers import DeduplicationHandler
from services.kit.eventlog import Record
from services.wire.recalls import Recall, encode_stopped
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import INCIDENT, Person, Scene, block, people, read_back
from tests.integration.deduplication.test_withdrawals import taken_back
from tests.unit.deduplication.builders import IDS

DAY = 24 * 3600


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication."""
    return Scene(await room_pool("deduplication"))


async def _told(scene: Scene, ticks: int = 3) -> int:
    return sum([len((await scene.tick()).ids) for _ in range(ticks)])


async def _filled(scene: Scene, count: int = 80, cohort: str = "wave") -> None:
    rows = people(count)
    for partition in range(8):
        await scene.take(block(cohort, rows[partition::8], partition=partition))


async def test_a_canary_lets_exactly_so_many_go(scene: Scene) -> None:
    """Who comes waits for a tick; over all partitions, however often it ticks, N go; a wider one lets the rest go."""
    scene.cohort("wave", released=True, version=2, canary=50)
    await _filled(scene)
    arrived, told = await scene.counts(), await _told(scene)
    await _filled(scene)  # again: nothing new
    scene.handler = scene.new_handler()  # a restart
    again = await _told(scene)
    scene.cohort("wave", released=True, version=3, canary=60)
    wider = await _told(scene)
    scene.cohort("wave", released=True, version=4)

    assert ({"held_unreleased": 80}, 50, 0, 10, 20) == (arrived, told, again, wider, await _told(scene))
    assert {"released": 80} == await scene.counts()


async def test_owners_that_tick_at_once_let_no_more_go(scene: Scene) -> None:
    """Two processes with four partitions each: together they let go what is left, and nobody waits for a lock."""
    scene.cohort("wave", released=True, version=2, canary=33)
    await _filled(scene)
    owners = [(scene.new_handler(), range(4)), (scene.new_handler(), range(4, 8))]

    async def tick(handler: DeduplicationHandler, partitions: range) -> int:
        async with scene.connection() as connection, connection.transaction():
            sent = read_back(await handler.tick(connection, list(partitions)))
            await asyncio.sleep(0)
        return len(sent.ids)

    told = [sum(await asyncio.gather(*(tick(*owner) for owner in owners))) for _ in range(4)]

    assert (33, 0) == (sum(told), told[-1])
    assert 33 == await scene.pool.fetchval("select total from quotas")


async def test_an_owner_that_holds_the_row_keeps_nobody_waiting(scene: Scene) -> None:
    """While one transaction takes from the limit another finds nobody's turn; a lost one gives back what it took."""
    scene.cohort("wave", released=True, version=2, canary=30)
    await _filled(scene, 40)
    await scene.tick()  # the limit has its row
    async with scene.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        lost = read_back(await scene.handler.tick(connection, [0, 1, 2, 3]))
        meanwhile = await scene.tick([4, 5, 6, 7])
        await transaction.rollback()

    assert (20, 0) == (len(lost.ids), len(meanwhile.ids))
    assert 30 == await _told(scene)


async def test_a_pace_lets_so_many_go_a_day(scene: Scene) -> None:
    """Over restarts, from midnight in the Netherlands on, until all are told."""
    scene.cohort("wave", released=True, version=2, per_day=30)
    await _filled(scene)
    days = []
    for _ in range(4):
        days.append(await _told(scene))
        scene.handler = scene.new_handler()
        assert 0 == await _told(scene)
        scene.clock.advance(DAY)

    assert [30, 30, 20, 0] == days


async def test_what_waits_for_another_day_is_not_looked_at(scene: Scene) -> None:
    """With nothing left, a tick reads the limit and looks for nobody, however many wait."""
    scene.cohort("wave", released=True, version=2, per_day=10)
    await _filled(scene)
    await _told(scene)
    before = scene.store.looks
    idle = await _told(scene, 5)

    assert (0, before) == (idle, scene.store.looks)


async def test_an_incidents_pace_holds_for_all_its_cohorts(scene: Scene) -> None:
    """What is released as a whole goes at the incident's pace as well, and at once when the pace is gone."""
    scene.incident(version=2, channels=CHANNELS, policy=Policy(pace=Pace(per_day=25)))
    scene.cohort("wave", released=True, version=2)
    scene.cohort("other", released=True, version=2, canary=20)
    await _filled(scene, 40)
    rows = people(40, seed=2)
    await scene.take(block("other", rows))
    first = await _told(scene)
    scene.clock.advance(DAY)
    second = await _told(scene)
    scene.incident(version=3, channels=CHANNELS)
    rest = await _told(scene)

    assert (25, 25) == (first, second)
    assert 60 == first + second + rest
    assert 20 == await scene.pool.fetchval("select total from quotas join cohorts on number = cohort")


async def test_a_channels_pace_lets_the_others_go(scene: Scene) -> None:
    """Letters at five a day, e-mail freely; who waits for the printer is found by its next day alone."""
    scene.incident(version=2, channels=CHANNELS, policy=Policy(pace=Pace(per_channel={Channel.LETTER: 5})))
    scene.cohort("wave", released=True, version=2)
    rows = people(30)
    await scene.take(block("wave", [replace(one, channels=int(Channel.EMAIL)) for one in rows[:10]]))
    await scene.take(block("wave", rows[10:]))
    first = await _told(scene)
    marked = await scene.pool.fetchval("select count(*) from members where waits = 20")
    idle = await _told(scene)
    scene.clock.advance(DAY)
    second = await _told(scene)
    scene.incident(version=3, channels=CHANNELS)

    assert (15, 15, 0, 5, 10) == (first, marked, idle, second, await _told(scene))
    assert 0 == await scene.pool.fetchval("select count(*) from members where waits > 0")


async def test_a_paused_canary_takes_nothing(scene: Scene) -> None:
    """What waits for its turn stays unreleased, and has its turn after the pause."""
    scene.cohort("wave", released=True, version=2, canary=10, paused_since=2)
    await _filled(scene, 20)
    paused, held = await _told(scene), await scene.counts()
    scene.cohort("wave", released=True, version=3, canary=10)

    assert (0, {"held_unreleased": 20}, 10) == (paused, held, await _told(scene))


async def test_cancelling_a_canary_stops_it(scene: Scene) -> None:
    """Whoever was told stays told; all others are withdrawn."""
    scene.cohort("wave", released=True, version=2, canary=10)
    await _filled(scene, 20)
    await _told(scene)
    scene.cohort("wave", released=True, version=3, canary=10, cancelled=True)

    assert 0 == await _told(scene)
    assert {"released": 10, "withdrawn": 10} == await scene.counts()


async def test_a_cancel_in_the_middle_of_a_canary_calls_back_what_has_not_begun(scene: Scene) -> None:
    """Those whose notices were stopped are withdrawn like those who waited; what had begun stays told."""
    scene.cohort("wave", released=True, version=2, canary=10)
    rows = people(20)
    await scene.take(block("wave", rows))
    told = [one for each in [await scene.tick() for _ in range(3)] for one in each.ids]
    scene.cohort("wave", released=True, version=3, canary=10, cancelled=True)
    recalled = [one for each in [await scene.tick() for _ in range(3)] for one in each.recalled]
    whose = _whose(rows, recalled)
    await scene.answer(whose[:6], recalled[:6], stopped=True)
    await scene.answer(whose[6:], recalled[6:], stopped=False)

    assert (10, sorted(told)) == (len(told), sorted(recalled))
    assert 0 == await _told(scene)
    assert {"released": 4, "withdrawn": 16} == await scene.counts()


async def test_a_correction_in_the_middle_of_a_canary_is_told_to_who_waits(scene: Scene) -> None:
    """Whoever was told is not told again, as the facts are the same; the others are told once, by the new record."""
    scene.cohort("wave", released=True, version=2, canary=10)
    rows = people(20)
    await scene.take(block("wave", rows))
    first = [one for each in [await scene.tick() for _ in range(3)] for one in each.ids]
    await scene.take(block("wave", [replace(one, version=2) for one in rows]))
    meanwhile = await _told(scene)
    scene.cohort("wave", released=True, version=3)
    later = [await scene.tick() for _ in range(3)]

    assert (10, 0) == (len(first), meanwhile)
    assert {2} == {version for each in later for _, notices in each.notices for version in notices.versions}
    assert (10, set()) == (
        sum(len(each.ids) for each in later),
        set(first) & {one for each in later for one in each.ids},
    )


@pytest.mark.parametrize(("stopped", "at_once", "later"), [(True, 10, 0), (False, 0, 4)])
async def test_new_facts_of_who_had_a_turn_take_another(
    scene: Scene, *, stopped: bool, at_once: int, later: int
) -> None:
    """With the canary spent a supplement waits, where the notice had begun; one that was stopped gave its turn back."""
    scene.cohort("wave", released=True, version=2, canary=10)
    rows = people(10)
    await scene.take(block("wave", rows))
    first = await _told(scene)
    recalled = (await scene.take(block("wave", [replace(one, version=2, exposed=3) for one in rows]))).recalled
    await scene.answer(_whose(rows, recalled), recalled, stopped=stopped)
    meanwhile = await _told(scene)
    scene.cohort("wave", released=True, version=3, canary=14)

    assert (10, 10, at_once, later) == (first, len(recalled), meanwhile, await _told(scene))


def _whose(rows: Sequence[Person], notices: Sequence[bytes]) -> list[Person]:
    persons = {IDS.of(one.person, 1): one for one in rows}
    return [persons[notice] for notice in notices]


async def test_a_notice_that_was_stopped_gives_its_turn_to_somebody_else(scene: Scene) -> None:
    """Of a canary N are told, whoever was called back in time; what had begun, or is answered again, gives none."""
    scene.cohort("wave", released=True, version=2, canary=3)
    rows = people(9)
    await scene.take(block("wave", rows))
    first = [notice for _ in range(2) for notice in (await scene.tick()).ids]
    by_notice = {IDS.of(one.person, 1): one for one in rows}
    told = [by_notice[notice] for notice in first]
    await scene.take(block("wave", taken_back(told)))
    await scene.answer(told[:2], first[:2], stopped=True)
    await scene.answer(told[2:], first[2:], stopped=False)
    again = await _told(scene)
    await scene.answer(told[:2], first[:2], stopped=True)
    once_more = await _told(scene)

    assert (3, 2, 0) == (len(first), again, once_more)
    assert {"released": 3, "withdrawn": 2, "held_unreleased": 4} == await scene.counts()


async def test_a_turn_whose_answer_was_lost_is_given_back_once(scene: Scene) -> None:
    """What a transaction gave back that did not commit is taken still; the answer comes again."""
    scene.cohort("wave", released=True, version=2, canary=2)
    rows = people(6)
    await scene.take(block("wave", rows))
    first = [notice for _ in range(2) for notice in (await scene.tick()).ids]
    told = [one for one in rows if IDS.of(one.person, 1) in first]
    await scene.take(block("wave", taken_back(told)))
    answers = [(Recall(0, IDS.of(one.person, 1), one.person, INCIDENT), True) for one in told]
    (output,) = encode_stopped(answers)
    work = [scene.handler.decode(Record(output.topic, 0, 0, "dispatch-letter", 1, 0, output.value))]
    async with scene.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await scene.handler.apply(connection, work)
        await transaction.rollback()
    lost = await _told(scene)
    await scene.answer(told, [IDS.of(one.person, 1) for one in told], stopped=True)

    assert (2, 0, 2) == (len(first), lost, await _told(scene))


async def test_a_turn_of_a_pace_is_not_given_back(scene: Scene) -> None:
    """What went on a day went on it: the next day has as many again."""
    scene.cohort("wave", released=True, version=2, per_day=3)
    rows = people(9)
    await scene.take(block("wave", rows))
    first = [notice for _ in range(2) for notice in (await scene.tick()).ids]
    told = [one for one in rows if IDS.of(one.person, 1) in first]
    await scene.take(block("wave", taken_back(told)))
    await scene.answer(told, [IDS.of(one.person, 1) for one in told], stopped=True)

    assert (3, 0, 0) == (len(first), await _told(scene), await scene.pool.fetchval("select count(*) from turns"))
