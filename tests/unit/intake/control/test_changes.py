"""What may be said of cohorts and incidents, and what may change."""

import json
from typing import Any

import pytest

from services.intake.control.changes import CohortRequest, changed_cohort, check_growth, read_cohort
from services.intake.control.four_eyes import check_four_eyes
from services.intake.errors import ConflictError
from tests.unit.intake.builders import a_cohort


def a_document(*codes: str) -> dict[str, Any]:
    """Return a document with these data categories and nothing else."""
    return {"dataCategories": [{"code": code} for code in codes]}


@pytest.mark.parametrize("codes", [["a", "b"], ["a", "b", "c"]])
def test_categories_may_grow(codes: list[str]) -> None:
    """Codes may be added after those that are there."""
    check_growth(json.dumps(a_document("a", "b")).encode(), a_document(*codes))


@pytest.mark.parametrize("codes", [["a"], ["b", "a"], ["c", "a", "b"]])
def test_categories_are_not_lost_or_moved(codes: list[str]) -> None:
    """A code keeps its place, which is what facts name it by."""
    with pytest.raises(ConflictError):
        check_growth(json.dumps(a_document("a", "b")).encode(), a_document(*codes))


def test_what_is_not_said_of_a_cohort_stays() -> None:
    """A source that repeats only its name changes nothing."""
    assert changed_cohort(a_cohort(declared=3, auto_release=True), CohortRequest("lab", None, None)) is None


def test_cohort_changes_by_what_is_said() -> None:
    """A change is the next version."""
    assert a_cohort(version=2, declared=4, auto_release=True) == changed_cohort(
        a_cohort(declared=3), CohortRequest("lab", 4, auto_release=True)
    )


@pytest.mark.parametrize(("source", "declared"), [("other", 3), ("lab", 4)])
def test_sealed_cohort_keeps_source_and_count(source: str, declared: int) -> None:
    """Another source never, and another count not after sealing."""
    with pytest.raises(ConflictError):
        changed_cohort(a_cohort(declared=3, sealed=True), CohortRequest(source, declared, None))


@pytest.mark.parametrize(("group", "fits"), [(None, True), ("screening", True), ("clinic", False)])
def test_a_cohort_keeps_its_group(group: str | None, *, fits: bool) -> None:
    """What some of its people read cannot become something else for the others."""
    before = a_cohort(group="screening")
    if fits:
        assert changed_cohort(before, CohortRequest("lab", None, None, group)) is None
    else:
        with pytest.raises(ConflictError):
            changed_cohort(before, CohortRequest("lab", None, None, group))


def test_cohort_is_read_with_all_its_faults() -> None:
    """A cohort that says it right is read; else everything wrong is told."""
    assert (CohortRequest("lab", 3, None), []) == read_cohort({"source": "lab", "declaredCount": 3})
    assert 3 == len(read_cohort({"source": 1, "declaredCount": True, "autoRelease": 1})[1])
    assert 1 == len(read_cohort([])[1])


@pytest.mark.parametrize(("before", "after"), [(False, False), (False, True), (True, True)])
def test_four_eyes_may_be_opened(*, before: bool, after: bool) -> None:
    """An incident may ask for a second principal later than at its beginning."""
    check_four_eyes(json.dumps({"fourEyes": before}).encode(), {"fourEyes": after})


@pytest.mark.parametrize("after", [{"fourEyes": False}, {}])
def test_four_eyes_are_never_closed(after: dict[str, bool]) -> None:
    """Nobody writes a document without them, to release alone; leaving the field out is no way around."""
    with pytest.raises(ConflictError, match="never off"):
        check_four_eyes(json.dumps({"fourEyes": True}).encode(), after)
