"""What dispatch works on: batches and rounds of attempts, who they go to, and how a hand-over can end. Pure.

An *attempt* is one hand-over of one notice to one provider. A *batch* is attempts that share one fate: it is stored
and moves from state to state as a whole, and where fates part it is split. A *round* is the batches that one written
intent covers: a print file, or about half a second's worth of messages. States are those of `core.status`.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from services.core.channel import Channel
from services.core.ids import batch_id
from services.core.incident import Incident
from services.core.notices import COLUMNS, FLAG_SECRET_ADDRESS, Notices
from services.core.status import AttemptState, can_become

__all__ = [
    "LETTERS_AS_DATA",
    "LETTERS_AS_PDF",
    "MESSAGES_A_BATCH",
    "TEMPORARY_TRIES",
    "Batch",
    "Contact",
    "Ending",
    "Fate",
    "HandOver",
    "Key",
    "Outage",
    "Pace",
    "Result",
    "Round",
    "Settled",
    "Taken",
    "Unprinted",
    "Work",
    "by_partition",
    "cut",
    "gathered",
    "joined",
    "part_ways",
    "reopened",
    "rounds_of",
    "settled",
    "state_after",
    "staying",
]

Key = tuple[bytes, int]  # (notice, number of the attempt): the natural key of an attempt

# A print house handles some hundreds of letters as one job; more makes a repeat after a crash long. As data four of
# the largest blocks that come in: files to sync and transactions cost as much for one letter as for thousands.
LETTERS_AS_PDF = 256
LETTERS_AS_DATA = 8192
# The fewest that an intent covers (`Pace.least`), so no batch is ever larger than what may become unknown at once.
MESSAGES_A_BATCH = 16
# With waits that double from half a minute to an hour this is about seven hours: a full mailbox or a
# provider's greylist is over by then, or the next channel is the better way.
TEMPORARY_TRIES = 12


class Unprinted(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Somebody's data as it goes in or out as JSON. It has no text form, so none of it gets into a log by accident.

    gc: it holds texts and numbers, so never a cycle.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []  # what rich would print


class Contact(Unprinted, frozen=True):
    """Where a person can be written to, as unsealed; in JSON its fields have the names of a member record's."""

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


class Taken(NamedTuple):
    """Attempts to be queued as one batch: of one partition and one incident version; `block` = the same, packed."""

    partition: int
    notices: Notices
    block: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored. `tries` counts how often it was put off; `since` is when it came into its state.

    `job` is the print file that its letters are in, once there is an intent.
    """

    number: int
    partition: int
    notices: Notices
    tries: int
    since: datetime
    job: bytes | None = None


@dataclass(slots=True)
class Round:
    """Batches of one partition and one incident version that one intent covers.

    `tries` has one entry an attempt. `parts` says which batches these are: number and attempts of each, in the
    order of the rows. `batch` (the id of a print file) and `created_at` make a repeat the same, to the byte.
    """

    partition: int
    notices: Notices
    tries: list[int]
    created_at: datetime
    batch: bytes | None = None
    repeated: bool = False
    parts: Sequence[tuple[int, int]] = ()

    def __len__(self) -> int:
        return len(self.notices)

    @property
    def keys(self) -> list[Key]:
        """The natural keys of its attempts."""
        return list(zip(self.notices.ids, self.notices.attempts, strict=True))

    @property
    def numbers(self) -> list[int]:
        """The numbers of its batches."""
        return [number for number, _ in self.parts]

    def rows(self) -> Iterable[tuple[int, range]]:
        """Return each batch's number and rows."""
        first = 0
        for number, count in self.parts:
            yield number, range(first, first + count)
            first += count


@dataclass(slots=True)
class Work:
    """A round ready to be handed over: `contacts` has one entry a row."""

    round: Round
    incident: Incident
    contacts: Sequence[Contact]

    def pick(self, rows: list[int]) -> "Work":
        """Return the rows at these positions, as the same batch."""
        whole = self.round
        part = replace(whole, notices=whole.notices.pick(rows), tries=[whole.tries[row] for row in rows])
        return Work(part, self.incident, [self.contacts[row] for row in rows])


