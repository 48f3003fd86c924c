"""Notices of people who were told something before say since when their contact data stands: it may have come back."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.core.channel import Channel
from services.core.notices import FLAG_RETRACTED, FLAG_WITHDRAWN, Notices
from services.core.policy import Correction, Policy
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Scene, Sent, block, people

EVERY = (Channel.LETTER, Channel.EMAIL, Channel.PORTAL)


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with two released cohorts, in an incident that corrects what was told."""
    made = Scene(await room_pool("deduplication"))
    made.incident(channels=EVERY, policy=Policy(correction=Correction.ALWAYS))
    made.cohort("wave", released=True)
    made.cohort("late", released=False)
    return made


def said(sent: Sent) -> list[dict[tuple[bytes, int], int]]:
    """Return what the blocks say, each of its own."""
    blocks: Sequence[Notices] = [notices for _, notices in sent.notices]
    return [one.contact_since for one in blocks]


async def test_first_notices_say_nothing(scene: Scene) -> None:
    """In whatever way they are released: nothing can have come back from these people, and nobody is asked about."""
    waiting = people(5, seed=2)
    at_once = await scene.take(block("wave", people(5)))
    await scene.take(block("late", waiting))
    scene.cohort("late", released=True, version=2)
    ticked = await scene.tick()

    assert (5, 5) == (len(at_once.ids), len(ticked.ids))
    assert [{}, {}] == said(at_once) + said(ticked)


async def test_a_supplement_says_whose_data_is_as_old_as_it_was(scene: Scene) -> None:
    """A record that is corrected in other facts keeps the version that brought its address, however long it waits."""
    told, other = people(2)
    released = await scene.take(block("wave", [told, other]))
    await scene.take(block("wave", [replace(told, version=2, exposed=3, contact_since=1)]))
    by_answer = await scene.answer([told], released.ids[:1], stopped=False)
    other_source = await scene.take(block("wave", [replace(other, member=b"n" * 16, exposed=3)]))

    assert [{(told.member, 2): 1}] == said(by_answer)
    assert [{(b"n" * 16, 1): 1}] == said(other_source)


async def test_a_notice_after_one_that_was_stopped_says_it_too(scene: Scene) -> None:
    """It counts as a first one, and is none: what it follows may have come back."""
    (told,) = people(1)
    released = await scene.take(block("wave", [told]))
    await scene.take(block("wave", [replace(told, version=2, exposed=3, contact_since=1)]))
    again = await scene.answer([told], released.ids, stopped=True)
    moved = await scene.take(block("wave", [replace(told, version=3, exposed=3)]))
    last = await scene.answer([told], again.ids, stopped=True)

    assert [{(told.member, 2): 1}] == said(again)
    assert [(again.ids[0], 3, 3)] == moved.readdressed
    assert [{(told.member, 3): 3}] == said(last)


async def test_a_correction_of_a_withdrawn_record_goes_by_data_as_old_as_before(scene: Scene) -> None:
    """What was taken back lends the contact data of the version before, and since when that stood."""
    (told,) = people(1)
    released = await scene.take(block("wave", [told]))
    await scene.take(block("wave", [replace(told, version=2, exposed=3, contact_since=1)]))
    supplement = await scene.answer([told], released.ids, stopped=False)
    await scene.take(block("wave", [replace(told, version=3, exposed=0, channels=0, flags=FLAG_WITHDRAWN)]))
    correction = await scene.answer([told], supplement.ids, stopped=False)

    assert [{(told.member, 2): 1}] == said(correction)


async def test_a_record_that_is_somebody_elses_now_says_it(scene: Scene) -> None:
    """Its address may be the one that its other identity's letter came back from."""
    (told,) = people(1)
    await scene.take(block("wave", [told]))
    left = replace(told, version=2, flags=FLAG_RETRACTED, channels=0, contact_since=1)
    comes = replace(told, person=b"p" * 16, version=2, contact_since=1)
    sent = await scene.take(block("wave", [left]), block("wave", [comes], partition=3))

    assert [{(told.member, 2): 1}] == said(sent)
