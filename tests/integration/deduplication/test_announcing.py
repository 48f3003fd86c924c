"""After a pause deduplication says how far it knows intake's blocks, behind all that they call back; on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from services.kit.eventlog import Record
from services.wire.recalls import encode_asked
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import INCIDENT, PARTITIONS, Scene, Sent, block, people


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with one cohort, of which nothing was ever held back."""
    made = Scene(await room_pool("deduplication"))
    made.cohort("wave", released=True)
    return made


def resumed_after(**heads: int) -> Sequence[int]:
    """Return heads by partition: `p1=3`."""
    return [heads.get(f"p{partition}", 0) for partition in range(PARTITIONS)]


async def ticks(scene: Scene, count: int = 3) -> list[Sent]:
    """Tick some times; return what went out."""
    return [await scene.tick() for _ in range(count)]


async def test_the_end_of_a_pause_is_told_once_and_behind_what_is_called_back(scene: Scene) -> None:
    """Deduplication is behind with a correction that was acknowledged before the end: it is called back first."""
    rows = people(4)
    told = await scene.take(block("wave", rows, partition=1))
    await scene.took({1: 1})
    scene.cohort("wave", released=True, version=3, resumed_after=tuple(resumed_after(p1=2)))
    behind = await ticks(scene)
    moved = [replace(one, version=2, contact_since=2) for one in rows[:2]]
    corrected = await scene.take(block("wave", moved, partition=1, seq=2))
    await scene.took({1: 2})
    first, *later = await ticks(scene)

    assert [{}] * 3 == [sent.known for sent in behind]
    assert set(corrected.recalled) == set(told.ids[:2])
    assert ({1: (2, 0)}, [{}, {}]) == (first.known, [sent.known for sent in later])


async def test_what_was_said_in_a_lost_transaction_is_said_again(scene: Scene) -> None:
    """After a rollback, and not after a restart."""
    await scene.took({1: 5})
    scene.cohort("wave", released=True, version=3, resumed_after=tuple(resumed_after(p1=4)))
    async with scene.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        lost = await scene.handler.tick(connection, range(PARTITIONS))
        await transaction.rollback()
    again = await scene.tick()
    scene.handler = scene.new_handler()
    restarted = await scene.tick()

    assert 1 == len(lost)
    assert ({1: (5, 0)}, {}) == (again.known, restarted.known)


async def test_a_second_pause_needs_a_word_of_its_own(scene: Scene) -> None:
    """Unless nothing was acknowledged between; while it holds nothing is said."""
    await scene.took({1: 9})
    scene.cohort("wave", released=True, version=3, resumed_after=tuple(resumed_after(p1=9)))
    first = await scene.tick()
    scene.cohort("wave", released=True, version=4, paused_since=4)
    paused = await scene.tick()
    scene.cohort("wave", released=True, version=5, resumed_after=tuple(resumed_after(p1=9)))
    same = await scene.tick()
    scene.cohort("wave", released=True, version=7, resumed_after=tuple(resumed_after(p1=10)))
    behind = await scene.tick()
    await scene.took({1: 11})
    second = await scene.tick()

    assert [{1: (9, 0)}, {}, {}, {}, {1: (11, 0)}] == [sent.known for sent in (first, paused, same, behind, second)]


async def test_it_is_said_again_before_the_log_forgets_it(scene: Scene) -> None:
    """A channel that is opened after a week begins where the log begins."""
    await scene.took({1: 5})
    scene.cohort("wave", released=True, version=3, resumed_after=tuple(resumed_after(p1=4)))
    first = await ticks(scene)
    scene.clock.advance(timedelta(days=1).total_seconds())
    next_day = await ticks(scene)

    assert [{1: (5, 0)}, {}, {}] * 2 == [sent.known for sent in (*first, *next_day)]


async def test_who_asks_is_told_behind_what_is_called_back(scene: Scene) -> None:
    """An operator's act waits in dispatch: it hears how far intake's blocks are known, with what those call back."""
    rows = people(4)
    await scene.take(block("wave", rows, partition=1))
    asked = encode_asked(INCIDENT, 1)
    question = Record(asked.topic, 1, 0, "dispatch-letter", 1, 0, asked.value)
    await scene.took({1: 1, 2: 9})
    behind = await scene.take(question)
    await scene.took({1: 2})
    moved = [replace(one, version=2, contact_since=2) for one in rows[:2]]
    sent = await scene.take(question, block("wave", moved, partition=1, seq=2), question)

    assert ({1: (1, 0)}, {1: (2, 2)}) == (behind.known, sent.known)


async def test_nothing_is_asked_where_no_pause_ever_ended(scene: Scene) -> None:
    """Cohorts that were never paused cost nothing; nor do those whose pause is over, once that was said."""
    await scene.took({1: 5})
    silent = await ticks(scene)
    scene.cohort("wave", released=True, version=3, resumed_after=tuple(resumed_after(p1=4)))
    never = scene.store.asked
    await ticks(scene, 5)

    assert ([{}] * 3, 0) == ([sent.known for sent in silent], never)
    assert 2 == scene.store.asked
