"""The event log as a stage sees it: one port, an adapter for each log that there is (`choose.py`).

A record is a block. Each carries its source (the stage that wrote it) and a sequence without gaps per
(source, topic, partition), given at the writer's commit. A reader takes a block if its sequence is the next one, and
so notices a repeat and a loss alike. There is no promised order across sources.

A record of a log outside the database has an offset in its topic partition. Offsets rise, and the position behind a
record is its `offset + 1`: the stage counts so itself, and hands that position to the next `assign`. Between two
records there may be offsets without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from services.kit.tracing import Causes, causes_of, headers_of, without_causes

__all__ = ["Cursor", "EventLog", "Output", "Record", "TopicPartition"]


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands in one topic partition.

    `next_offset` is the offset behind the last record taken, 0 before the first; a log inside the database has no
    offsets, and there it counts the blocks taken.
    `taken` is the highest sequence taken of each source.
    """

    next_offset: int = 0
    taken: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A record as read. `seq` is 0 and `source` empty where it is not one of ours (an upstream event)."""

    topic: str
    partition: int
    offset: int  # the log's own, from 0; inside the database the same number as `seq`
    source: str
    seq: int
    at: int  # ms since 1970: when it was written
    value: bytes | None  # None = tombstone
    headers: tuple[tuple[str, bytes], ...] = ()
    key: bytes | None = None
    timeline: int = 0  # in which it was published, of a log outside the database (`timelines.py`); 0 = the first

    @property
    def topic_partition(self) -> TopicPartition:
        """Where it was read."""
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Output:
    """A block to be written to the log by the transaction that made it. Headers are for dead letters and traces."""

    topic: str
    partition: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def causes(self) -> Causes:
        """What it follows from, as far as its headers say so."""
        return causes_of(self.headers)

    def caused_by(self, causes: Causes) -> "Output":
        """Return it with what it follows from, in place of what its headers said; without any it stays as it is."""
        return replace(self, headers=(*without_causes(self.headers), *headers_of(causes))) if causes else self


@dataclass(frozen=True, slots=True)
class Row:
    """A block as it stands in `log.log`, with its sequence: what a publisher sends on."""

    seq: int
    at: int
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class EventLog(Protocol):
    """What every log does. One instance serves one stage of one process; other processes have theirs on the same log.

    A log outside the database keeps each topic by itself for as long as `config_of` in `topics.py` says
    (`cleanup.policy`, `retention.ms`): the services prune only what lies in the database.
    """

    @property
    def outside_database(self) -> bool:
        """Tell whether the log lies outside the database.

        Then a block that a transaction committed still has to be published, and a reader's position is an offset of
        the log. Otherwise the committed row is the log, and `publish` has nothing to do.
        """
        ...

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read these partitions, and no others, from these positions; forget all that was buffered.

        A topic of others that was never read (position 0) begins at the first record that is still there. Raises
        LogPositionError where any other position lies outside what the log holds: before its first record, or
        past its end. Raises RetryableError when the log cannot be reached. A log inside the database raises neither:
        the stage compares its positions with the log table.
        """
        ...

    async def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return up to about `limit` records past those given before, in order within a (source, partition).

        Waits up to `wait` seconds for the first. Moves the reading position on, so that the next blocks
        can be fetched while these are committed. Raises RetryableError when the log cannot be reached.
        """
        ...

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no records of these partitions until they are assigned anew, and keep the connection alive."""
        ...

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Write rows, in sequence order, durably (all in-sync replicas); returns when acknowledged.

        Several processes may publish to one topic partition at a time: each stage as its own source, replays of dead
        letters, and for a while two owners of one partition, who both write the same rows. No record may be torn or
        overwrite another. A log inside the database has nothing to do. Raises RetryableError: then the same rows
        must be published again before any later ones.
        """
        ...

    async def forward(self, output: Output) -> None:
        """Write a dead letter of a topic that is not ours, durably and without a sequence.

        Its payload may show people in the open, so it must not lie in the database. It is written before the commit
        that steps over the record; after a crash in between it is written twice. Raises RetryableError. To call it
        on a log inside the database is a bug: such a log has no topics of others.
        """
        ...

    async def last_sequence(self, source: str, at: TopicPartition) -> int | None:
        """Return the highest sequence of `source` that stands in the log, or None where there is none."""
        ...

    async def backlog(self) -> Mapping[TopicPartition, int]:
        """Return how many records lie between the reading position and the end, by assigned partition."""
        ...

    async def note_progress(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Say how far the stage has committed, for retention and for lag exporters; called about once a second."""
        ...

    async def close(self) -> None:
        """Close all connections. The next owner of a partition reads again what was not committed."""
        ...
