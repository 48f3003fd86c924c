"""Notices are found by the beginnings of their ids, in an index and without one."""

from hypothesis import given
from hypothesis import strategies as st

from services.tracking.places import BEGINNING, bucket_of, id_columns, index_of, places_in, stand_in
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
    found = set()
    for one in wanted:
        row = rows.get(bucket_of(one), b"")
        twice = set(places_in([7, 5, 9], [len(row), 0, len(row)], row + row, [one]))
        found |= {at for segment, at in twice if segment == 7}
        assert twice == {(segment, at) for segment in (7, 9) for _, at in twice}
    return found


@given(IDS, st.lists(st.sampled_from([b"\0\0\0\0", b"\0\0\0\1", b"\xff\xff\xff\xff", b"abcd", b"abce"])))
def test_index_and_search_find_what_begins_so(notices: list[bytes], wanted: list[bytes]) -> None:
    """All of it, and nothing else."""
    begins = {at for at, notice in enumerate(notices) if notice[:BEGINNING] in wanted}

    assert begins == _by_index(notices, wanted)
    for cut in range(len(notices)):
        assert begins == set(
            stand_in([id_columns(b"".join(piece)) for piece in (notices[:cut], notices[cut:])], wanted)
        )


def test_few_and_many_find_the_same() -> None:
    """However they are sought."""
    packed = ids(1)
    wanted = [packed[at : at + 16] for at in range(0, len(packed), 16 * 20)]

    blocks = [id_columns(packed[: 16 * 700]), id_columns(packed[16 * 700 :])]

    assert list(range(0, 2000, 20)) == sorted(stand_in(blocks, wanted))
    assert list(range(0, 1000, 20)) == sorted(stand_in(blocks, wanted[:50]))
    assert [] == list(stand_in([], wanted))


def test_every_segment_has_a_row_for_the_first_bucket() -> None:
    """So that segments are counted without reading them."""
    assert {0, 1023} == dict(index_of(b"\xff" * 16)).keys()
    assert b"" == dict(index_of(b"\xff" * 16))[0]
