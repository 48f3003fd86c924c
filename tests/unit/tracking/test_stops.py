"""When a rule stops a cohort: shares, the smallest sample, and what counts anew after an operator let it go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.cohort import Figures
from services.core.policy import SMALLEST_SAMPLE, Stop
from services.tracking.stops import Found, Kept, figures_of, found_in

RULES = Stop(refused=0.1, bounced=0.05, returned=0.05, complaints=0.02)


def _figures(posted: Figures = Figures(), **counted: int) -> dict[str, int]:  # noqa: B008 - frozen
    return figures_of(counted, posted)


@pytest.mark.parametrize(
    ("figures", "found"),
    [
        # Exactly the share is not above it.
        (_figures(accepted_email=90, refused_email=10), None),
        (_figures(accepted_email=89, refused_email=11), Found("refused", "email", 11, 100, 0.1)),
        # Each channel by itself: a flood on one is not thinned by what another took.
        (
            _figures(accepted_portal=10_000, accepted_email=89, refused_email=11),
            Found("refused", "email", 11, 100, 0.1),
        ),
        (_figures(refused_letter=60), Found("refused", "letter", 60, 60, 0.1)),
        # Fewer than the smallest sample say nothing, whatever the share.
        (_figures(refused_letter=49), None),
        (_figures(Figures(complaints=49), accepted_letter=49), None),
        (
            _figures(Figures(bounced=6), accepted_email=100, accepted_letter=900),
            Found("bounced", "email", 6, 100, 0.05),
        ),
        (
            _figures(Figures(returned=6), accepted_email=900, accepted_letter=100),
            Found("returned", "letter", 6, 100, 0.05),
        ),
        (_figures(Figures(returned=5), accepted_letter=100), None),
        (
            _figures(Figures(complaints=3), accepted_email=50, accepted_letter=50),
            Found("complaints", None, 3, 100, 0.02),
        ),
        (_figures(Figures(complaints=2), accepted_email=50, accepted_letter=50), None),
    ],
)
def test_a_share_above_its_rule_stops(figures: dict[str, int], found: Found | None) -> None:
    """And nothing else does."""
    assert found == found_in(figures, Kept(), RULES)


def test_what_was_found_is_found_no_second_time() -> None:
    """Neither while the cohort is stopped, nor once it goes on: refusals count from there on, with their hand-overs."""
    before = _figures(accepted_email=80, refused_email=20)
    some = _figures(accepted_email=125, refused_email=25)
    more = _figures(accepted_email=124, refused_email=26)

    assert found_in(before, Kept(), RULES) is not None
    assert found_in(more, Kept(0, {}, {"rule": "refused"}), RULES) is None
    assert found_in(before, Kept(3, before), RULES) is None
    assert found_in(some, Kept(3, before), RULES) is None
    assert Found("refused", "email", 6, 50, 0.1) == found_in(more, Kept(3, before), RULES)


def test_late_returns_of_early_letters_are_a_share_of_all_letters() -> None:
    """What comes back after a stop was mostly sent before it: ten of 1,050 are no fifth of the last fifty."""
    before = _figures(Figures(returned=60), accepted_letter=1000)

    assert found_in(_figures(Figures(returned=70), accepted_letter=1050), Kept(3, before), RULES) is None
    assert Found("returned", "letter", 53, 1050, 0.05) == found_in(
        _figures(Figures(returned=113), accepted_letter=1050), Kept(3, before), RULES
    )


def test_a_figure_that_was_lowered_counts_as_none() -> None:
    """Somebody had posted too much; nothing is less than none."""
    before = _figures(Figures(complaints=60), accepted_letter=1000)

    assert found_in(_figures(Figures(complaints=10), accepted_letter=1000), Kept(3, before), RULES) is None


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.02, 0.1, 0.5, 1.0]))
def test_the_rule_is_what_it_says(accepted: int, refused: int, share: float) -> None:
    """Of any numbers: a sample that is large enough, and more than the share; a share of 1 never stops."""
    found = found_in(_figures(accepted_letter=accepted, refused_letter=refused), Kept(), Stop(refused=share))

    wanted = accepted + refused >= SMALLEST_SAMPLE and refused > share * (accepted + refused)
    assert wanted == (found is not None)
    assert not (wanted and share == 1)
