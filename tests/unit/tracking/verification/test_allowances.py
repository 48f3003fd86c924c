"""How often people may ask, and who asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.config import networks
from services.tracking.verification.allowances import Allowance, Allowances, asking_place

PROXIES = networks("10.0.0.0/8, ::1")
SEVERAL = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=60)


@given(SEVERAL)
def test_nobody_asks_more_than_is_allowed(questions: list[tuple[str, float]]) -> None:
    """In any time, a place gets what it may ask at once and what comes to it meanwhile, and so do all together."""
    allowances = Allowances(Allowance(3, 0.5), Allowance(5, 1.0))
    taken, now = [], 0.0
    for place, passed in questions:
        now += passed
        if not allowances.take(place, now):
            taken.append((place, now))

    for first in range(len(taken)):
        for last in range(first, len(taken)):
            within, span = taken[first : last + 1], taken[last][1] - taken[first][1]
            assert len(within) <= 5 + span * 1.0 + 1e-6
            for place in "abc":
                assert sum(one == place for one, _ in within) <= 3 + span * 0.5 + 1e-6


@given(SEVERAL, st.sampled_from("abc"))
def test_whoever_waits_as_told_may_ask(questions: list[tuple[str, float]], place: str) -> None:
    """The seconds that are answered are enough, where nobody else asks meanwhile."""
    allowances, now = Allowances(Allowance(3, 0.5), Allowance(5, 1.0)), 0.0
    for other, passed in questions:
        now += passed
        allowances.take(other, now)
    after = allowances.take(place, now)

    assert not after or 0 == allowances.take(place, now + after)


def test_places_beyond_count_are_not_kept() -> None:
    """Whoever has many addresses gets no memory for each."""
    allowances = Allowances(Allowance(1, 0.001), Allowance(10**9, 1.0))
    for place in range(20_000):
        allowances.take(str(place), 1.0)

    assert (0, 1000) == (allowances.take("0", 1.0), allowances.take("19999", 1.0))


@pytest.mark.parametrize(
    ("peer", "forwarded", "place"),
    [
        ("192.0.2.7", "", "192.0.2.7/32"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7/32"),  # a stranger's word
        ("10.0.0.1", "203.0.113.9", "203.0.113.9/32"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9, 10.2.2.2", "203.0.113.9/32"),  # the first could be anything
        ("10.0.0.1", "", "10.0.0.1/32"),
        ("10.0.0.1", "rubbish", "10.0.0.1/32"),
        ("::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),  # a household
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9/32"),
        ("", "203.0.113.9", ""),
    ],
)
def test_who_asks_is_whom_our_own_proxies_heard(peer: str, forwarded: str, place: str) -> None:
    """A header that anybody may write makes nobody somebody else."""
    assert place == asking_place(peer, forwarded, PROXIES)


@pytest.mark.parametrize("text", ["", ",", "proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    """A slip trusts nobody."""
    with pytest.raises(ValueError, match="networks"):
        networks(text)
