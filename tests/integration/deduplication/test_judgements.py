"""What an operator says of records that contradict each other, on a real database."""

from dataclasses import replace
from itertools import permutations

import pytest

from services.core.channel import CHANNELS
from services.core.policy import OnIdentityConflict, Policy
from services.core.witnesses import IDENTIFIED
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import Person, Scene, Sent, block, judgement, moves

HOME, OTHER = bytes([0]) * 3 + bytes([1]) * 13, bytes([0]) * 3 + bytes([2]) * 13  # in partitions 1 and 2
BORN, SWAPPED = bytes((IDENTIFIED, 50, 1, 2)), bytes((IDENTIFIED, 50, 2, 1))
ONE = Person(b"a" * 16, HOME, exposed=1, witnesses=BORN)
TWO = Person(b"b" * 16, HOME, exposed=2, witnesses=SWAPPED)
PAIR = (ONE, TWO)
HELD = {"held_identity_conflict": 2, "conflicting": 2}


@pytest.fixture
async def scene(room_pool: RoomPool) -> Scene:
    """Return deduplication with a released cohort, under a policy that holds who contradict each other."""
    made = Scene(await room_pool("deduplication"))
    made.incident(channels=CHANNELS, policy=Policy(OnIdentityConflict.HOLD))
    made.cohort("c1", released=True)
    return made


def told(sent: Sent) -> dict[str, int]:
    """Return what each bearer's notice names."""
    pairs = [(n.members[at], n.exposed[at]) for _, n in sent.notices for at in range(len(n))]
    return {member.decode()[0]: exposed for member, exposed in pairs}


@pytest.mark.parametrize(
    ("are_one", "notices", "counts"),
    [(False, {"a": 1, "b": 2}, {"released": 2}), (True, {"a": 3}, {"released": 1, "merged": 1})],
)
async def test_who_was_held_is_told_at_once(
    scene: Scene, *, are_one: bool, notices: dict[str, int], counts: dict[str, int]
) -> None:
    """Two notices, or one; nobody is counted or listed as conflicting any more. A repeat changes nothing."""
    said = judgement(1, PAIR, are_one=are_one, partition=1)
    await scene.take(block("c1", PAIR, partition=1))
    held = await scene.counts()
    sent, repeated = await scene.take(said), await scene.take(said)

    assert (HELD, notices, {}) == (held, told(sent), told(repeated))
    assert counts == await scene.counts()
    assert 2 == sum(count for _, _, count in sent.held)


async def test_every_order_of_records_and_words_comes_to_the_same(scene: Scene) -> None:
    """In one transaction or several, after a restart or not, while nobody is released."""
    scene.cohort("c1", released=False, version=2)
    orders = [*permutations(range(5))][::11]
    for at, order in enumerate(orders):
        one, two = (replace(row, member=row.member[:15] + bytes([at]), person=HOME[:15] + bytes([at])) for row in PAIR)
        blocks = [
            block("c1", [one], partition=1, at=1),
            block("c1", [two], partition=1, at=2),
            block("c1", [replace(two, version=2, exposed=3)], partition=1, at=2),
            judgement(1, [one, two], are_one=False, partition=1),
            judgement(2, [one, two], are_one=True, partition=1),
        ]
        scene.handler = scene.new_handler()
        if at % 2:
            await scene.take(*(blocks[place] for place in order))
        else:
            for place in order:
                await scene.take(blocks[place])

    assert {"held_unreleased": len(orders), "merged": len(orders)} == await scene.counts()
    assert {"a": "held_unreleased", "b": "merged"} == {chr(m[0]): to for m, to in (await scene.outcomes()).items()}


async def test_what_was_undone_holds_no_more_whatever_is_heard_again(scene: Scene) -> None:
    """The conflict is there again; the last word of the two is the one with the highest number."""
    scene.cohort("c1", released=False, version=2)
    said = judgement(3, PAIR, are_one=True, partition=1)
    await scene.take(block("c1", PAIR, partition=1))
    await scene.take(said, judgement(2, PAIR, are_one=False, partition=1))
    one = await scene.counts()
    await scene.take(judgement(3, PAIR, are_one=True, undone=True, partition=1), said)

    assert {"held_unreleased": 1, "merged": 1} == one
    assert HELD == await scene.counts()


async def test_a_later_release_and_a_later_record_know_it(scene: Scene) -> None:
    """By a process that has just begun, too."""
    scene.cohort("c1", released=False, version=2)
    await scene.take(block("c1", PAIR, partition=1), judgement(1, PAIR, are_one=True, partition=1))
    scene.handler = scene.new_handler()
    await scene.take(block("c1", [replace(TWO, member=b"c" * 16, exposed=4)], partition=1))
    scene.handler = scene.new_handler()
    scene.cohort("c1", released=True, version=3)
    sent = await scene.tick()

    assert {"a": 7} == told(sent)
    assert {"released": 1, "merged": 2} == await scene.counts()


async def test_it_is_known_at_another_home(scene: Scene) -> None:
    """One of the identities is tied to one in another partition; what was said of the records goes with them."""
    scene.cohort("c1", released=False, version=2)
    await scene.take(block("c1", PAIR, partition=1), judgement(1, PAIR, are_one=False, partition=1))
    await scene.take(moves({HOME: (OTHER, 1)}, partition=2))
    await scene.take(judgement(2, PAIR, are_one=True, partition=1))  # on its way when the tie was made
    scene.cohort("c1", released=True, version=3)
    sent = await scene.tick()

    assert ({"a": 3}, [2]) == (told(sent), [partition for partition, _ in sent.notices])


async def test_nothing_is_asked_where_nothing_was_said(scene: Scene) -> None:
    """Of an incident in which nobody judged anything, no judgement is read."""
    asked = []
    read = scene.store.judgements

    async def counted(*arguments: object) -> object:
        asked.append(arguments)
        return await read(*arguments)  # type: ignore[arg-type]

    scene.store.judgements = counted  # type: ignore[method-assign,assignment]
    await scene.take(block("c1", PAIR, partition=1))
    await scene.tick()

    assert [] == asked
