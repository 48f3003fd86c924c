"""How replicas share partitions out, decided without I/O."""

from hypothesis import given
from hypothesis import strategies as st

from services.kit.stage.leases import Lease, Shares, fair_share, shares


def _leases(holders: list[str | None]) -> list[Lease]:
    return [Lease(partition, holder, holder is not None, 0) for partition, holder in enumerate(holders)]


def test_one_replica_takes_all() -> None:
    """Alone means everything."""
    assert Shares((0, 1, 2), ()) == shares(_leases([None] * 3), "me", 1)


def test_a_second_replica_is_made_room_for() -> None:
    """What is beyond the share is given away, and only that."""
    assert Shares((), (2, 3)) == shares(_leases(["me"] * 4), "me", 2)


def test_a_lease_that_ran_out_is_free() -> None:
    """A dead owner's name on a row keeps nobody off."""
    dead = [Lease(0, "gone", live=False, epoch=3), Lease(1, "me", live=True, epoch=1)]

    assert Shares((0,), ()) == shares(dead, "me", 1)


@given(st.integers(1, 40), st.lists(st.integers(0, 50), min_size=1, max_size=6), st.data())
def test_replicas_settle_with_every_partition_owned_once(
    partitions: int, starts: list[int], data: st.DataObject
) -> None:
    """From any beginning, in any order of turns, all partitions get an owner, and nobody has more than a share."""
    replicas = [f"replica-{number}" for number in range(len(starts))]
    holders: list[str | None] = [data.draw(st.sampled_from([None, *replicas])) for _ in range(partitions)]
    for _ in range(3):  # each round may wait for another replica's release, and that for none
        for replica in data.draw(st.permutations(replicas)):
            plan = shares(_leases(holders), replica, len(replicas))
            for partition in plan.release:
                holders[partition] = None
            for partition in plan.acquire:
                holders[partition] = replica

    assert None not in holders
    assert fair_share(partitions, len(replicas)) >= max(holders.count(replica) for replica in replicas)
