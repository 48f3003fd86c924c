"""Notices are found by the beginnings of their ids, in an index and without one."""

from hypothesis import given
from hypothesis import strategies as st

from services.tracking.places import BEGINNING, bucket_of, index_of, places_in, stand_in
from tests.unit.tracking.test_sieve import ids

# Ids that often begin alike, and that have a beginning's bytes elsewhere too.
IDS = st.lists(
    st.tuples(
        st.sampled_from([b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"abcd"]), st.sampled_from([b"abcd", b"x"])
    ).map(lambda parts: (parts[0] + parts[1] * 12)[:16]),
    min_size=1,
    max_size=40,
)


def _by_index(notices: list[bytes], wanted: list[bytes]) -> set[int]:
    rows = dict(index_of(b"".join(notices)))
    found = {at for one in wanted for at in places_in([(7, rows.get(bucket_of(one), b""))], [one])}
    assert {7} >= {segment for segment, _ in found}
    return {at for _, at in found}


@given(IDS, st.lists(st.sampled_from([b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"abcd", b"abce"])))
def test_index_and_search_find_what_begins_so(notices: list[bytes], wanted: list[bytes]) -> None:
    """All of it, and nothing else."""
    begins = {at for at, notice in enumerate(notices) if notice[:BEGINNING] in wanted}

    assert begins == _by_index(notices, wanted)
    for cut in range(len(notices)):
        assert begins == set(stand_in([b"".join(notices[:cut]), b"".join(notices[cut:])], wanted))


def test_few_and_many_find_the_same() -> None:
    """However they are sought."""
    packed = ids(1)
    wanted = [packed[at : at + 16] for at in range(0, len(packed), 16 * 20)]

    blocks = [packed[: 16 * 700], packed[16 * 700 :]]

    assert list(range(0, 2000, 20)) == sorted(stand_in(blocks, wanted))
    assert list(range(0, 1000, 20)) == sorted(stand_in(blocks, wanted[:50]))
    assert [] == list(stand_in([], wanted))


def test_every_segment_has_a_row_for_the_first_bucket() -> None:
    """So that segments are counted without reading them."""
    assert {0, 1023} == dict(index_of(b"\xff" * 16)).keys()
    assert b"" == dict(index_of(b"\xff" * 16))[0]
