"""What a stage asks of its room (`Handler`), what it offers to it (`StageHandle`), and how patient it is."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from services.kit.eventlog import DlqLimit, Output, Record
from services.kit.postgres import Connection
from services.kit.retry import backoff

__all__ = ["Fenced", "Handler", "StageHandle", "StagePolicy"]

W = TypeVar("W")


class Handler(Protocol[W]):
    """A room's part: decode, decide, write. The stage does the rest.

    The same handler serves every partition that the process owns; a batch mixes them. `apply` and `tick` never
    run at the same time.
    """

    def decode(self, record: Record) -> W:
        """Read one block. Pure. Raises InvalidMessage: the block becomes a dead letter, untouched."""
        ...

    async def ready(self, work: Sequence[W]) -> None:
        """Wait until what the blocks refer to (an incident version) is known here. No transaction is open.

        May be called again for the same blocks, and is cancelled when they are not wanted any more. Raises
        RetryableError to have them read again a little later. Then this is called for each partition by itself, so
        that a partition that waits holds up the others no longer than one call takes.
        """
        ...

    async def apply(self, connection: Connection, work: Sequence[W]) -> Sequence[Output]:
        """Decide about these blocks and write their effects, in the stage's transaction; return the blocks to send.

        Must not commit, nor keep anything in memory that a rolled-back transaction would leave wrong.
        """
        ...

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Do what time or control asks for (releases, time-outs) on owned partitions, a bounded piece at a time.

        Called in a fenced transaction of its own: about once a second while anything happens here, more seldom where
        nothing does, and at once again while it gives outputs.
        """
        ...


class Fenced(Protocol):
    """A transaction that has proved it still owns its partitions."""

    @property
    def connection(self) -> Connection:
        """Return the connection, in the transaction."""
        ...

    def emit(self, outputs: Sequence[Output]) -> None:
        """Add blocks; heads and log rows are written last, just before the commit."""
        ...


class StageHandle(Protocol):
    """What a room's own jobs (dispatch's sender) may ask of the running stage."""

    def owned(self) -> frozenset[int]:
        """Return the partitions that this process owns now."""
        ...

    def epochs(self) -> Mapping[int, int]:
        """Return the epoch of each owned partition: another number means that it was taken over anew meanwhile."""
        ...

    def fenced(self, partitions: Collection[int]) -> AbstractAsyncContextManager[Fenced]:
        """Open a transaction on these owned partitions.

        Raises LostOwnershipError, with nothing written, where one of them is not ours any more.
        """
        ...

    def hold(self, partitions: Collection[int]) -> AbstractContextManager[None]:
        """Keep these partitions here as long as the context lasts, so that what is begun outside can be noted.

        Neither a stop nor a new replica takes them away meanwhile, within the drain time-out. Raises
        LostOwnershipError where one of them is not owned, or is about to be given away.
        """
        ...

    def healthy(self) -> bool:
        """Tell whether log and database were heard from lately; no hand-over may begin otherwise."""
        ...

    def news(self) -> asyncio.Event:
        """Return an event that is set whenever something was committed here, or heard beside the blocks.

        What other processes commit, or take over, sets it not: who waits for it looks again by itself after a while.
        """
        ...

    def stand_still(self, partition: int, reason: str) -> None:
        """Have nothing of a partition touched until it is taken over anew: our code cannot go on there."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePolicy:
    """How much a stage does at once, and how long it waits. All times in seconds."""

    max_blocks: int = 32  # full ones, when there is much to do: a transaction that does not hold its locks for long
    fetch_wait: float = 1.0  # how long a fetch may wait for its first block; the logs gather fuller batches themselves
    lease: float = 10.0
    drain_timeout: float = 20.0
    tick_every: float = 1.0
    publish_every: float = 0.05  # how long rows of other processes (uploads) wait; our own are published at once
    mark_every: float = 0.1  # what a crash may have to publish again
    backoff_base: float = 0.05
    backoff_cap: float = 5.0  # an outage ends, and then nobody should wait much longer
    dlq_limit: DlqLimit = DlqLimit()

    def wait_after(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row, before a tick or a publish is tried again."""
        return backoff(failures, base=self.backoff_base, cap=self.backoff_cap, random=lambda: 1.0)
