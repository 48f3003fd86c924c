"""Looking at dead letters and sending them back to where they came from: what `heraut dlq` does on every log.

A replayed block is a new block with the untouched payload, of the source `dlq`, which every stage reads. Natural
keys below the log make a repeat harmless, so a replay may be repeated.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from services.core.access import Act, Caller
from services.kit.errors import InvalidMessage
from services.kit.eventlog.dead_letters import DeadLetter
from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Output, Row, TopicPartition
from services.kit.eventlog.topics import DLQ_SOURCE, is_foreign
from services.kit.postgres import Connection, Queries

__all__ = ["DeadLetters", "LogWriter", "Place", "back_to_its_topic", "note_act", "noted_as_sent", "send_back"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


Place = tuple[TopicPartition, int]  # of an entry: its partition, and where it stands in that


class DeadLetters(Protocol):
    """The dead letters of an installation. Close it after use."""

    async def entries(self, limit: int, topic: str | None = None, after: Place | None = None) -> Sequence[DeadLetter]:
        """Return the first entries, of one dead-letter topic or of all, behind `after`; by their places."""
        ...

    async def entry(self, at: TopicPartition, offset: int) -> DeadLetter | None:
        """Return one entry, None where it is not there (any more)."""
        ...

    async def replay(self, at: TopicPartition, offset: int, caller: Caller) -> bool:
        """Send one entry back to its topic, and write down who did; False where it is not there.

        Raises InvalidMessage without an origin.
        """
        ...

    async def sent_back(self) -> frozenset[Place]:
        """Return which entries were sent back once; on some logs they stay where they are."""
        ...

    async def purge(self, at: TopicPartition, through: int, caller: Caller) -> None:
        """Delete the entries of a partition up to and with this one, and write down who did."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class LogWriter(Protocol):
    """What writes to a log outside the database; both calls return once the log has acknowledged."""

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Write blocks of ours, in order. Raises RetryableError."""
        ...

    async def send(
        self, at: TopicPartition, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write one record of others, as it once came. Raises RetryableError."""
        ...


async def note_act(connection: Connection, caller: Caller, act: Act, at: TopicPartition, offset: int) -> None:
    """Write down who does this to a dead letter."""
    await connection.execute(_QUERIES["note_act"], caller.principal.name, caller.request_id, *at, offset, act.value)


async def noted_as_sent(connection: Connection) -> frozenset[Place]:
    """Return which dead letters were sent back once."""
    rows = await connection.fetch(_QUERIES["sent_back"], Act.DEAD_LETTER_REPLAYED.value)
    return frozenset((TopicPartition(topic, partition), position) for topic, partition, position in rows)


def back_to_its_topic(entry: DeadLetter) -> Output:
    """Return a dead letter's payload as a new block of the topic that it came from. Raises InvalidMessage."""
    return Output(*entry.original, entry.record.value or b"")


async def send_back(entry: DeadLetter, connection: Connection, writer: LogWriter) -> None:
    """Send a dead letter back to its topic in a log outside the database. Raises InvalidMessage and RetryableError.

    A block of ours passes through the log table, which gives it its sequence. A record of others goes past the
    database: its payload may show people in the open.
    """
    if entry.is_reference:
        raise InvalidMessage("too-large-to-send-back")  # it stands in its topic, and no reader could take it
    if is_foreign(entry.original.topic):
        await writer.send(entry.original, entry.original_key, entry.record.value or b"", entry.original_headers)
        return
    async with connection.transaction():
        await append_outputs(connection, DLQ_SOURCE, [back_to_its_topic(entry)])
    await _publish_replayed(entry.original, connection, writer)


async def _publish_replayed(at: TopicPartition, connection: Connection, writer: LogWriter) -> None:
    """Publish the blocks that replays appended, an earlier replay's leftovers first, and delete them after it."""
    async with connection.transaction():
        await connection.execute(_QUERIES["replay_lock"])
        found = await connection.fetch(_QUERIES["replayed"], *at, DLQ_SOURCE)
        rows = [Row(row["seq"], row["at"], row["block"], decode_headers(row["headers"])) for row in found]
        if rows:
            await writer.publish(DLQ_SOURCE, at, rows)
            await connection.execute(_QUERIES["forget_replayed"], *at, DLQ_SOURCE, rows[-1].seq)
