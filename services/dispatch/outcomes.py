"""How hand-overs end: the results of an adapter, the outcomes that are stored, and the fates of a batch. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from services.core.status import AttemptState, can_become

__all__ = [
    "TEMPORARY_TRIES",
    "AttemptOutcome",
    "Ending",
    "Fate",
    "HandOver",
    "Outage",
    "Result",
    "classify",
    "part_ways",
    "staying",
]

# With waits that double from half a minute to an hour this is about seven hours: a full mailbox or a
# provider's greylist is over by then, or the next channel is the better way.
TEMPORARY_TRIES = 12


class Ending(Enum):
    """How the hand-over of one notice ended, as far as the provider's adapter can know."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # this recipient, for good
    UNKNOWN = "unknown"  # it began, no answer came, and repeating could tell somebody twice
    NOT_SENT = "not-sent"  # surely nothing was handed over, through no fault of this recipient's
    NOT_NOW = "not-now"  # surely nothing was handed over: the provider put this recipient off
    REPEAT = "repeat"  # no answer, or not yet; repeating is safe, as the provider knows our id


class Result(NamedTuple):
    """How one hand-over ended; `reason` is a code and never repeats what a provider wrote."""

    ending: Ending
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outage:
    """The provider as a whole cannot take more now; `after` is the wait that it asked for, in seconds."""

    after: float | None = None


@dataclass(frozen=True, slots=True)
class HandOver:
    """What became of a round: one result a row, in its order."""

    results: Sequence[Result]
    outage: Outage | None = None


class AttemptOutcome(NamedTuple):
    """One result as it is stored: the state that follows, and in how many seconds the attempt may be taken again."""

    state: AttemptState
    wait: float = 0.0
    tries: int = 0
    reason: str = ""


_STATES: Mapping[Ending, AttemptState] = {
    Ending.ACCEPTED: AttemptState.ACCEPTED,
    Ending.REFUSED: AttemptState.REFUSED,
    Ending.UNKNOWN: AttemptState.UNKNOWN,
    Ending.NOT_SENT: AttemptState.TAKEN,
    Ending.NOT_NOW: AttemptState.TAKEN,
    Ending.REPEAT: AttemptState.INTENT,  # it stays begun, to be repeated
}


def classify(result: Result, tries: int, wait: float) -> AttemptOutcome:
    """Return a result as it is stored; `wait` is the backoff for the try after this one, in seconds.

    Only what the provider says of this recipient counts as a try: an outage is nobody's fault.
    """
    if result.ending is Ending.NOT_NOW:
        if tries + 1 >= TEMPORARY_TRIES:
            return AttemptOutcome(AttemptState.REFUSED, tries=tries + 1, reason="put-off-too-often")
        return AttemptOutcome(AttemptState.TAKEN, wait, tries + 1)
    state = _STATES[result.ending]
    if state is AttemptState.INTENT:
        return AttemptOutcome(state, wait, tries + 1, result.reason)
    return AttemptOutcome(state, tries=tries, reason=result.reason)


class Fate(NamedTuple):
    """What the attempts of a batch share: the state, how often they were put off, and how long to wait in it."""

    state: AttemptState
    tries: int
    wait: float


def part_ways(state: AttemptState, outcomes: Sequence[AttemptOutcome]) -> dict[Fate | None, list[int]]:
    """Return the rows of a batch in `state` by what becomes of them; None = they stay as they are.

    An attempt that an owner before us called unknown may still turn out accepted or refused, and nothing else. An
    attempt that is settled stays settled.
    """
    fates: dict[Fate | None, list[int]] = {}
    unknown = state is AttemptState.UNKNOWN
    rows_by_identity: dict[int, list[int]] = {}  # thousands of rows share a handful of outcomes, the very same objects
    for row, outcome in enumerate(outcomes):
        rows = rows_by_identity.get(id(outcome))
        if rows is None:
            allowed = state is AttemptState.INTENT or (unknown and can_become(state, outcome.state))
            fate = Fate(outcome.state, outcome.tries, outcome.wait) if allowed else None
            rows = rows_by_identity[id(outcome)] = fates.setdefault(fate, [])
        rows.append(row)
    return fates


def staying(fates: Mapping[Fate | None, Sequence[int]]) -> Fate | None:
    """Return the fate that keeps the batch: that of attempts that stay begun, else of the most.

    Attempts that stay begun keep it so that a repeat finds the same batch.
    """
    if None in fates:
        return None
    return max(fates, key=lambda fate: (fate is not None and fate.state is AttemptState.INTENT, len(fates[fate])))
