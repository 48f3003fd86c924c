"""The seam to providers: what an adapter must do, and as data what the rest of dispatch must know of its provider.

`channels/` has the adapters, and its table says which channel has which. No code outside that folder asks which
channel it serves: it asks for a trait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Protocol, runtime_checkable

from services.core.channel import Channel
from services.dispatch.domain import Work
from services.dispatch.outcomes import HandOver
from services.dispatch.print_runs import PrintRun
from services.rendering.contact import Contact

__all__ = ["FileProvider", "Provider", "ProviderClass", "Traits"]


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
    # Behind the provider, the domain that receives what somebody is sent: domains fall ill one by one.
    domain: Callable[[Contact], str] | None = None


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


@runtime_checkable
class FileProvider(Provider, Protocol):
    """An adapter that makes files, and gives its provider the total of several."""

    async def close_run(self, run: PrintRun) -> bool:
        """Hand over the total of a print run; tells whether the provider has it. A repeat changes nothing."""
        ...
