"""Reads what a source says of its cohort, and decides what may change in cohorts and incidents. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from services.core.cohort import Cohort
from services.core.numbers import whole
from services.intake.errors import ConflictError
from services.wire.incident_words import GROUP

__all__ = [
    "CANCELLED",
    "CohortRequest",
    "cancelled",
    "changed_cohort",
    "check_growth",
    "cohort_json",
    "paused",
    "read_cohort",
    "resumed",
    "sealed",
]

CANCELLED = "the cohort is cancelled, for good"

MAX_SOURCE = 200  # characters
MAX_DECLARED = 10**10  # more than there are people: a larger count is a mistake


class CohortRequest(NamedTuple):
    """What a source says of its cohort; None = not said."""

    source: str
    declared: int | None
    auto_release: bool | None
    group: str | None = None


def read_cohort(body: Any) -> tuple[CohortRequest, list[dict[str, str]]]:
    """Read what a source says of its cohort; returns it with all problems in it."""
    if not isinstance(body, dict):
        return CohortRequest("", None, None), [{"field": "", "problem": "must be a JSON object"}]
    source, declared, auto = (whole(body.get(key)) for key in ("source", "declaredCount", "autoRelease"))
    group = body.get("group")
    problems = [
        {"field": key[:64], "problem": "is not a field of a cohort"}
        for key in sorted(set(body) - {"source", "declaredCount", "autoRelease", "group"})
    ]
    if not isinstance(source, str) or not source.strip() or len(source) > MAX_SOURCE or not source.isprintable():
        problems.append({"field": "source", "problem": f"must be a text of 1 to {MAX_SOURCE} characters"})
    if declared is not None and not (type(declared) is int and 0 <= declared <= MAX_DECLARED):
        problems.append({"field": "declaredCount", "problem": "must be a whole number, 0 or more"})
    if auto is not None and not isinstance(auto, bool):
        problems.append({"field": "autoRelease", "problem": "must be true or false"})
    if group is not None and not (isinstance(group, str) and GROUP.fullmatch(group)):
        problems.append({"field": "group", "problem": "must be 1 to 64 letters, digits, dots, hyphens or underscores"})
    return CohortRequest(str(source), declared, auto, group), problems


def cohort_json(cohort: Cohort) -> Mapping[str, Any]:
    """Return a cohort as JSON."""
    return {
        "incidentId": cohort.incident_id,
        "cohortId": cohort.cohort_id,
        "version": cohort.version,
        "source": cohort.source,
        "declared": cohort.declared,
        "autoRelease": cohort.auto_release,
        "group": cohort.group or None,
        "sealed": cohort.sealed,
        "released": cohort.released,
        "cancelled": cohort.cancelled,
        "paused": cohort.paused,
        "pauseId": cohort.pause_id,
        "canary": cohort.canary,
        "perDay": cohort.per_day,
        **cohort.figures._asdict(),
    }


def changed_cohort(before: Cohort, wanted: CohortRequest) -> Cohort | None:
    """Return the cohort's next version, or None where nothing changes; what is None stays as it is.

    Raises ConflictError for another source or group, another declared count after sealing, or any change after
    cancelling.
    """
    source, declared, auto_release, group = wanted
    if source != before.source:
        raise ConflictError("the cohort belongs to another source")
    if group is not None and group != before.group:
        raise ConflictError("the cohort was opened in another group: which words people read does not change")
    if declared is None:
        declared = before.declared
    if before.sealed and declared != before.declared:
        raise ConflictError("the cohort is sealed: its declared count stands")
    auto = before.auto_release if auto_release is None else auto_release
    changed = replace(before, declared=declared, auto_release=auto, version=before.version + 1)
    if replace(changed, version=before.version) == before:
        return None
    if before.cancelled:
        raise ConflictError(CANCELLED)
    return changed


def sealed(cohort: Cohort) -> Cohort:
    """Return the cohort as it is once nothing more comes. Raises ConflictError where it was cancelled while open."""
    if cohort.cancelled and not cohort.sealed:
        raise ConflictError(CANCELLED)
    return replace(cohort, sealed=True)


def paused(cohort: Cohort) -> Cohort:
    """Return the cohort as it is once nothing that names its facts goes any more; a pause that holds goes on.

    Raises ConflictError where it is cancelled: then nothing goes anyway, for good.
    """
    if cohort.cancelled:
        raise ConflictError(CANCELLED)
    if cohort.paused:
        return cohort
    return replace(cohort, paused_since=cohort.version + 1, resumed_after=())


def resumed(cohort: Cohort) -> Cohort:
    """Return the cohort as it is once its pause ends; one that is not paused stays as it is.

    Raises ConflictError where it is cancelled.
    """
    if cohort.cancelled:
        raise ConflictError(CANCELLED)
    return replace(cohort, paused_since=0)


def cancelled(cohort: Cohort) -> Cohort:
    """Return the cohort as it is once it is taken back as a whole; that ends a pause, as it holds more."""
    return replace(cohort, cancelled=True, paused_since=0, resumed_after=())


def check_growth(before: bytes, after: Mapping[str, Any]) -> None:
    """Check that an incident's data categories only grew. Raises ConflictError: facts name a category by its place."""
    codes = [category["code"] for category in orjson.loads(before)["dataCategories"]]
    if [category["code"] for category in after["dataCategories"]][: len(codes)] != codes:
        raise ConflictError("dataCategories may grow, but never lose or reorder a code")
