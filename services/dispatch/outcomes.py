"""How hand-overs end: the results of an adapter, the outcomes that are stored, and the fates of a batch. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import NamedTuple

from services.core.status import AttemptState, can_become
from services.dispatch.blame import Blame
from services.dispatch.domain import PrintedFile

__all__ = [
    "ABSENT",
    "PUT_OFF_TOO_OFTEN",
    "REFUSED_BY_PROVIDER",
    "TEMPORARY_TRIES",
    "AttemptOutcome",
    "Ending",
    "Fate",
    "HandOver",
    "Outage",
    "Result",
    "classify",
    "part_ways",
    "refusal_of",
    "staying",
]

# With waits that double from half a minute to an hour this is about seven hours: a full mailbox or a
# provider's greylist is over by then, or the next channel is the better way.
TEMPORARY_TRIES = 12

# Why a notice goes back to routing.
REFUSED_BY_PROVIDER = "refused-by-provider"
PUT_OFF_TOO_OFTEN = "put-off-too-often"
# Why a hand-over is listed as one that may be made again: the provider was asked, and does not know it.
ABSENT = "absent"


class Ending(Enum):
    """How the hand-over of one notice ended, as far as the provider's adapter can know."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # this recipient, for good
    UNKNOWN = "unknown"  # it began, no answer came, and repeating could tell somebody twice
    NOT_SENT = "not-sent"  # surely nothing was handed over, through no fault of this recipient's
    NOT_NOW = "not-now"  # surely nothing was handed over: the provider put this recipient off
    REPEAT = "repeat"  # no answer, or not yet; repeating is safe, as the provider knows our id
    HELD = "held"  # surely not handed over: its channel, domain or incident is paused, and it waits for that to end


class Result(NamedTuple):
    """How one hand-over ended; `reason` is a code and never repeats what a provider wrote.

    `blame` is whose fault the provider's answer was; None where there was none, or it took the notice. A refusal
    without blame rests on what we know ourselves. `wait` is how long a held one waits at least, in
    seconds, or one that is to be repeated.
    """

    ending: Ending
    reason: str = ""
    blame: Blame | None = None
    wait: float = 0.0

    @property
    def counted_as(self) -> str:
        """The word that metrics have for it."""
        waits = self.ending is Ending.REFUSED and self.blame is not None
        return "refused-waiting" if waits else self.ending.value

    @property
    def stops(self) -> bool:
        """Whether the same would be answered to others too, so that it is pointless and harmful to go on."""
        return self.blame in _STOPPING


_STOPPING = frozenset({Blame.SENDER, Blame.PROVIDER, Blame.CONTENT})


@dataclass(frozen=True, slots=True)
class Outage:
    """The provider as a whole cannot take more now; `after` is the wait that it asked for, in seconds.

    `too_many`: it asks us to slow down, and is not ill.
    """

    after: float | None = None
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class HandOver:
    """What became of a round: one result a row, in its order; and what is in its print file, where it is one.

    `bug`: why our code could not go on with it; empty = it could.
    """

    results: Sequence[Result]
    outage: Outage | None = None
    printed: PrintedFile | None = None
    bug: str = ""


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
    Ending.HELD: AttemptState.TAKEN,
}


def classify(result: Result, tries: int, wait: float, window: float) -> AttemptOutcome:
    """Return a result as it is stored; `wait` is the backoff for the try after this one, in seconds.

    Only what the provider says of this recipient counts as a try: an outage is nobody's fault. Where the provider
    refuses somebody, the refusal waits for `window` seconds, so that it can be taken back if the provider is ill.
    """
    if result.ending is Ending.NOT_NOW:
        if tries + 1 >= TEMPORARY_TRIES:
            return AttemptOutcome(AttemptState.REFUSED_WAITING, window, tries + 1, PUT_OFF_TOO_OFTEN)
        return AttemptOutcome(AttemptState.TAKEN, wait, tries + 1)
    if result.ending is Ending.REFUSED and result.blame is not None:
        return AttemptOutcome(AttemptState.REFUSED_WAITING, window, tries, result.reason)
    state = _STATES[result.ending]
    if state is AttemptState.INTENT:
        return AttemptOutcome(state, max(wait, result.wait), tries + 1, result.reason)
    return AttemptOutcome(state, result.wait, tries, result.reason)


@cache
def refusal_of(tries: int) -> AttemptOutcome:
    """Return how a refusal ends that waited long enough, of an attempt that was put off `tries` times."""
    reason = PUT_OFF_TOO_OFTEN if tries >= TEMPORARY_TRIES else REFUSED_BY_PROVIDER
    return AttemptOutcome(AttemptState.REFUSED, tries=tries, reason=reason)


class Fate(NamedTuple):
    """What the attempts of a batch share: the state, how often they were put off, and how long to wait in it."""

    state: AttemptState
    tries: int
    wait: float


def part_ways(
    state: AttemptState, outcomes: Sequence[AttemptOutcome], waiting: AttemptState = AttemptState.UNKNOWN
) -> dict[Fate | None, list[int]]:
    """Return the rows of a batch in `state` by what becomes of them; None = they stay as they are.

    An attempt that an owner before us called unknown may still turn out accepted or refused, and nothing else. One
    that was refused waits: only who comes for those (`waiting`) moves it. An attempt that is settled stays settled.
    """
    fates: dict[Fate | None, list[int]] = {}
    rows_by_identity: dict[int, list[int]] = {}  # thousands of rows share a handful of outcomes, the very same objects
    for row, outcome in enumerate(outcomes):
        rows = rows_by_identity.get(id(outcome))
        if rows is None:
            allowed = state is AttemptState.INTENT or (state is waiting and can_become(state, outcome.state))
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
