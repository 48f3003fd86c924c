"""Facts are sets: order and repetition change nothing."""

from hypothesis import given
from hypothesis import strategies as st

from services.core.facts import NO_FACTS, Facts


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Make a set of facts in which only exposed categories are confirmed."""
    exposed = draw(st.integers(0, 2**60 - 1))
    return Facts(exposed, exposed & draw(st.integers(0, 2**60 - 1)))


@given(facts(), facts(), facts())
def test_union_is_a_union(a: Facts, b: Facts, c: Facts) -> None:
    """In whatever order facts come in, the same is known in the end."""
    assert (a | b) | c == c | (b | a) | a


@given(facts(), facts())
def test_union_covers_its_parts(a: Facts, b: Facts) -> None:
    """Somebody told everything learns nothing new from a part of it."""
    assert (a | b).covers(a)
    assert (a | b).covers(NO_FACTS)


def test_confirmed_after_possible_is_news() -> None:
    """To learn that a possible leak is certain is a fact worth a letter; the other way round is not."""
    assert not Facts(1, 0).covers(Facts(1, 1))
    assert Facts(1, 1).covers(Facts(1, 0))


def test_categories_are_positions() -> None:
    """A bit names the incident's category at that position."""
    assert Facts(1 | 4 | 1 << 59, 4).categories() == [0, 2, 59]
    assert Facts(5, 4).is_confirmed(2)
    assert not Facts(5, 4).is_confirmed(0)
