"""What a cohort lets go, and where."""

from dataclasses import replace

from services.core.cohort import Cohort

RELEASED = Cohort(
    "lab", "wave-1", 3, "source", None, auto_release=False, sealed=True, released=True, release_after=(5, 0)
)


def test_a_pause_has_a_name_of_its_own() -> None:
    """Whoever asks what became of a pause never reads of an earlier one; what is not paused has none."""
    assert ["wave-1.4", "wave-1.6", None] == [replace(RELEASED, paused_since=at).pause_id for at in (4, 6, 0)]


def test_a_pause_holds_everywhere_at_once() -> None:
    """A stop waits for nothing, however far a partition is."""
    paused = replace(RELEASED, paused_since=4)

    assert paused.paused
    assert [True, True] == [paused.is_paused_in(0, 0), paused.is_paused_in(1, 9)]


def test_a_pause_ends_where_all_is_known_that_came_before_its_end() -> None:
    """A permission never overtakes data."""
    resumed = replace(RELEASED, resumed_after=(8, 2))

    assert not resumed.paused
    assert [True, False, True, False] == [resumed.is_paused_in(*at) for at in ((0, 7), (0, 8), (1, 1), (1, 2))]
