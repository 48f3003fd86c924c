"""A policy that comes to want corrections: whoever was told before what does not hold hears so, once."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.core.channel import CHANNELS
from services.core.notices import FLAG_RETRACTED
from services.core.policy import Correction, Policy
from services.deduplication import correcting, store
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Person, Scene, block, people
from tests.integration.deduplication.test_withdrawals import again, taken_back
from tests.unit.deduplication.builders import IDS

ALWAYS, WHOLLY = Correction.ALWAYS, Correction.WHEN_WHOLLY_WITHDRAWN


def first_notices(rows: Sequence[Person]) -> list[bytes]:
    """Return the ids of these people's first notices."""
    return [IDS.of(one.person, 1) for one in rows]


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication after people were told: of two each, a record was withdrawn, cancelled, and corrected.

    Of the last two nothing changed. No correction was wanted then.
    """
    made = Scene(await room_pool("deduplication"))
    made.cohort("open", released=True)
    made.cohort("gone", released=True)
    rows = [replace(one, exposed=3) for one in people(8)]
    await made.take(block("open", [*rows[:2], *rows[4:]]), block("gone", rows[2:4]))
    await made.answer(rows, first_notices(rows), stopped=False)
    await made.take(block("open", taken_back(rows[:2])))
    made.cohort("gone", released=True, version=2, cancelled=True)
    await made.take(block("open", [replace(one, version=2, exposed=1) for one in rows[4:6]]))
    assert [] == await ticked(made)
    return made


async def ticked(scene: Scene, times: int = 12) -> list[bytes]:
    """Tick until nothing is left to be done; return the persons' notices that were corrected."""
    corrected: list[bytes] = []
    for _ in range(times):
        sent = await scene.tick()
        corrected += [before for _, notices in sent.notices for before in notices.supersedes]
    return corrected


def wants(scene: Scene, correction: Correction, version: int = 2) -> None:
    """Change the incident's policy."""
    scene.incident(version=version, channels=CHANNELS, policy=Policy(correction=correction))


@pytest.mark.parametrize(("correction", "last"), [(ALWAYS, 6), (WHOLLY, 4)])
async def test_who_was_told_before_the_policy_changed_is_corrected_once(
    scene: Scene, correction: Correction, last: int
) -> None:
    """Whatever the new policy wants; a new owner, who looks through all of them again, corrects nobody twice."""
    rows = people(8)
    wants(scene, correction)
    corrected = await ticked(scene)
    scene.handler = scene.new_handler()
    once_more = await ticked(scene)

    assert (sorted(first_notices(rows[:last])), []) == (sorted(corrected), once_more)


async def test_a_policy_that_is_made_stricter_once_more_corrects_the_others(scene: Scene) -> None:
    """First those of whose facts none is left, then those of whose facts some are."""
    rows = people(8)
    wants(scene, WHOLLY)
    wholly = await ticked(scene)
    wants(scene, ALWAYS, version=3)

    assert (4, sorted(first_notices(rows[4:6]))) == (len(wholly), sorted(await ticked(scene)))


async def test_many_are_reached_some_in_each_tick(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the ends of what is looked through at once, with records of the same people in between."""
    monkeypatch.setattr(store, "ROWS_A_LATE_LOOK", 3)
    monkeypatch.setattr(correcting, "PERSONS_A_LOOK", 2)
    rows = people(8)
    await scene.take(block("open", [replace(one, exposed=1) for one in again(rows)], at=2000))
    wants(scene, ALWAYS)
    first = [len(n.ids) for _, n in (await scene.tick()).notices]
    rest = await ticked(scene, times=25)

    assert sum(first) <= 2
    assert (6, 6) == (sum(first) + len(rest), len({*first_notices(rows[:6])}))


async def test_corrections_whose_transaction_was_lost_are_made_again(scene: Scene) -> None:
    """What was looked through counts only once nothing changes there any more."""
    wants(scene, ALWAYS)
    async with scene.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await scene.handler.tick(connection, range(8))
        await transaction.rollback()

    assert 6 == len(await ticked(scene))


@pytest.mark.parametrize("versions", [1, 3])
async def test_a_policy_that_never_changed_has_nobody_to_look_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, versions: int
) -> None:
    """Everybody was decided under the policy that holds, whatever else the document says: nobody's rows are read."""

    async def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(scene.store, "told_otherwise", refused)
    scene.incidents = type(scene.incidents)()
    for version in range(1, versions + 1):
        scene.incident(version=version, channels=CHANNELS[:version], policy=Policy(correction=ALWAYS))
    scene.cohort("open", released=True)
    scene.handler = scene.new_handler()

    assert [] == await ticked(scene, times=2)


async def test_a_policy_that_was_another_once_is_looked_for_by_each_new_owner(scene: Scene) -> None:
    """Who was told under it is found though the newest versions have one policy, and none is known of a version."""
    wants(scene, ALWAYS)
    wants(scene, ALWAYS, version=4)

    assert 6 == len(await ticked(scene))


async def test_a_record_that_turned_out_to_be_somebody_elses_is_listed(scene: Scene) -> None:
    """Its person was told as if for the first time then, or nobody is left: what was told in error stays counted."""
    rows = people(8)
    await scene.take(block("open", [replace(rows[6], version=2, flags=FLAG_RETRACTED)]))
    wants(scene, ALWAYS)
    await ticked(scene)

    assert 1 == (await scene.counts())["uncorrected"]


async def test_looking_through_uses_the_keys(scene: Scene) -> None:
    """No scan of the incident in each tick: rows are found by their place, their people and notices by theirs."""
    await scene.pool.execute("set enable_seqscan = off")
    number = await scene.pool.fetchval("select number from incidents")
    plan = await scene.explain(store._QUERIES["told_otherwise"], number, b"", 0, [1], [0], 100)

    assert "notices_pkey" in plan
    assert "Sort" not in plan.split("CTE looked_at")[1].split("CTE")[0]


async def test_a_policy_that_comes_back_finds_who_was_told_meanwhile(scene: Scene) -> None:
    """What was taken back while nobody was to be corrected is corrected once the incident wants it again."""
    rows = people(8)
    wants(scene, ALWAYS)
    await ticked(scene)
    wants(scene, Correction.NONE, version=3)
    await scene.take(block("open", taken_back(rows[6:])))
    assert [] == await ticked(scene)
    wants(scene, ALWAYS, version=4)

    assert sorted(first_notices(rows[6:])) == sorted(await ticked(scene))
