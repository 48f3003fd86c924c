"""What operators say of records: what is the same, and what cannot be true together."""

from collections.abc import Collection, Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.identities.judgements import People, Standing, disputed, said_before
from tests.unit.deduplication.builders import an_id

A, B, C, D = map(an_id, "abcd")
ONE, DIFFERENT = People.ONE, People.DIFFERENT


def stands(number: int, people: People, *records: bytes, still: Collection[bytes] | None = None) -> Standing:
    """Return a judgement about first versions, all of which say the same by now unless it is said otherwise."""
    return Standing(number, people, dict.fromkeys(records, 1), records if still is None else still)


@pytest.mark.parametrize(
    ("standing", "people", "records", "expected"),
    [
        ([], ONE, (A, B), None),
        ([stands(1, ONE, A, B)], DIFFERENT, (A, B), None),  # the last word of two holds
        ([stands(1, ONE, A, B)], DIFFERENT, (B, C), None),
        ([stands(1, ONE, A, B), stands(2, ONE, B, C)], DIFFERENT, (A, C), 2),
        ([stands(1, ONE, A, B), stands(2, DIFFERENT, A, C)], ONE, (B, C), 2),
        ([stands(1, ONE, A, B), stands(2, DIFFERENT, A, C)], ONE, (A, B, C), None),
        ([stands(1, ONE, A, B, C), stands(2, DIFFERENT, D, A)], ONE, (C, D), 2),
        ([stands(1, ONE, A, B, still=[A]), stands(2, ONE, B, C)], DIFFERENT, (A, C), None),  # B is somebody else by now
        ([stands(1, DIFFERENT, A, B), stands(2, ONE, A, B, still=[A]), stands(3, ONE, B, C)], ONE, (A, C), None),
    ],
)
def test_what_cannot_be_true_together(
    standing: Sequence[Standing], people: People, records: Sequence[bytes], expected: int | None
) -> None:
    """Two are different, and one by way of others; what was said of what a record does not say any more is no word."""
    assert expected == disputed(standing, people, records)


_WORDS = st.lists(
    st.tuples(st.sampled_from([ONE, DIFFERENT]), st.lists(st.sampled_from([A, B, C, D]), min_size=2, unique=True)),
    max_size=5,
)


@given(_WORDS)
def test_what_was_taken_is_never_contradictory(said: list[tuple[People, list[bytes]]]) -> None:
    """Whatever is said one after the other: those who are one, by way of whomever, are never said to be different."""
    standing: list[Standing] = []
    last: dict[frozenset[bytes], People] = {}
    for number, (people, records) in enumerate(said, 1):
        if disputed(standing, people, records) is None:
            standing.append(stands(number, people, *records))
            last |= {frozenset(pair): people for pair in combinations(records, 2)}
        parts = [{record} for record in (A, B, C, D)]
        for pair in [*last] * 3:
            if last[pair] is ONE:
                joined = set[bytes]().union(*(part for part in parts if part & pair))
                parts = [part for part in parts if not part & pair] + [joined]

        assert not any(pair <= part for part in parts for pair, one in last.items() if one is DIFFERENT)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ([stands(1, ONE, A, B)], 1),
        ([stands(1, DIFFERENT, A, B)], None),
        ([stands(1, ONE, A, B, C)], None),
        ([stands(1, ONE, A, B), stands(2, DIFFERENT, A, B)], None),
        ([stands(1, ONE, A, B), stands(2, ONE, A, B, C)], None),
        ([stands(1, ONE, A, B)._replace(seen={A: 1, B: 2})], None),  # it was said of another version
    ],
)
def test_what_was_said_before(standing: Sequence[Standing], expected: int | None) -> None:
    """The same of the same versions, and nothing later of any two of them."""
    assert expected == said_before(standing, ONE, {A: 1, B: 1})
