"""What hypothesis draws for deduplication."""

from collections.abc import Sequence
from itertools import combinations

from hypothesis import strategies as st

from services.deduplication.judgements import Judgement, Seen
from tests.unit.deduplication.said import Said, packed

__all__ = ["some_judgements", "some_said"]

_BIRTHS = st.sampled_from([(0, 0, 0), (70, 0, 0), (70, 3, 0), (70, 3, 5), (70, 3, 6), (81, 0, 0), (81, 3, 5)])
_NAMES = st.frozensets(st.sampled_from(["vri", "ber", "mol"]), max_size=2)
_FEW = st.sampled_from(["", "", "a", "b"])


def some_said(identified: bool | None = None) -> st.SearchStrategy[Said]:  # noqa: FBT001 - named where it is used
    """Return anything that a record may say of who somebody is; few values, so that they often meet."""
    by_number = st.tuples(_BIRTHS, _NAMES).map(lambda said: Said(*said))
    initials = st.sampled_from(["", "a", "ab", "ac", "b"])
    on_match_key = st.tuples(_BIRTHS, _NAMES, st.just(value=False), initials, _FEW, _FEW, _FEW).map(Said._make)
    if identified is not None:
        return by_number if identified else on_match_key
    return st.one_of(by_number, on_match_key)


def some_judgements(sayings: Sequence[Said], names: str = "abcd") -> st.SearchStrategy[tuple[Judgement, ...]]:
    """Return what operators said of records of these names, one thing of a pair, whatever the records say by now."""
    members = [name.encode().ljust(16, b".") for name in names]
    witnesses = st.sampled_from([b"", *map(packed, sayings)])
    seen = st.builds(Seen, st.just(b""), st.integers(1, 4), witnesses)
    said = st.tuples(st.sampled_from([*combinations(members, 2)]), seen, seen, st.booleans())
    return st.lists(said, min_size=1, max_size=4, unique_by=lambda one: one[0]).map(
        lambda many: tuple(
            Judgement(one._replace(member=pair[0]), other._replace(member=pair[1]), are_one)
            for pair, one, other, are_one in many
        )
    )
