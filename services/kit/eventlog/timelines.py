"""Timelines of a log outside the database. PostgreSQL has the word for what begins when a backup is restored.

A database that was set back gives the sequences again that it gave after the backup, and the log has them already,
with other blocks. So each block says in which timeline it was published, and one of an earlier timeline counts only as
far as the database had come when a later one began. What lies behind that is nobody's: the database, and with it every
room, knows nothing of it. A timeline is numbered by the time when it began, so never as one that was forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from services.kit.eventlog.port import Record, TopicPartition
from services.kit.postgres import Connection, Queries

__all__ = ["Timeline", "Timelines", "begin_timeline", "read_timelines"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class Timeline(NamedTuple):
    """One after the first. `heads`: the last sequences that sources had been given when it began."""

    number: int
    heads: Mapping[tuple[str, TopicPartition], int]


@dataclass(frozen=True, slots=True)
class Timelines:
    """What a database knows of its timelines: those after the first, in their order. The first has the number 0."""

    begun: tuple[Timeline, ...] = ()

    @property
    def current(self) -> int:
        """The one that is written in."""
        return self.begun[-1].number if self.begun else 0

    def holds(self, record: Record) -> bool:
        """Tell whether a block is of this database's history; one of others, without a source, always is.

        A block of a timeline that is not known here was published by a database that was set back behind its begin.
        """
        if not record.source:
            return True
        if record.timeline and all(one.number != record.timeline for one in self.begun):
            return False
        place = record.source, record.topic_partition
        return all(record.seq <= one.heads.get(place, 0) for one in self.begun if one.number > record.timeline)

    def is_behind(self, record: Record) -> bool:
        """Tell whether a block is of a timeline that began later than all that are known here."""
        return record.timeline > self.current


async def read_timelines(connection: Connection) -> Timelines:
    """Return the timelines of a database."""
    heads: dict[int, dict[tuple[str, TopicPartition], int]] = {}
    for row in await connection.fetch(_QUERIES["timelines"]):
        of_it = heads.setdefault(row["number"], {})
        if row["source"] is not None:
            of_it[row["source"], TopicPartition(row["topic"], row["partition"])] = row["last_seq"]
    return Timelines(tuple(Timeline(number, of_it) for number, of_it in sorted(heads.items())))


async def begin_timeline(connection: Connection, number: int) -> None:
    """Begin a timeline at the sequences that were given; nobody may write meanwhile."""
    async with connection.transaction():
        await connection.execute(_QUERIES["begin_timeline"], number)
        await connection.execute(_QUERIES["keep_heads"], number)
