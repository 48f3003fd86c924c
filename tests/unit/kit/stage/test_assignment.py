"""What a process thinks it holds: how that follows the leases, take-overs and losses."""

import asyncio

import pytest

from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Cursor, TopicPartition
from services.kit.process.metrics import new_registry
from services.kit.stage.assignment import Assignment
from services.kit.stage.metrics import StageMetrics

PARTITIONS = frozenset({0, 1, 2})
EPOCHS = {0: 5, 1: 7, 2: 4}
CURSORS = {TopicPartition("numbers", partition): Cursor(partition) for partition in PARTITIONS}


@pytest.fixture
def assignment() -> Assignment:
    """Return an assignment whose partitions are all being worked on."""
    assignment = Assignment("numbers", StageMetrics("routing", new_registry()))
    assignment.reconcile({}, EPOCHS, PARTITIONS)
    assignment.start_over()
    assignment.take(EPOCHS)
    assert assignment.begin(EPOCHS, CURSORS)
    return assignment


def test_what_is_leased_is_owned_once_it_is_begun() -> None:
    """A lease alone permits nothing, and neither does an epoch."""
    assignment = Assignment("numbers", StageMetrics("routing", new_registry()))

    assignment.reconcile({}, EPOCHS, PARTITIONS)
    assert (PARTITIONS, frozenset()) == (assignment.start_over(), assignment.owned())
    assignment.take(EPOCHS)
    assert frozenset() == assignment.owned()
    assignment.begin(EPOCHS, CURSORS)
    assert PARTITIONS == assignment.owned()


def test_a_lease_without_an_epoch_asks_for_a_take_over(assignment: Assignment) -> None:
    """Also where the lease is the same as before: the take-over of it may have failed."""
    assignment.reconcile(EPOCHS, EPOCHS, PARTITIONS)
    assert not assignment.is_interrupted()

    assignment.forget([1])
    assignment.start_over()
    assignment.reconcile({0: 5, 2: 4}, EPOCHS, PARTITIONS)

    assert assignment.is_interrupted()


def test_a_newer_epoch_in_the_database_is_a_loss(assignment: Assignment) -> None:
    """Another process owns the partition now, and everything about it is forgotten."""
    lost = assignment.reconcile(EPOCHS, {**EPOCHS, 1: 8}, PARTITIONS)

    assert (frozenset({1}), frozenset({0, 2})) == (lost, assignment.owned())
    assert {0, 2} == {at.partition for at in assignment.cursors}
    assert assignment.is_interrupted()


def test_what_was_taken_over_since_the_database_was_asked_is_not_lost(assignment: Assignment) -> None:
    """The answer is older than the epoch that it does not know."""
    assignment.take({1: 8})

    assert frozenset() == assignment.reconcile(EPOCHS, EPOCHS, PARTITIONS)


def test_work_does_not_begin_on_an_epoch_that_was_lost_meanwhile(assignment: Assignment) -> None:
    """Positions that were read under an epoch count under that epoch only."""
    assignment.disown({1: 7})

    assert not assignment.begin(EPOCHS, CURSORS)
    assert frozenset({0, 2}) == assignment.begun


def test_a_loss_that_is_noticed_late_does_not_touch_a_newer_take_over(assignment: Assignment) -> None:
    """What was taken over anew meanwhile stays."""
    assignment.disown({1: 6})

    assert PARTITIONS == assignment.owned()


def test_a_partition_that_is_given_away_is_owned_no_more_at_once(assignment: Assignment) -> None:
    """Nothing begins there any more; the work on its blocks ends with the next take-over."""
    assignment.reconcile(EPOCHS, EPOCHS, frozenset({0, 1}))

    assert (frozenset({0, 1}), PARTITIONS) == (assignment.owned(), assignment.begun)
    assignment.start_over()
    assert frozenset({0, 1}) == assignment.begun


def test_only_what_stands_still_wholly_is_owned_no_more(assignment: Assignment) -> None:
    """Ticks and jobs go on where a block alone is to blame."""
    assignment.stop(0, "a block raised", at=17)
    assignment.stop(1, "a tick raised", wholly=True)

    assert frozenset({0, 2}) == assignment.owned()
    assert {0: 17, 1: 0} == {partition: still.at for partition, still in assignment.stopped.items()}


def test_a_take_over_lets_everything_go_on(assignment: Assignment) -> None:
    """What stood still is tried once more."""
    assignment.stop(1, "a tick raised", wholly=True)
    assignment.begin(EPOCHS, CURSORS)

    assert PARTITIONS == assignment.owned()


def test_what_is_not_ours_can_be_neither_compared_nor_held(assignment: Assignment) -> None:
    """Both say so before anything begins."""
    assignment.forget([1])

    with pytest.raises(LostOwnershipError):
        assignment.epochs_of([0, 1])
    with pytest.raises(LostOwnershipError), assignment.hold([0, 1]):
        pass


async def test_everybody_who_holds_a_partition_is_waited_for(assignment: Assignment) -> None:
    """A partition that two jobs hold is let go by the second."""
    with assignment.hold([0]):
        with assignment.hold([0, 1]):
            assert (True, True, False) == tuple(assignment.is_held(partition) for partition in sorted(PARTITIONS))
            waiting = asyncio.create_task(assignment.wait_until_let_go())
        done, _ = await asyncio.wait({waiting}, timeout=0.0)
        assert (set(), True) == (done, assignment.is_held(0))

    await waiting
    assert not assignment.is_held(0)
