"""What is packed into a row comes out as it was."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.tracking.domain import Outcomes, State
from services.tracking.packing import count_pairs, pack, pack_known, unpack

SCOPES = {"lab/a": 1, "lab/b": 2**31 - 1}
NUMBER = st.sampled_from([0, 1, 2**31 - 1])


@st.composite
def outcomes(draw: st.DrawFn) -> Outcomes:
    """Draw a block whose columns are often of one number."""
    count = draw(st.integers(1, 6))

    def column(values: st.SearchStrategy[int]) -> list[int]:
        return draw(values.map(lambda one: [one] * count) | st.lists(values, min_size=count, max_size=count))

    ids = draw(st.lists(st.binary(min_size=16, max_size=16), min_size=2 * count, max_size=2 * count))
    scopes = draw(st.lists(st.sampled_from(sorted(SCOPES)), min_size=count, max_size=count))
    states = column(st.sampled_from([int(state) for state in State]))
    return Outcomes("", 4, 9, scopes, ids[:count], ids[count:], column(NUMBER), states, column(NUMBER))


@given(outcomes())
def test_a_block_comes_out_as_it_was(block: Outcomes) -> None:
    """Each column, be it of one number or of many."""
    assert block == unpack(pack(block, SCOPES), {number: scope for scope, number in SCOPES.items()})


@given(outcomes())
def test_a_block_is_counted_without_its_ids(block: Outcomes) -> None:
    """By cohort and state, however its columns are packed."""
    packed = pack(block, SCOPES)
    counted = Counter((SCOPES[scope], state) for scope, state in zip(block.scopes, block.states, strict=True))

    assert counted == count_pairs(packed.cohorts, packed.states, packed.size)


def test_numbers_that_are_alike_stand_once() -> None:
    """So that a notice takes hardly more than its two ids."""
    ids = [bytes([n]) * 16 for n in range(100)]
    packed = pack(Outcomes("0", 4, 9, ["lab/a"] * 100, ids, ids, [1] * 100, [3] * 100, [1] * 100), SCOPES)

    assert 100 * 32 + 4 * 4 == sum(len(column) for column in packed if isinstance(column, bytes))
    assert (100, b"") == (pack_known(ids, 9).size, pack_known(ids, 9).cohorts)
