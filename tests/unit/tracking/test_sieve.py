"""The sieve forgets no notice, and takes few others for known."""

from hashlib import shake_128

from hypothesis import given
from hypothesis import strategies as st

from services.tracking.sieve import Sieve

COUNT = 2000


def ids(name: int, count: int = COUNT) -> bytes:
    """Return ids of notices, one after the other: hashes, as ids are."""
    return shake_128(name.to_bytes(4, "big")).digest(count * 16)


def test_what_was_put_in_is_seen_again() -> None:
    """Also in layers that are full, of which this one has several."""
    sieve = Sieve(1 << 10, 1 << 12)
    for name in range(5):
        sieve.put(ids(name))

    assert [list(range(COUNT))] * 5 == [sieve.put(ids(name)) for name in range(5)]


def test_few_others_are_taken_for_known() -> None:
    """Of a layer as full as it gets: one in some hundreds, and of one that is nearly empty none at all."""
    sieve = Sieve(1 << 16)
    fresh = [len(sieve.put(ids(name))) for name in range(16)]

    assert (0, True) == (fresh[0], sum(fresh[-4:]) < 4 * COUNT / 200)


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=20, unique=True), st.data())
def test_any_ids_are_seen_in_any_order(notices: list[bytes], data: st.DataObject) -> None:
    """Whatever bytes they have, and with which others they come."""
    sieve, again = Sieve(1 << 4, 1 << 4), data.draw(st.permutations(notices))
    for notice in notices:
        sieve.put(notice)

    assert list(range(len(again))) == sieve.put(b"".join(again))
