"""What a release asks for, and whether it lets more go than before."""

from dataclasses import replace
from typing import Any

import pytest

from services.core.cohort import Cohort, Grant
from services.intake.control.changes import cancelled, paused, resumed
from services.intake.control.grants import granted, lets_more, read_release
from services.intake.errors import ConflictError

OPEN = Cohort("lab", "wave-1", 1, "source", None, auto_release=False, sealed=False, released=False)
ALL, CANARY, PACE = Grant(), Grant(canary=500), Grant(per_day=50)


@pytest.mark.parametrize(
    ("body", "grant"), [({"all": True}, ALL), ({"canary": 500}, CANARY), ({"perDay": 50}, PACE)], ids=str
)
def test_a_release_says_how_much(body: Any, grant: Grant) -> None:
    """Everything, so many, or so many a day; what is asked for is shown in the same words."""
    assert (grant, []) == read_release(body)
    assert body == grant.as_json()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (None, ["all"]), ([], ["all"]), ({}, ["all"]), ({"all": False}, ["all"]), ({"canary": 0}, ["canary"]),
        ({"canary": True}, ["canary"]), ({"perDay": "5"}, ["perDay"]), ({"perDay": -1}, ["perDay"]),
        ({"canary": 1, "perDay": 1}, ["all"]), ({"all": True, "canary": 1}, ["all"]), ({"some": 1}, ["some", "all"]),
        ({"canary": 10**10}, ["canary"]),
    ],
)  # fmt: skip
def test_nothing_is_quietly_made_into_everything(body: Any, fields: list[str]) -> None:
    """All faults at once, each with its field."""
    assert fields == [problem["field"] for problem in read_release(body)[1]]


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [
        (CANARY, ALL, True), (PACE, ALL, True), (CANARY, Grant(canary=501), True), (CANARY, Grant(canary=499), False),
        (CANARY, CANARY, False), (PACE, Grant(per_day=51), True), (PACE, Grant(per_day=49), False),
        (CANARY, PACE, True), (PACE, CANARY, True), (ALL, PACE, False), (ALL, ALL, False),
    ],
)  # fmt: skip
def test_whether_more_goes(before: Grant, after: Grant, more: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """What may let somebody go who waits is a permission; the rest is a stop, and waits for nothing."""
    small = granted(OPEN, before)

    assert more == lets_more(small, granted(small, after))
    assert lets_more(OPEN, small)
    assert not lets_more(small, cancelled(small))


def test_no_canary_after_everything() -> None:
    """It would count from nothing: whoever means a stop says so."""
    with pytest.raises(ConflictError, match="everything goes already"):
        granted(granted(OPEN, ALL), CANARY)


def test_while_paused_less_may_be_said_and_not_more() -> None:
    """Somebody stopped it: whoever lets more go ends the pause first, and sees that there is one."""
    still = paused(granted(OPEN, CANARY))

    assert 100 == granted(still, Grant(canary=100)).canary
    for grant in (ALL, PACE, Grant(canary=501)):
        with pytest.raises(ConflictError, match="the cohort is paused"):
            granted(still, grant)
    with pytest.raises(ConflictError, match="the cohort is paused"):
        granted(paused(OPEN), ALL)


def test_a_pause_bears_the_version_that_it_makes() -> None:
    """Paused again it is the same pause; after a resume it is another."""
    still = replace(paused(OPEN), version=2)
    again = paused(replace(resumed(still), version=3))

    assert [2, 2, 4] == [still.paused_since, paused(still).paused_since, again.paused_since]
    assert resumed(OPEN) == OPEN
    assert not cancelled(still).paused


@pytest.mark.parametrize("change", [paused, resumed, lambda cohort: granted(cohort, ALL)])
def test_a_cancelled_cohort_is_past_all_that(change: Any) -> None:
    """It is taken back for good."""
    with pytest.raises(ConflictError, match="cancelled, for good"):
        change(cancelled(OPEN))
