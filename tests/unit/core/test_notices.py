"""Flags are bits of their own, and columns of notices are joined and cut without a loss."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.core import notices as module
from services.core.notices import ALL_FLAGS, COLUMNS, MEMBER_FLAGS, Notices, joined, pieces

FLAGS = {name: value for name, value in vars(module).items() if name.startswith("FLAG_")}


def notices_of(rows: range) -> Notices:
    """Return notices of which every column tells the row."""
    made = Notices("lab", 1)
    for name in COLUMNS:
        setattr(made, name, list(rows))
    return made


def test_every_flag_is_a_bit_of_its_own_and_in_the_list() -> None:
    """A flag that stands in no list would be refused, or read as another."""
    assert all(flag.bit_count() == 1 for flag in FLAGS.values())
    assert sum(FLAGS.values()) == ALL_FLAGS
    assert 0 == MEMBER_FLAGS & ~ALL_FLAGS


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(1, 7))
def test_notices_are_joined_and_cut_in_their_order(sizes: list[int], size: int) -> None:
    """Every column keeps every row, pieces have at most the size asked for, and what was joined stays as it is."""
    ends = [sum(sizes[:at]) for at in range(len(sizes) + 1)]
    parts = [notices_of(range(start, end)) for start, end in pairwise(ends)]

    cut = list(pieces(joined(parts), size))

    assert all(0 < len(piece) <= size for piece in cut)
    for name in COLUMNS:
        assert list(range(sum(sizes))) == [row for piece in cut for row in getattr(piece, name)]
    assert sizes == [len(part) for part in parts]


def test_since_when_contact_data_stands_goes_along() -> None:
    """It is said of bearers, whichever of their notices are picked, joined or cut."""
    one, other = notices_of(range(3)), notices_of(range(3, 5))
    one.contact_since, other.contact_since = {(b"a", 2): 1}, {(b"b", 1): 1}

    whole = joined([one, other])

    assert {(b"a", 2): 1, (b"b", 1): 1} == whole.contact_since
    assert [whole.contact_since] * 4 == [part.contact_since for part in (whole.pick([1]), *pieces(whole, 2))]
    assert {(b"a", 2): 1} == one.contact_since
