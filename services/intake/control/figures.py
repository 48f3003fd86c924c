"""Figures that people count by hand and post: complaints, mails that bounced, letters that came back. Pure.

Each is said as it stands in all, so that the same figure again changes nothing; one that was too high can be lowered.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.core.cohort import Cohort, Figures
from services.core.numbers import whole

__all__ = ["read_figures", "with_figures"]

_MOST = 10**9  # more than any cohort has: a larger number is a mistake


def read_figures(body: Any) -> tuple[dict[str, int], list[dict[str, str]]]:
    """Read the figures that are given; returns them with all problems in them."""
    given = body if isinstance(body, dict) else {}
    problems = [
        {"field": key[:64], "problem": "is not a figure of a cohort"} for key in sorted(set(given) - {*Figures._fields})
    ]
    if not given:
        problems.append({"field": "", "problem": f"must be an object with one or more of {', '.join(Figures._fields)}"})
    known = {key: whole(given[key]) for key in Figures._fields if key in given}
    problems += [
        {"field": key, "problem": f"must be a whole number, 0 to {_MOST}: how many in all so far"}
        for key, count in known.items()
        if not (type(count) is int and 0 <= count <= _MOST)
    ]
    return known, problems


def with_figures(cohort: Cohort, said: Mapping[str, int]) -> Cohort:
    """Return the cohort as it is once these figures are known; what is not said stays."""
    return replace(cohort, figures=cohort.figures._replace(**said))
