"""What a new owner finds where log and database disagree."""

from services.kit.eventlog import Cursor, TopicPartition
from services.kit.stage.takeover import Positions, ahead_of_heads, assign_those_that_fit, input_places
from services.kit.testing import MemoryLog

INCIDENTS, RELEASED = "heraut.incidents.changed.v1", "heraut.notices.released.v1"


def test_a_topic_of_one_partition_belongs_to_the_owner_of_partition_0() -> None:
    """Somebody reads it, and nobody else does."""
    assert [(INCIDENTS, 0), (RELEASED, 0), (RELEASED, 3)] == input_places([INCIDENTS, RELEASED], {3, 0}, 8)
    assert [(RELEASED, 3)] == input_places([INCIDENTS, RELEASED], {3}, 8)


def test_a_log_that_is_ahead_of_the_database_is_noticed() -> None:
    """A head that is lower than what the log holds, or not there, means a database that was set back."""
    places = [TopicPartition(RELEASED, partition) for partition in range(4)]
    last = {places[0]: 5, places[1]: 6, places[2]: 1}

    faults = ahead_of_heads(last, Positions(heads={places[0]: 5, places[1]: 5, places[3]: 9}))

    assert {1, 2} == faults.keys()


async def test_positions_outside_the_log_leave_the_others_assigned() -> None:
    """All topics of a partition with such a position are left out, and nothing of the others."""
    log = MemoryLog()
    at = TopicPartition(RELEASED, 0)
    log.topics.write(at, b"block")
    wrong, beside = TopicPartition(RELEASED, 1), TopicPartition("heraut.deliveries.refused.v1", 1)

    faults = await assign_those_that_fit(log, {at: Cursor(1), wrong: Cursor(9), beside: Cursor()})

    assert ([1], {at: 1}) == (list(faults), log.assigned)
