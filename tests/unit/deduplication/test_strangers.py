"""When nobody is looked for."""

from services.deduplication.strangers import Strangers


def _clean(strangers: Strangers, times: int) -> list[bool]:
    """Look so many times and find nobody; return whether all are likely to be new each time after."""
    likely = []
    for _ in range(times):
        strangers.looked(1, somebody=False)
        likely.append(strangers.are_likely(1))
    return likely


def test_everybody_is_taken_for_new_once_nobody_was_known_for_a_while() -> None:
    """By incident; one person who is known begins it anew."""
    strangers = Strangers(after=3)
    first = _clean(strangers, 2)
    strangers.looked(1, somebody=True)

    assert [False, False] == first
    assert [False, False, True] == _clean(strangers, 3)
    assert not strangers.are_likely(2)


def test_a_wrong_guess_is_made_half_as_often() -> None:
    """After each, twice as many batches have to bring nobody who is known, up to a bound."""
    strangers = Strangers(after=2, at_most=6)
    needed = []
    for _ in range(3):
        needed.append(_clean(strangers, 10).index(True) + 1)
        strangers.were_known(1)

    assert [2, 4, 6] == needed
