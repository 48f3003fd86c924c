"""The seam to providers: what an adapter must do, and as data what the rest of dispatch must know of its provider.

`channels/` has the adapters, and its table says which channel has which. No code outside that folder asks which
channel it serves: it asks for a trait.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

from services.core.channel import Channel
from services.dispatch.domain import PrintedFile, Work
from services.dispatch.outcomes import HandOver
from services.dispatch.print_answers import PrintedLetter
from services.dispatch.print_runs import PrintRun
from services.rendering.contact import Contact

__all__ = [
    "AnswerBox",
    "AnswerFile",
    "AnsweringProvider",
    "FileProvider",
    "FinishedFile",
    "FinishedFiles",
    "HeldBack",
    "HoldsBack",
    "Provider",
    "ProviderClass",
    "Traits",
]


class ProviderClass(Enum):
    """What may be done about a hand-over that a crash cut off, so that nobody knows how it ended."""

    IDEMPOTENT = "A"  # it is made again: the provider honours our id, and takes the same only once
    ASKED = "B"  # the provider takes the same twice, and tells by our reference what it took: it is asked first
    BLIND = "C"  # it is not made again and ends unknown: a repeat could tell somebody twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The ways in which providers differ, as far as they decide how attempts are queued, put together, handed over."""

    channel: Channel
    name: str  # of the provider, in metrics and in `heraut.deliveries.attempted.v1`
    provider_class: ProviderClass
    rounds_at_once: int
    batch_size: int  # attempts in a stored batch, at most
    # A round is one print file: it has an id that its attempts alone decide, `batch_size` attempts at most, and
    # secret addresses in files of their own. Without files, how many messages a round has is paced.
    makes_files: bool = False
    linger: timedelta = timedelta()  # how long a new attempt waits for others to share its round
    # How long nothing may have been added to a print run that is closed before its day is over; None = it is not.
    close_after: timedelta | None = None
    # What its turns are counted under, where another channel's provider has the same name; empty = its name. Those of
    # two channels are counted apart, as each has caps of its own.
    turns: str = ""
    # Behind the provider, the domain that receives what somebody is sent: domains fall ill one by one.
    domain: Callable[[Contact], str] | None = None

    @property
    def counted_under(self) -> str:
        """What turns to hand it a message are counted under, by all processes of its channel."""
        return self.turns or self.name


class Provider(Protocol):
    """An adapter: takes the notices of one channel to one provider."""

    @property
    def traits(self) -> Traits:
        """The traits of its provider."""
        ...

    async def hand_over(self, work: Work, go: Callable[[], bool]) -> HandOver:
        """Hand a round over, and begin no hand-over once `go()` is false.

        Every fault that a provider can have is a result or an outage; an exception is a bug.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


class HeldBack(NamedTuple):
    """What this process does not hand over yet, because of limits behind its provider."""

    messages: int = 0  # that wait for their turn
    domains: int = 0  # whose limits they wait for
    asked: int = 0  # domains that are left alone, as they asked for less


@runtime_checkable
class HoldsBack(Provider, Protocol):
    """An adapter that keeps limits of its own, behind its provider."""

    def held_back(self) -> HeldBack:
        """Return what waits for them."""
        ...


@runtime_checkable
class FileProvider(Provider, Protocol):
    """An adapter that makes files, and gives its provider the total of several."""

    async def close_run(self, run: PrintRun) -> bool:
        """Hand over the total of a print run; tells whether the provider has it. A repeat changes nothing."""
        ...


class AnswerFile(NamedTuple):
    """A file that the provider put down for us; another size or time means that it was written anew."""

    name: str
    size: int
    changed: int  # when it was written, as its system counts


class AnswerBox(Protocol):
    """Where a provider answers by files, and what we have of the files that it was given.

    Everything raises OSError where it cannot be done now.
    """

    @property
    def every(self) -> float:
        """Seconds between two looks."""
        ...

    async def files(self) -> Sequence[AnswerFile]:
        """Return what lies there, whatever it is."""
        ...

    async def read(self, one: AnswerFile, most: int) -> bytes:
        """Return what a file holds. Raises UnfitFileError where it is none, or has more than `most` bytes."""
        ...

    async def put_away(self, one: AnswerFile, body: bytes) -> None:
        """Keep what was read beside our own files, and take it from where it lay."""
        ...

    async def letters(self, job: bytes) -> Sequence[PrintedLetter] | None:
        """Return the letters of a print file in its order; None where nothing here says so."""
        ...

    async def printed(self) -> Sequence[bytes]:
        """Return the print files that lie here, by the ids of their jobs."""
        ...

    async def clear(self, jobs: Collection[bytes], answered_before: float) -> None:
        """Remove these print files, and answers put away before then (seconds since 1970).

        Marks stay, and manifests without where people live (the KIX).
        """
        ...


class FinishedFile(NamedTuple):
    """What lies beside a finished print file and says what it is."""

    job: bytes
    run: str  # the print run that it is in
    printed: PrintedFile
    made_at: datetime
    letters: Sequence[PrintedLetter] | None  # None: nothing that can be read from here says whose they are
    sent: bool  # the provider has it, or can fetch it; else it may have, and cleaned up since


class FinishedFiles(Protocol):
    """What finished print files say of themselves, whatever a database knows of them.

    Everything raises OSError where it cannot be done now.
    """

    async def jobs(self) -> Sequence[bytes]:
        """Return the ids of their jobs, in the order in which they were finished."""
        ...

    async def read(self, job: bytes) -> FinishedFile:
        """Return what is known of one of these. Raises UnfitFileError where its mark cannot be read."""
        ...

    async def total(self, run: str) -> Sequence[bytes] | None:
        """Return the jobs of a print run in its order; None where it has no total."""
        ...


@runtime_checkable
class AnsweringProvider(FileProvider, Protocol):
    """An adapter whose provider answers by files."""

    @property
    def finished(self) -> FinishedFiles:
        """What it was given."""
        ...

    @property
    def answers(self) -> AnswerBox:
        """Where it answers."""
        ...
