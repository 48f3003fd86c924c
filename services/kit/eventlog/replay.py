"""Looking at dead letters and sending them back to where they came from: what `heraut dlq` does on every log.

A replayed block is a new block with the untouched payload, of the source `dlq`, which every stage reads. Natural
keys below the log make a repeat harmless, so a replay may be repeated.
"""

from collections.abc import Sequence
from typing import Protocol

from services.kit.eventlog.dead_letters import DeadLetter
from services.kit.eventlog.port import Output, TopicPartition

__all__ = ["DeadLetters", "back_to_its_topic"]


class DeadLetters(Protocol):
    """The dead letters of an installation. Close it after use."""

    async def entries(self, limit: int, topic: str | None = None) -> Sequence[DeadLetter]:
        """Return the first entries, of one dead-letter topic or of all."""
        ...

    async def entry(self, at: TopicPartition, offset: int) -> DeadLetter | None:
        """Return one entry, None where it is not there (any more)."""
        ...

    async def replay(self, at: TopicPartition, offset: int) -> bool:
        """Send one entry back to its topic; False where it is not there. Raises InvalidMessage without an origin."""
        ...

    async def purge(self, at: TopicPartition, through: int) -> None:
        """Delete the entries of a partition up to and with this one."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def back_to_its_topic(entry: DeadLetter) -> Output:
    """Return a dead letter's payload as a new block of the topic that it came from. Raises InvalidMessage."""
    return Output(*entry.original, entry.record.value or b"")
