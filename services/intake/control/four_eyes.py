"""What takes two principals where an incident has four eyes: one asks for it, another approves it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import orjson

from services.core.cohort import Cohort
from services.core.incident import Incident, KeyVersions
from services.core.numbers import whole
from services.core.policy import Pace, Stop
from services.intake.errors import ConflictError, NotPermittedError

__all__ = [
    "AskedChange",
    "check_approver",
    "check_four_eyes",
    "check_nobody_comes",
    "check_only_asker",
    "only_stops",
    "read_approval",
]

_MOST = 2**31 - 1  # changes that are asked for in one incident: the database's int


class AskedChange(NamedTuple):
    """The last change of an incident's document that somebody asked for, and what became of it."""

    number: int  # which of the incident's it is: whoever approves names it
    version: int  # of the incident, when it was asked for
    document: bytes  # in its normal form
    reissue: bool
    asked_by: str
    approved_by: str | None = None

    def waits(self, version: int) -> bool:
        """Tell whether somebody may still approve it, where this is the incident's version: with another it lapsed."""
        return self.approved_by is None and self.version == version


def check_four_eyes(before: bytes, after: Mapping[str, Any]) -> None:
    """Check that an incident keeps its four eyes. Raises ConflictError: whoever took them away could release alone."""
    if orjson.loads(before).get("fourEyes") and not after.get("fourEyes"):
        raise ConflictError("fourEyes may be switched on, but never off: a release takes two for good")


def check_nobody_comes(cohorts: Sequence[Cohort]) -> None:
    """Check that four eyes go with these cohorts. Raises ConflictError: who is added would be told on one word."""
    if auto := [one.cohort_id for one in cohorts if one.auto_release]:
        raise ConflictError(f"fourEyes goes with no autoRelease, which is set for: {', '.join(auto)}")
    if still_open := [one.cohort_id for one in cohorts if one.is_released and not one.sealed]:
        raise ConflictError(f"fourEyes: seal first what is released, so that nobody comes: {', '.join(still_open)}")


def check_only_asker(asked_by: str | None, caller: str, what: str) -> None:
    """Check that what waits to be approved is the caller's to replace; None = nothing waits. Raises ConflictError."""
    if asked_by not in (None, caller):
        raise ConflictError(f"somebody else asked for another {what}: it waits to be approved")


def check_approver(asked_by: str, caller: str, what: str) -> None:
    """Check that somebody else asked for what the caller approves. Raises NotPermittedError."""
    if asked_by == caller:
        raise NotPermittedError(f"whoever asked for a {what} does not approve it")


def read_approval(body: Any) -> tuple[int, list[dict[str, str]]]:
    """Read which change of a document is approved; returns it with all problems in it."""
    given = body if isinstance(body, dict) else {}
    problems = [
        {"field": key[:64], "problem": "is not a field of an approval"} for key in sorted(set(given) - {"number"})
    ]
    number = whole(given.get("number"))
    if type(number) is int and 0 < number <= _MOST:
        return number, problems
    return 0, [*problems, {"field": "number", "problem": "must be the number of the change that was read"}]


def only_stops(before: Incident, after: Incident) -> bool:
    """Tell whether nobody is told anything under a document who would not have been told the same without it.

    So it is where channels are closed, limits and shares are lowered, four eyes are opened, and nothing else changes.
    """
    return (
        _beside_stops(before) == _beside_stops(after)
        and [one for one in before.usable_channels if one in after.usable_channels] == [*after.usable_channels]
        and _is_no_faster(before.policy.pace, after.policy.pace)
        and all(now <= then for then, now in zip(before.policy.stop, after.policy.stop, strict=True))
    )


def _beside_stops(incident: Incident) -> Incident:
    """Return all of a document that can do more than stop."""
    as_put = replace(incident, version=0, key_versions=KeyVersions(), after=(), reissue=False, tied=False)
    policy = replace(incident.policy, pace=Pace(), stop=Stop())
    return replace(as_put, channels=(), compromised=frozenset(), four_eyes=False, policy=policy)


def _is_no_faster(before: Pace, after: Pace) -> bool:
    bounds = [(before.notices_a_day, after.notices_a_day)]
    bounds += [(bound, after.per_channel.get(channel)) for channel, bound in before.per_channel.items()]
    return all(then is None or (now is not None and now <= then) for then, now in bounds)
