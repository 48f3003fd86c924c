"""Caps hold in any window, whatever processes do; a provider that asks for it is handed less."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.rates import DAY, HELD, USED_WITHIN, Block, Cap, Slowdown, Turns, let_out, of_day, remembered

_STEPS = st.lists(
    st.tuples(
        st.floats(0, 2),  # seconds until the next request for turns
        st.integers(1, 50),  # how many are wanted
        st.floats(0, 1),  # which part of them is used; a killed process uses none of the rest
        st.floats(0, 1),  # when, within the time that they are good for
        st.floats(0, HELD - USED_WITHIN),  # how long the messages are on their way
    ),
    max_size=60,
)


def _most_in_a_window(times: list[float], seconds: float) -> int:
    """Return how many of these times lie in the fullest window."""
    found = sorted(times)
    return max((at - bisect_left(found, found[at] - seconds + 1e-6) + 1 for at in range(len(found))), default=0)


@given(per_second=st.integers(1, 40), per_minute=st.integers(1, 300), steps=_STEPS)
def test_no_window_ever_has_more_than_its_cap(
    per_second: int, per_minute: int, steps: list[tuple[float, int, float, float, float]]
) -> None:
    """Over a model clock: any number of processes that use some of their turns, late, and lose the rest."""
    caps = [Cap(per_second, 1.0), Cap(per_minute, 60.0)]
    now, blocks, arrived = 1000.0, list[Block](), list[float]()
    for pause, wanted, used, late, on_its_way in steps:
        now += pause
        turns = let_out(caps, blocks, now, wanted).turns
        if turns:
            blocks.append(Block(now, turns))
            arrived += [now + late * USED_WITHIN + on_its_way] * round(used * turns)

    assert _most_in_a_window(arrived, 1.0) <= per_second
    assert _most_in_a_window(arrived, 60.0) <= per_minute


@given(per_second=st.integers(1, 100), processes=st.integers(1, 4))
def test_turns_never_run_dry(per_second: int, processes: int) -> None:
    """Who waits as long as it is told gets some: in a minute at least half of what the cap allows."""
    caps = [Cap(per_second, 1.0)]
    now, blocks, got = 0.0, list[Block](), 0
    while now < 60.0:
        for _ in range(processes):
            turns, wait = let_out(caps, blocks, now, per_second)
            if turns:
                blocks.append(Block(now, turns))
                got += turns
            else:
                now += wait + 0.001

    assert got >= 60 * per_second / 2


def test_blocks_count_for_as_long_as_a_window_may_hold_them() -> None:
    """What is remembered is enough, and is not for good."""
    caps = [Cap(10, 1.0), Cap(20, 60.0)]

    assert 60.0 + HELD == remembered(caps)
    assert Turns(2, 0.0) == let_out(caps, [], 0.0, 10)
    assert 0 == let_out(caps, [Block(0.0, 20)], 60.0 + HELD - 0.01, 1).turns
    assert 1 == let_out(caps, [Block(0.0, 20)], 60.0 + HELD, 1).turns


@pytest.mark.parametrize(
    ("used", "second", "turns"),
    [
        (0, 40_000.0, Turns(10)),
        (95, 40_000.0, Turns(5)),
        (100, 40_000.0, Turns(0, DAY - 40_000.0 + 5.0)),
        (130, 40_000.0, Turns(0, DAY - 40_000.0 + 5.0)),
        (0, 2.0, Turns(0, 3.0)),
        (0, DAY - 2.0, Turns(0, 7.0)),
    ],
)
def test_a_day_has_so_many_turns_and_none_around_midnight(used: int, second: float, turns: Turns) -> None:
    """Who has none left is told when the next day begins; a provider's clock may be ahead of ours, or behind."""
    assert turns == of_day(100, used, second, 10)


def _handed(slowdown: Slowdown, begin: float, seconds: float) -> int:
    """Return how many of a hundred tries a second pass."""
    return sum(slowdown.passes(begin + step / 100) for step in range(int(seconds * 100)))


def test_a_provider_that_asks_is_handed_half_and_then_more_again() -> None:
    """One request halves what goes, however many messages were answered so, and it is gone in the end."""
    slowdown = Slowdown()
    before = _handed(slowdown, 100.0, 2.0)
    for _ in range(64):
        slowdown.asked(102.0)
    at_once, later = _handed(slowdown, 102.0, 1.0), _handed(slowdown, 110.0, 1.0)

    assert 200 == before
    assert at_once == pytest.approx(50, abs=8)
    assert later > at_once
    assert 100 == _handed(slowdown, 140.0, 1.0)
    assert None is slowdown.rate


def test_a_provider_that_asks_again_and_again_is_still_handed_something() -> None:
    """It is never given up: one message a second goes."""
    slowdown = Slowdown()
    _handed(slowdown, 98.0, 2.0)
    for second in range(100, 120):
        slowdown.asked(float(second))

    assert 1 <= _handed(slowdown, 120.0, 1.0) <= 30
