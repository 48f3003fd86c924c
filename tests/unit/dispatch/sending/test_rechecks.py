"""When open intents are looked for."""

from services.dispatch.sending.rechecks import Rechecks


def _followed(*partitions: int) -> Rechecks:
    rechecks = Rechecks()
    rechecks.follow(dict.fromkeys(partitions, 1))
    return rechecks


def test_a_partition_that_was_taken_over_is_looked_into_at_once() -> None:
    """Rounds that the owner before left open wait for nothing."""
    rechecks = _followed(0, 1)
    for partition in (0, 1):
        rechecks.looked(partition, 100.0)
    rechecks.follow({0: 1, 1: 2, 5: 1})

    assert [1, 5] == rechecks.due(100.0)
    assert {0: 1, 1: 2, 5: 1} == rechecks.epochs


def test_a_partition_is_looked_into_again_and_again() -> None:
    """An intent that nobody carries is found within seconds, and looking for it costs little."""
    rechecks = _followed(3)
    rechecks.looked(3, 100.0)

    assert ([], [3]) == (rechecks.due(101.9), rechecks.due(102.0))


def test_attempts_that_stay_begun_are_looked_for_when_their_wait_is_over() -> None:
    """The earliest wait counts, and a later one does not put it off."""
    rechecks = _followed(3)
    rechecks.looked(3, 100.0)
    rechecks.no_later_than(3, 100.5)
    rechecks.no_later_than(3, 101.5)

    assert ([], [3]) == (rechecks.due(100.4), rechecks.due(100.5))


def test_a_partition_that_went_is_not_looked_into() -> None:
    """A wait that ends after the partition went to another process is that process's."""
    rechecks = _followed(3)
    rechecks.follow({})
    rechecks.no_later_than(3, 100.0)

    assert [] == rechecks.due(1000.0)
