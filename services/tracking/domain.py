"""What tracking hears, as columns, and the words for where a notice stands. Pure.

Where it stands follows from the set of all that was heard of it (`histories.py`), so neither order nor repeats matter.
What the figures of all stages come to together is in `ledger.py`.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from services.core.channel import CHANNEL_NAMES, Channel
from services.core.ledger import HoldReason

__all__ = [
    "KINDS",
    "Deltas",
    "Finding",
    "Observed",
    "Outcomes",
    "Refusals",
    "State",
    "Superseded",
    "Verdict",
    "come_twice",
    "counters_of",
    "standing_of",
]

# The kinds of event that tracking hears.
KINDS = (
    *("accepted", "refused", "unknown", "exhausted", "unprintable", "reattempted", "superseded", "totals", "pauses"),
    "receipts",
)

# What tracking counts itself (`core.ledger`): partition -> scope ("incident/cohort") -> counter -> change.
Deltas = dict[str, dict[str, Counter[str]]]


class State(IntEnum):
    """What is known of a notice. The numbers are stored: they are never reused. `histories.py` says which one holds.

    A provider's refusal at the hand-over is no state: it leaves the notice in flight, on its way to the next channel.
    """

    UNHEARD = 0  # only that it was superseded
    UNKNOWN = 1  # a hand-over began and how it ended cannot be known: still in flight
    EXHAUSTED = 2  # no channel is left
    ACCEPTED = 3  # a provider took it
    REATTEMPTED = 4  # it was given up, and is on its way again: in flight
    UNPRINTABLE = 5  # its letter cannot be printed: held until its source corrects the contact data
    REFUSED = 6  # the provider had taken it, and said later that it did not: in flight
    BOUNCED = 7  # the mail came back after it had been accepted: in flight, until no channel is left
    RETURNED = 8  # the letter came back: likewise


class Verdict(StrEnum):
    """What a reader is told who has a reference checked. The words are those of the metric and of the page's texts."""

    GENUINE = "genuine"
    UNKNOWN = "unknown"  # of no notice of ours
    MISTYPED = "mistyped"  # the check letter does not fit, or it is no reference at all
    TOO_OFTEN = "too-often"  # nothing was looked up: more is asked than is allowed
    NOT_NOW = "not-now"  # it may be of a notice that is not heard of here yet, or the database is away


class Finding(NamedTuple):
    """What one event, or all so far, say of one notice."""

    notice: bytes
    scope: str
    member: bytes | None  # the bearer; None while nothing but a supersession was heard
    revision: int
    state: int
    attempt: int
    at: int  # ms since 1970
    channel: int  # 0 where there is none
    mark: int = 0  # odd: a later revision stands for the bearer, or the bearer is somebody else; the highest holds

    @property
    def counted(self) -> bool:
        """Whether it stands for its bearer."""
        return not self.mark % 2


def counters_of(state: int, channel: int, *, counted: bool) -> Iterator[str]:
    """Return what a notice counts for of which one thing alone was heard (`core.ledger`); `counted` as in Finding."""
    if state == State.ACCEPTED and channel:
        yield f"accepted_{CHANNEL_NAMES[Channel(channel)]}"
    yield from standing_of(state, counted=counted)


def standing_of(state: int, *, counted: bool) -> Iterator[str]:
    """Return what a notice counts for by where it stands, whatever its hand-overs count for."""
    if state == State.ACCEPTED:
        yield "notices_settled"
        if counted:
            yield "notified"
    elif state == State.EXHAUSTED:
        yield "notices_settled"
        if counted:
            yield "exhausted"
    elif state == State.UNPRINTABLE and counted:
        yield HoldReason.UNPRINTABLE.counter


@dataclass(slots=True)
class Outcomes:
    """One block of outcomes of hand-overs, of notices given up or taken up again: columns, one entry a notice."""

    source: str  # the partition
    channel: int
    at: int
    scopes: list[str] = field(default_factory=list)
    notices: list[bytes] = field(default_factory=list)
    members: list[bytes] = field(default_factory=list)
    revisions: list[int] = field(default_factory=list)
    states: list[int] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """Return them one by one."""
        columns = (self.notices, self.scopes, self.members, self.revisions, self.states, self.attempts)
        for notice, scope, member, revision, state, attempt in zip(*columns, strict=True):
            yield Finding(notice, scope, member, revision, state, attempt, self.at, self.channel)

    def parted(self, rows: Sequence[int]) -> tuple["Outcomes", "Outcomes"]:
        """Return the block less these rows, and these rows of it."""
        if not rows:
            return self, Outcomes(self.source, self.channel, self.at)
        out = set(rows)
        return self._only([row for row in range(len(self.notices)) if row not in out]), self._only(rows)

    def of(self, notices: Container[bytes]) -> "Outcomes":
        """Return what it says of these notices."""
        return self._only([row for row, notice in enumerate(self.notices) if notice in notices])

    def _only(self, rows: Sequence[int]) -> "Outcomes":
        columns = (self.scopes, self.notices, self.members, self.revisions, self.states, self.attempts)
        picked: list[Any] = [[column[row] for row in rows] for column in columns]
        return Outcomes(self.source, self.channel, self.at, *picked)

    def add_to(self, deltas: Deltas) -> None:
        """Count the block as rows that were not there before."""
        scopes = deltas.setdefault(self.source, {})
        for (scope, state), count in self._counted():
            for counter in counters_of(state, self.channel, counted=True):
                scopes.setdefault(scope, Counter())[counter] += count

    def _counted(self) -> Iterable[tuple[tuple[str, int], int]]:
        """Return how many are in which cohort and state."""
        if len(set(self.states)) == 1:  # nearly always
            return [((scope, self.states[0]), count) for scope, count in Counter(self.scopes).items()]
        return Counter(zip(self.scopes, self.states, strict=True)).items()


class Refusals(NamedTuple):
    """The attempts of one block that a provider refused: columns. They say nothing of where a notice stands."""

    source: str  # the partition
    channel: int
    scopes: Sequence[str]
    notices: Sequence[bytes]
    attempts: Sequence[int]


@dataclass(slots=True)
class Superseded:
    """One block of notices that no longer count for their bearer, or count again: see `Finding.mark`."""

    source: str
    at: int
    scopes: list[str]
    notices: list[bytes]
    marks: list[int]

    def findings(self) -> Iterator[Finding]:
        """Return them one by one."""
        for notice, scope, mark in zip(self.notices, self.scopes, self.marks, strict=True):
            yield Finding(notice, scope, None, 0, State.UNHEARD, 0, self.at, 0, mark)


class Observed(NamedTuple):
    """What had begun on one channel and in one partition when a cohort was paused: notices and numbers of attempts."""

    incident_id: str
    pause_id: str
    channel: int
    partition: int
    notices: Sequence[bytes]
    attempts: Sequence[int]


def come_twice(notices: Sequence[bytes]) -> set[bytes]:
    """Return those of these notices that come more than once."""
    if len(set(notices)) == len(notices):
        return set()
    return {notice for notice, times in Counter(notices).items() if times > 1}