class Settled(NamedTuple):
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
    least: int = MESSAGES_A_BATCH
    most: int = 512
    target: float = 0.5  # seconds

    def took(self, sent: int, seconds: float) -> None:
        """Learn from a round; moves half of the way, so one slow answer does not shrink it to nothing."""
        if sent and seconds > 0:
            wanted = int(sent / seconds * self.target)
            self.size = max(self.least, min(self.most, (self.size + wanted) // 2))


def cut(channel: Channel, notices: Notices, size: int) -> list[list[int]]:
    """Cut attempts that came together into batches of at most `size`; one group of all rows where nothing is cut.

    Letters to secret addresses go in batches of their own: who handles those is kept small.
    """
    everything = list(range(len(notices)))
    parts = [everything]
    if channel is Channel.LETTER and any(flags & FLAG_SECRET_ADDRESS for flags in notices.flags):
        secret = [row for row in everything if notices.flags[row] & FLAG_SECRET_ADDRESS]
        parts = [sorted(set(everything).difference(secret)), secret]
    return [rows[at : at + size] for rows in parts for at in range(0, len(rows), size)]


def rounds_of(
    channel: Channel, partition: int, queued: Iterable[Batch], now: datetime, size: int = LETTERS_AS_DATA
) -> list[Round]:
    """Put what the queue of a partition gave into rounds; print files have at most `size` letters, secret ones apart.

    A print file's id is made from its membership alone, so that the same letters can only be the same file.
    """
    if channel is not Channel.LETTER:
        return gathered(partition, queued, now)
    rounds = []
    for together in _grouped(queued, lambda batch: bool(batch.notices.flags[0] & FLAG_SECRET_ADDRESS)):
        for batches in _filled(together, size):
            one = _joined(partition, batches, now)
            rounds.append(replace(one, batch=batch_id(channel.label, one.keys)))
    return rounds


def gathered(partition: int, batches: Iterable[Batch], now: datetime) -> list[Round]:
    """Put the batches of a partition that are of the same incident version together."""
    return [_joined(partition, together, now) for together in _grouped(batches, lambda _: None)]


def reopened(partition: int, begun: Iterable[Batch], mine: Collection[int]) -> list[Round]:
    """Return the rounds that somebody began and did not settle, as they were, less the batches that are `mine`."""
    others = (batch for batch in begun if batch.number not in mine)
    return [
        replace(_joined(partition, together, together[0].since), batch=together[0].job, repeated=True)
        for together in _grouped(others, lambda batch: (batch.job, batch.since))
    ]


def by_partition(batches: Iterable[Batch]) -> dict[int, list[Batch]]:
    """Take batches of several partitions apart."""
    found: dict[int, list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.partition, []).append(batch)
    return found


def _grouped(batches: Iterable[Batch], key: Callable[[Batch], Hashable]) -> list[list[Batch]]:
    """Put batches of one incident version and one key together; each group in the order of its numbers.

    Whoever sets a print file again must set the same pages in the same order.
    """
    found: dict[Hashable, list[Batch]] = {}
    for batch in batches:
        about = batch.notices.incident_id, batch.notices.incident_version
        found.setdefault((about, key(batch)), []).append(batch)
    return [sorted(together, key=lambda batch: batch.number) for together in found.values()]


def _filled(batches: Iterable[Batch], size: int) -> list[list[Batch]]:
    """Return batches in groups of at most `size` attempts, and never an empty one."""
    groups: list[list[Batch]] = []
    room = 0
    for batch in batches:
        if len(batch.notices) > room:
            groups.append([])
            room = size
        groups[-1].append(batch)
        room -= len(batch.notices)
    return groups


def _joined(partition: int, batches: Sequence[Batch], created_at: datetime) -> Round:
    notices = batches[0].notices if len(batches) == 1 else joined([batch.notices for batch in batches])
    tries = [tries for batch in batches for tries in [batch.tries] * len(batch.notices)]
    parts = [(batch.number, len(batch.notices)) for batch in batches]
    return Round(partition, notices, tries, created_at, parts=parts)


def joined(parts: Sequence[Notices]) -> Notices:
    """Return notices of one incident version in one."""
    whole = Notices(parts[0].incident_id, parts[0].incident_version)
    for name in COLUMNS:
        setattr(whole, name, list(chain.from_iterable(getattr(part, name) for part in parts)))
    return whole


_STATES: Mapping[Ending, AttemptState] = {
    Ending.ACCEPTED: AttemptState.ACCEPTED,
    Ending.REFUSED: AttemptState.REFUSED,
    Ending.UNKNOWN: AttemptState.UNKNOWN,
    Ending.NOT_SENT: AttemptState.TAKEN,
    Ending.NOT_NOW: AttemptState.TAKEN,
    Ending.REPEAT: AttemptState.INTENT,
}


def state_after(ending: Ending) -> AttemptState:
    """Return the state that an open attempt moves to (INTENT = it stays, to be repeated)."""
    return _STATES[ending]


def settled(result: Result, tries: int, wait: float) -> Settled:
    """Return what is stored of a result; `wait` is the backoff for the try after this one, in seconds.

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


class Fate(NamedTuple):
    """What the attempts of a batch share: the state, how often they were put off, and how long to wait in it."""

    state: AttemptState
    tries: int
    wait: float


def part_ways(state: AttemptState, ended: Sequence[Settled]) -> dict[Fate | None, list[int]]:
    """Return the rows of a batch in `state` by what becomes of them; None = they stay as they are.

    What an owner before us called unknown may still turn out accepted or refused, and nothing else; what is
    settled stays so.
    """
    fates: dict[Fate | None, list[int]] = {}
    unknown = state is AttemptState.UNKNOWN
    fate_of: dict[int, list[int]] = {}  # by identity first: thousands of rows share a handful of outcomes
    for row, one in enumerate(ended):
        rows = fate_of.get(id(one))
        if rows is None:
            allowed = state is AttemptState.INTENT or (unknown and can_become(state, one.state))
            fate = Fate(one.state, one.tries, one.wait) if allowed else None
            rows = fate_of[id(one)] = fates.setdefault(fate, [])
        rows.append(row)
    return fates


def staying(fates: Mapping[Fate | None, Sequence[int]]) -> Fate | None:
    """Return the fate that keeps the batch: what stays begun, so that a repeat finds it as it was, else the most."""
    if None in fates:
        return None
    return max(fates, key=lambda fate: (fate is not None and fate.state is AttemptState.INTENT, len(fates[fate])))
