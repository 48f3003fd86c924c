"""What dispatch works on: batches and rounds of attempts, and the people they go to. Pure.

An *attempt* is one hand-over of one notice to one provider. A *batch* is attempts that share one fate: it is stored
and moves from state to state as a whole, and is split where fates part. A *round* is the batches that one written
intent covers: a print file, or about half a second's worth of messages. States are those of `core.status`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, Protocol

from services.core.incident import Incident
from services.core.notices import FLAG_SECRET_ADDRESS, Notices
from services.rendering.contact import Contact

__all__ = [
    "MESSAGES_A_BATCH",
    "Batch",
    "Key",
    "Pace",
    "PrintedFile",
    "Round",
    "Taken",
    "Turning",
    "Work",
]

Key = tuple[bytes, int]  # (notice, number of the attempt): the natural key of an attempt

# The fewest that an intent covers (`Pace.least`), so no batch is ever larger than what may become unknown at once.
MESSAGES_A_BATCH = 16


class Taken(NamedTuple):
    """Attempts to be queued as one batch: of one partition and one incident version; `block` = the same, packed.

    `trace` is what they follow from, where blocks are traced, as text; empty = nothing that is known.
    """

    partition: int
    notices: Notices
    block: bytes
    trace: str = ""

    @property
    def entries(self) -> int:
        """How many attempts these are, for traces."""
        return len(self.notices)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is stored. `tries` counts how often it was put off; `since` is when it came into its state.

    `print_job` is the id of the print file that its letters are in, once there is an intent; `print_run` has that file.
    """

    number: int
    partition: int
    notices: Notices
    tries: int
    since: datetime
    print_job: bytes | None = None
    print_run: str | None = None


class PrintedFile(NamedTuple):
    """What lies in a print file."""

    letters: int
    pages: int
    sheets: int
    digest: bytes  # SHA-256


@dataclass(slots=True)
class Round:
    """Batches of one partition and one incident version that one intent covers.

    `tries` has one entry an attempt. `parts` says which batches these are: number and attempts of each, in the
    order of the rows. `print_job` (the id of a print file), `print_run` and `created_at` make a repeat the same, to the
    byte. `printed` is what is in the file, once it was handed over; `bug` is why our code could not go on with it.
    """

    partition: int
    notices: Notices
    tries: list[int]
    created_at: datetime
    print_job: bytes | None = None
    repeated: bool = False
    parts: Sequence[tuple[int, int]] = ()
    print_run: str | None = None
    printed: PrintedFile | None = None
    bug: str = ""

    def __len__(self) -> int:
        return len(self.notices)

    @property
    def keys(self) -> list[Key]:
        """The natural keys of its attempts."""
        return list(zip(self.notices.ids, self.notices.attempts, strict=True))

    def key(self, row: int) -> Key:
        """Return the natural key of one of its attempts."""
        return self.notices.ids[row], self.notices.attempts[row]

    @property
    def is_secret(self) -> bool:
        """Whether its addresses are secret: all of a print file are, or none is."""
        return bool(self.notices.flags[0] & FLAG_SECRET_ADDRESS)

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


class Turning(Protocol):
    """Who says when the next message may go to a provider."""

    async def take(self, go: Callable[[], bool]) -> bool:
        """Wait for a turn, and tell whether a message may begin now: it may not once `go()` is false."""
        ...


@dataclass(slots=True)
class Work:
    """A round ready to be handed over; every column has one entry a row.

    `references` are printed on the notices, `earlier` are those of the notices before: empty for a first notice.
    `groups` has the group of each cohort that is in one, where the incident has words for groups. `turns` is asked
    before each message goes; None = they go as fast as they can. `share` is the part of its channel's partitions that
    this process owns, and so of each limit that all of them share.
    """

    round: Round
    incident: Incident
    contacts: Sequence[Contact]
    references: Sequence[str]
    earlier: Sequence[str]
    groups: Mapping[str, str] = field(default_factory=dict)
    turns: Turning | None = None
    share: float = 1.0

    @property
    def notices(self) -> Notices:
        """The notices of its round."""
        return self.round.notices

    @property
    def name(self) -> str:
        """What its print files are called. Raises ValueError where it is none."""
        if self.round.print_job is None:
            raise ValueError("a round of letters has a print job")
        return self.round.print_job.hex()

    def pick(self, rows: list[int]) -> "Work":
        """Return the rows at these positions, as the same print job."""
        whole = self.round
        part = replace(whole, notices=whole.notices.pick(rows), tries=[whole.tries[row] for row in rows])
        references, earlier = ([column[row] for row in rows] for column in (self.references, self.earlier))
        contacts = [self.contacts[row] for row in rows]
        return Work(part, self.incident, contacts, references, earlier, self.groups, self.turns, self.share)


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
