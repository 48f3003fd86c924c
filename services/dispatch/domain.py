"""What dispatch works on: rounds of attempts, who they go to, and how a hand-over can end. Pure.

An *attempt* is one hand-over of one notice to one provider. A *round* is what one written intent covers:
a print batch, or about half a second's worth of messages. States are those of `core.status`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from services.core.channel import Channel
from services.core.ids import batch_id
from services.core.incident import Incident
from services.core.notices import FLAG_SECRET_ADDRESS, Notices
from services.core.status import AttemptState

__all__ = [
    "LETTERS_A_BATCH",
    "TEMPORARY_TRIES",
    "Contact",
    "Ending",
    "HandOver",
    "Key",
    "OpenRows",
    "Outage",
    "Pace",
    "Result",
    "Round",
    "Settled",
    "Work",
    "by_partition",
    "reopened",
    "rounds_of",
    "settled",
    "state_after",
]

Key = tuple[bytes, int]  # (notice, number of the attempt): the natural key of an attempt

# A print house handles a few hundred letters as one job; more makes a repeat after a crash long.
LETTERS_A_BATCH = 500
# With waits that double from half a minute to an hour this is about seven hours: a full mailbox or a
# provider's greylist is over by then, or the next channel is the better way.
TEMPORARY_TRIES = 12


@dataclass(frozen=True, slots=True, repr=False)
class Contact:
    """Where a person can be written to, as unsealed. Never printed: it has no text form."""

    initials: str = ""
    given_name: str = ""
    prefix: str = ""
    family_name: str = ""
    street: str = ""
    house_number: str = ""
    house_letter: str = ""
    house_number_addition: str = ""
    postcode: str = ""
    city: str = ""
    country: str = "NL"
    care_of: str = ""
    email: str = ""
    portal_id: str = ""

    def __repr__(self) -> str:
        return "Contact(...)"


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


@dataclass(slots=True)
class OpenRows:
    """Attempts of one incident version as they are stored; every list has one entry an attempt.

    `batches` and `since` are those of their intents, where there are any.
    """

    notices: Notices
    tries: list[int]
    batches: list[bytes | None]
    since: list[datetime]
    partitions: list[int]

    def pick(self, rows: list[int]) -> "OpenRows":
        """Give the attempts at these positions, in that order."""
        columns = (self.tries, self.batches, self.since, self.partitions)
        return OpenRows(self.notices.pick(rows), *([column[row] for row in rows] for column in columns))  # type: ignore[arg-type]


@dataclass(slots=True)
class Round:
    """Attempts of one partition and one incident version that one intent covers.

    `tries` counts how often each was put off. `batch` and `created_at` make a repeat the same, to the byte.
    """

    partition: int
    notices: Notices
    tries: list[int]
    created_at: datetime
    batch: bytes | None = None
    repeated: bool = False

    def __len__(self) -> int:
        return len(self.notices)

    @property
    def keys(self) -> list[Key]:
        """The natural keys of its attempts."""
        return list(zip(self.notices.ids, self.notices.attempts, strict=True))


@dataclass(slots=True)
class Work:
    """A round ready to be handed over: `contacts` has one entry a row."""

    round: Round
    incident: Incident
    contacts: Sequence[Contact]

    def pick(self, rows: list[int]) -> "Work":
        """Give the rows at these positions, as the same batch."""
        whole = self.round
        part = replace(whole, notices=whole.notices.pick(rows), tries=[whole.tries[row] for row in rows])
        return Work(part, self.incident, [self.contacts[row] for row in rows])


@dataclass(frozen=True, slots=True)
class Settled:
    """What is stored of one result: the state that follows, and in how many seconds it may be taken again."""

    state: AttemptState
    wait: float = 0.0
    tries: int = 0
    reason: str = ""


@dataclass(slots=True)
class Pace:
    """How many messages one intent covers: what went out in about half a second lately.

    A crash leaves at most these as unknown; fewer would spend the time on transactions.
    """

    size: int = 64
    least: int = 16
    most: int = 512
    target: float = 0.5  # seconds

    def took(self, sent: int, seconds: float) -> None:
        """Learn from a round; moves half of the way, so one slow answer does not shrink it to nothing."""
        if sent and seconds > 0:
            wanted = int(sent / seconds * self.target)
            self.size = max(self.least, min(self.most, (self.size + wanted) // 2))


def rounds_of(channel: Channel, partition: int, queued: Sequence[OpenRows], now: datetime) -> list[Round]:
    """Cut what the queue of a partition gave into rounds.

    Letters of secret addresses go in batches of their own: who handles those is kept small.
    """
    rounds = []
    for group in queued:
        for rows in _separated(channel, group.notices):
            part = group.pick(rows)
            made = Round(partition, part.notices, part.tries, now)
            rounds.append(
                replace(made, batch=batch_id(channel.label, made.keys)) if channel is Channel.LETTER else made
            )
    return rounds


def _separated(channel: Channel, notices: Notices) -> list[list[int]]:
    if channel is not Channel.LETTER:
        return [list(range(len(notices)))]
    parts: tuple[list[int], list[int]] = ([], [])
    for row, flags in enumerate(notices.flags):
        parts[bool(flags & FLAG_SECRET_ADDRESS)].append(row)
    return [
        _sorted(notices, rows[at : at + LETTERS_A_BATCH])
        for rows in parts
        for at in range(0, len(rows), LETTERS_A_BATCH)
    ]


def _sorted(notices: Notices, rows: list[int]) -> list[int]:
    """Put rows in the order of their keys: whoever sets a batch again must set the same pages."""
    return sorted(rows, key=lambda row: (notices.ids[row], notices.attempts[row]))


def reopened(partition: int, begun: Sequence[OpenRows], mine: Collection[Key]) -> list[Round]:
    """Give the rounds that somebody began and did not settle, as they were, less those that are `mine`."""
    found: dict[tuple[bytes | None, datetime, int], list[int]] = {}
    for at, group in enumerate(begun):
        for row, key in enumerate(zip(group.notices.ids, group.notices.attempts, strict=True)):
            if key not in mine:
                found.setdefault((group.batches[row], group.since[row], at), []).append(row)
    rounds = []
    for (batch, since, at), rows in found.items():
        part = begun[at].pick(_sorted(begun[at].notices, rows))
        rounds.append(Round(partition, part.notices, part.tries, since, batch, repeated=True))
    return rounds


def by_partition(rows: OpenRows) -> dict[int, OpenRows]:
    """Take attempts of several partitions apart."""
    found: dict[int, list[int]] = {}
    for row, partition in enumerate(rows.partitions):
        found.setdefault(partition, []).append(row)
    return {partition: rows.pick(at) for partition, at in found.items()}


_STATES: Mapping[Ending, AttemptState] = {
    Ending.ACCEPTED: AttemptState.ACCEPTED,
    Ending.REFUSED: AttemptState.REFUSED,
    Ending.UNKNOWN: AttemptState.UNKNOWN,
    Ending.NOT_SENT: AttemptState.TAKEN,
    Ending.NOT_NOW: AttemptState.TAKEN,
    Ending.REPEAT: AttemptState.INTENT,
}


def state_after(ending: Ending) -> AttemptState:
    """Give the state that an open attempt moves to (INTENT = it stays, to be repeated)."""
    return _STATES[ending]


def settled(result: Result, tries: int, wait: float) -> Settled:
    """Give what is stored of a result; `wait` is the backoff for the try after this one, in seconds.

    Only what the provider says of this recipient counts as a try: an outage is nobody's fault.
    """
    if result.ending is Ending.NOT_NOW:
        if tries + 1 >= TEMPORARY_TRIES:
            return Settled(AttemptState.REFUSED, tries=tries + 1, reason="put-off-too-often")
        return Settled(AttemptState.TAKEN, wait, tries + 1)
    state = state_after(result.ending)
    if state is AttemptState.INTENT:
        return Settled(state, wait, tries + 1, result.reason)
    return Settled(state, tries=tries, reason=result.reason)
