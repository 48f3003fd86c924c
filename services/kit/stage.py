"""The stage: the one loop of every room. Work in progress: this file holds the frozen interface first."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, TypeVar

import asyncpg

from services.kit.eventlog import Output, Record

__all__ = ["Fenced", "Handler", "StageHandle"]

# Quoted: asyncpg's classes are generic for the type checker only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
W = TypeVar("W")


class Handler(Protocol[W]):
    """A room's part: decode, decide, write. The stage does the rest.

    The same handler serves every partition that the process owns; a batch mixes them.
    """

    def decode(self, record: Record) -> W:
        """Read one block. Pure. Raises InvalidMessage: the block becomes a dead letter, untouched."""
        ...

    async def ready(self, work: Sequence[W]) -> None:
        """Wait until what the blocks refer to (an incident version) is known here. No transaction is open."""
        ...

    async def apply(self, connection: Connection, work: Sequence[W]) -> Sequence[Output]:
        """Decide and write the effects of these blocks, inside the stage's transaction; give the blocks to send.

        Must not commit, nor keep anything in memory that a rolled-back transaction would leave wrong.
        A member that cannot be understood leaves as `dead_letters.one(...)` among the outputs.
        """
        ...

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Do what time or control asks for (releases, time-outs) on owned partitions, a bounded piece at a time.

        Called about once a second in a fenced transaction of its own, and at once again while it gives outputs.
        """
        ...


class Fenced(Protocol):
    """A transaction that has proved it still owns its partitions."""

    connection: Connection

    def emit(self, outputs: Sequence[Output]) -> None:
        """Add blocks; heads and log rows are written last, just before the commit."""
        ...


class StageHandle(Protocol):
    """What a room's own jobs (dispatch's sender) may ask of the running stage."""

    def owned(self) -> frozenset[int]:
        """Give the partitions that this process owns now."""
        ...

    def fenced(self, partitions: Collection[int]) -> AbstractAsyncContextManager[Fenced]:
        """Open a transaction on these owned partitions.

        Raises LostOwnershipError, with nothing written, where one of them is not ours any more.
        """
        ...

    def healthy(self) -> bool:
        """Tell whether log and database were heard from lately; no hand-over may begin otherwise."""
        ...
