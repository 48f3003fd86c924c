"""What hypothesis draws for deduplication."""

from hypothesis import strategies as st

from tests.unit.deduplication.said import Said

__all__ = ["some_said"]

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
