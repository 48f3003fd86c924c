"""What a release lets go: everything, a canary of so many notices, or so many a day. Pure."""

from dataclasses import replace
from typing import Any

from services.core.cohort import Cohort, Grant
from services.core.numbers import whole
from services.intake.control.changes import CANCELLED
from services.intake.errors import ConflictError

__all__ = ["grant_of", "granted", "lets_more", "read_release"]

_MOST = 10**9  # more than any cohort has: a larger number is a mistake


def read_release(body: Any) -> tuple[Grant, list[dict[str, str]]]:
    """Read what is to be let go; returns it with all problems in it. Nothing is quietly made into everything."""
    given = {key: whole(value) for key, value in body.items()} if isinstance(body, dict) else {}
    problems = [
        {"field": key[:64], "problem": "is not a field of a release"}
        for key in sorted(set(given) - {"all", "canary", "perDay"})
    ]
    if not isinstance(body, dict) or len(set(given) & {"all", "canary", "perDay"}) != 1:
        problems.append({"field": "all", "problem": "one of all, canary and perDay must be given"})
    if "all" in given and given["all"] is not True:
        problems.append({"field": "all", "problem": "must be true"})
    problems += [
        {"field": key, "problem": f"must be a whole number, 1 to {_MOST}"}
        for key in ("canary", "perDay")
        if key in given and not (type(given[key]) is int and 0 < given[key] <= _MOST)
    ]
    return Grant(given.get("canary"), given.get("perDay")), problems


def grant_of(cohort: Cohort) -> Grant:
    """Return what a cohort's release grants."""
    return Grant(cohort.canary, cohort.per_day)


def granted(cohort: Cohort, grant: Grant) -> Cohort:
    """Return the cohort as it is once this may go.

    Raises ConflictError where it is cancelled, where it is paused and more would go, and for a canary after everything.
    """
    if cohort.cancelled:
        raise ConflictError(CANCELLED)
    if cohort.is_released and grant.canary is not None and grant_of(cohort) == Grant():
        raise ConflictError("everything goes already: pause the cohort, or give it a pace")
    changed = replace(cohort, released=True, canary=grant.canary, per_day=grant.per_day)
    if cohort.paused and lets_more(cohort, changed):
        raise ConflictError("the cohort is paused: resume it first, then let more go")
    return changed


def lets_more(before: Cohort | None, after: Cohort) -> bool:
    """Tell whether notices may go under a cohort's next version that may not under this one, pauses aside.

    A canary and a pace cannot be compared: from one to the other counts as more.
    """
    if not after.is_released:
        return False
    if before is None or not before.is_released:
        return True
    small, large = grant_of(after), grant_of(before)
    if large == Grant():
        return False
    if large.canary is not None:
        return small.canary is None or small.canary > large.canary
    assert large.per_day is not None  # noqa: S101 - else it were everything
    return small.per_day is None or small.per_day > large.per_day
