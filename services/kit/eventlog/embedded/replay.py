"""Dead letters on the embedded log."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg

from services.core.access import Act, Caller
from services.kit.eventlog.dead_letters import DeadLetter
from services.kit.eventlog.headers import decode_headers
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Record, TopicPartition
from services.kit.eventlog.replay import Place, back_to_its_topic, note_act, noted_as_sent
from services.kit.eventlog.topics import DLQ_SOURCE, dead_letter_topics
from services.kit.postgres import Connection, Queries

__all__ = ["EmbeddedDeadLetters"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class EmbeddedDeadLetters:
    """Dead letters in the log table. A replay takes the entry out, in the transaction that sends it back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def entries(self, limit: int, topic: str | None = None, after: Place | None = None) -> Sequence[DeadLetter]:
        """Return the first entries, of one dead-letter topic or of all, behind `after`."""
        topics = [topic] if topic else dead_letter_topics()
        at, offset = after or (TopicPartition("", 0), 0)
        rows = await self._connection.fetch(_QUERIES["list_dead_letters"], topics, limit, *at, offset)
        return [_dead_letter(row) for row in rows]

    async def entry(self, at: TopicPartition, offset: int) -> DeadLetter | None:
        """Return one entry, None where it is not there (any more)."""
        row = await self._connection.fetchrow(_QUERIES["dead_letter"], at.topic, at.partition, offset)
        return _dead_letter(row) if row else None

    async def replay(self, at: TopicPartition, offset: int, caller: Caller) -> bool:
        """Send one entry back to its topic, once; False where it is not there (any more)."""
        async with self._connection.transaction():
            row = await self._connection.fetchrow(_QUERIES["take_dead_letter"], at.topic, at.partition, offset)
            if row is not None:
                await note_act(self._connection, caller, Act.DEAD_LETTER_REPLAYED, at, offset)
                await append_outputs(self._connection, DLQ_SOURCE, [back_to_its_topic(_dead_letter(row))])
        return row is not None

    async def sent_back(self) -> frozenset[Place]:
        """Return which entries were sent back; they are there no more."""
        return await noted_as_sent(self._connection)

    async def purge(self, at: TopicPartition, through: int, caller: Caller) -> None:
        """Delete the entries of a partition up to and with this one, and write down who did."""
        async with self._connection.transaction():
            await note_act(self._connection, caller, Act.DEAD_LETTERS_PURGED, at, through)
            await self._connection.execute(_QUERIES["purge_dead_letters"], at.topic, at.partition, through)

    async def close(self) -> None:
        """Nothing to do: the connection stays the caller's."""


def _dead_letter(row: asyncpg.Record) -> DeadLetter:
    topic, partition, source, seq, at, headers, block = row
    return DeadLetter(Record(topic, partition, seq, source, seq, at, block, decode_headers(headers)))
