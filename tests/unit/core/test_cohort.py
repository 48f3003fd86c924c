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
    assert [True, True] == [paused.is_paused_in(0, [0, 0]), paused.is_paused_in(1, [9, 9])]


def test_a_pause_ends_where_all_is_known_that_came_before_its_end() -> None:
    """A permission never overtakes data."""
    resumed = replace(RELEASED, resumed_after=(8, 2))

    assert not resumed.paused
    assert [True, False] == [resumed.is_paused_in(0, [taken, 0]) for taken in (7, 8)]
    assert [True, False] == [resumed.is_paused_in(1, [0, taken]) for taken in (1, 2)]


def test_with_ties_a_permission_holds_where_all_partitions_have_come_so_far() -> None:
    """Whether that was known when it was given, or is known by now: nobody's data may be in another partition."""
    resumed, known = replace(RELEASED, release_after=(5, 3), resumed_after=(8, 2)), ([8, 1], [8, 3])

    assert [True, False] == [replace(resumed, tied=True).is_paused_in(0, taken) for taken in known]
    assert [True, False] == [resumed.is_paused_in(0, taken, tied=True) for taken in known]
    assert [False, True] == [replace(resumed, tied=True).is_released_in(0, taken) for taken in known]
    assert [False, True] == [resumed.is_released_in(0, taken, tied=True) for taken in known]


def test_where_nothing_is_known_what_nothing_came_before_holds() -> None:
    """A process that heard nothing of how far others are knows of none of their blocks."""
    first, later = replace(RELEASED, resumed_after=(0, 0)), replace(RELEASED, resumed_after=(0, 1))

    assert [False, False] == [first.is_paused_in(0, ()), replace(first, tied=True).is_paused_in(0, ())]
    assert [False, True] == [later.is_paused_in(0, ()), replace(later, tied=True).is_paused_in(0, ())]
