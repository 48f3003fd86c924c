"""What a new owner reads before it begins, and whether log and database agree."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from notification.topics import TOPICS

from services.kit.errors import LogPositionError
from services.kit.eventlog import Cursor, EventLog, TopicPartition, dead_letter_topic, is_foreign, partitions_of
from services.kit.postgres import Pool, Queries

__all__ = [
    "Standing",
    "ahead_of_heads",
    "ahead_of_sources",
    "assign_those_that_fit",
    "input_places",
    "last_sequences",
    "output_places",
    "read_standing",
]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(slots=True)
class Standing:
    """Where a stage stands on the partitions that it took over."""

    cursors: dict[TopicPartition, Cursor] = field(default_factory=dict)
    heads: dict[TopicPartition, int] = field(default_factory=dict)
    published: dict[TopicPartition, int] = field(default_factory=dict)


def input_places(topics: Sequence[str], partitions: Collection[int], installation: int) -> list[TopicPartition]:
    """Return what an owner of these partitions reads. A topic of one partition belongs to partition 0's owner."""
    return [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in sorted(partitions)
        if partition < partitions_of(topic, installation)
    ]


async def read_standing(pool: Pool, stage: str, places: Sequence[TopicPartition], owned: Collection[int]) -> Standing:
    """Read input, heads and relay, in that order, each in a statement of its own after the epoch's commit."""
    partitions = sorted(owned)
    wanted = set(places)
    standing = Standing()
    async with pool.acquire() as connection:
        await connection.execute(
            _QUERIES["open_input"], stage, [at.topic for at in places], [at.partition for at in places]
        )
        for topic, partition, next_offset, taken in await connection.fetch(_QUERIES["read_input"], stage, partitions):
            if (at := TopicPartition(topic, partition)) in wanted:
                standing.cursors[at] = Cursor(next_offset, taken)
        for topic, partition, last in await connection.fetch(_QUERIES["read_heads"], stage, partitions):
            standing.heads[TopicPartition(topic, partition)] = last
        for topic, partition, published in await connection.fetch(_QUERIES["read_relay"], stage, partitions):
            standing.published[TopicPartition(topic, partition)] = published
    return standing


def output_places(
    stage: str, topics: Sequence[str], partitions: Collection[int], installation: int
) -> list[TopicPartition]:
    """Return where blocks of these partitions may go, the dead letters of what is read included."""
    written = [spec.name for spec in TOPICS if stage in spec.producers]
    written += [dead_letter_topic(topic, stage) for topic in topics if not is_foreign(topic)]
    return input_places(written, partitions, installation)


async def last_sequences(log: EventLog, stage: str, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the last sequence of ours that the log holds, of each of these places.

    To be asked before the heads are read: what is published was committed before, whoever goes on meanwhile (an
    owner before us that does not know it yet, relaying what uploads commit; or our own jobs).
    """
    found = {at: await log.last_sequence(stage, at) for at in places}
    return {at: last for at, last in found.items() if last is not None}


def ahead_of_heads(last: Mapping[TopicPartition, int], standing: Standing) -> dict[int, str]:
    """Find partitions where the log holds later blocks of ours than the database: it has been set back."""
    return {
        at.partition: f"{at.topic}/{at.partition}: the log has our sequence {sequence}, the database gave only {head}"
        for at, sequence in last.items()
        if sequence > (head := standing.heads.get(at, 0))
    }


async def ahead_of_sources(pool: Pool, standing: Standing) -> dict[int, str]:
    """Find partitions of the embedded log where more was taken than was ever written: one of them was set back."""
    topics = sorted({at.topic for at in standing.cursors})
    partitions = sorted({at.partition for at in standing.cursors})
    async with pool.acquire() as connection:
        rows = await connection.fetch(_QUERIES["read_sources"], topics, partitions)
    ends = {(TopicPartition(topic, partition), source): last for topic, partition, source, last in rows}
    return {
        at.partition: f"{at.topic}/{at.partition}: of {source} {taken} taken, {ends.get((at, source), 0)} written"
        for at, cursor in standing.cursors.items()
        for source, taken in cursor.taken.items()
        if taken > ends.get((at, source), 0)
    }


async def assign_those_that_fit(log: EventLog, cursors: Mapping[TopicPartition, Cursor]) -> dict[int, str]:
    """Point the log at these positions; returns the partitions whose position it does not have, and why.

    Those are left out, all topics of them. Raises RetryableError when the log cannot be reached.
    """
    try:
        await log.assign(cursors)
    except LogPositionError:
        by_partition: dict[int, dict[TopicPartition, Cursor]] = {}
        for at, cursor in cursors.items():
            by_partition.setdefault(at.partition, {})[at] = cursor
        wrong: dict[int, str] = {}
        for partition, some in by_partition.items():
            try:
                await log.assign(some)
            except LogPositionError as error:
                wrong[partition] = str(error)
        await log.assign({at: cursor for at, cursor in cursors.items() if at.partition not in wrong})
        return wrong
    return {}
