"""The take-over: a new owner begins its epochs, reads where its partitions stand, and compares log and database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from notification.topics import TOPICS

from services.kit.errors import LogPositionError
from services.kit.eventlog import Cursor, EventLog, TopicPartition, dead_letter_topic, is_foreign, partitions_of
from services.kit.postgres import Pool, Queries
from services.kit.stage.context import StageContext
from services.kit.stage.epochs import take_epochs

__all__ = [
    "Positions",
    "TakenOver",
    "ahead_of_heads",
    "assign_those_that_fit",
    "input_places",
    "last_sequences",
    "output_places",
    "take_over",
]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What a take-over found: the partitions that are ours now, and where each of them stands."""

    epochs: Mapping[int, int]  # of all our partitions
    fresh: frozenset[int]  # those of them that were not ours before
    cursors: Mapping[TopicPartition, Cursor]  # where to read on; partitions with a fault are left out
    published: Mapping[TopicPartition, int]  # the last sequence of each place that is noted as published
    faults: Mapping[int, str]  # partition -> why it must stand still

    def sound_epochs(self) -> dict[int, int]:
        """Return the epochs of the partitions without a fault."""
        return {partition: epoch for partition, epoch in self.epochs.items() if partition not in self.faults}


@dataclass(slots=True)
class Positions:
    """Where a stage stands on its partitions, as the database says."""

    cursors: dict[TopicPartition, Cursor] = field(default_factory=dict)
    heads: dict[TopicPartition, int] = field(default_factory=dict)
    published: dict[TopicPartition, int] = field(default_factory=dict)


async def take_over(context: StageContext) -> TakenOver:
    """Take over what is wanted and not ours yet, and point the log at the positions of all that is ours.

    Raises RetryableError where the log cannot be reached.
    """
    assignment = context.assignment
    wanted = assignment.start_over()
    fresh = wanted - assignment.epochs.keys()
    if fresh:
        await _begin_epochs(context, sorted(fresh))
    epochs = {partition: assignment.epochs[partition] for partition in sorted(wanted & assignment.epochs.keys())}
    positions, faults = await _compare(context, list(epochs))
    sound = {at: cursor for at, cursor in positions.cursors.items() if at.partition not in faults}
    faults |= await assign_those_that_fit(context.log, sound)
    context.liveness.log_answered()
    return TakenOver(
        epochs=epochs,
        fresh=fresh & epochs.keys(),
        cursors={at: cursor for at, cursor in sound.items() if at.partition not in faults},
        published=positions.published,
        faults=faults,
    )


async def _begin_epochs(context: StageContext, partitions: Sequence[int]) -> None:
    """Take partitions whose lease is ours; a lease that ran out just now leaves its partition out."""
    await context.failpoints.reached("take-over: begun")
    context.assignment.take(await take_epochs(context.pool, context.stage, context.holder, partitions))
    await context.failpoints.reached("take-over: epochs committed")


async def _compare(context: StageContext, partitions: Sequence[int]) -> tuple[Positions, dict[int, str]]:
    """Read the positions of partitions; returns also those where log and database disagree, and why."""
    places = input_places(context.topics, partitions, context.partitions)
    if context.log.outside_database:
        written = output_places(context.stage, context.topics, partitions, context.partitions)
        last, faults = await last_sequences(context.log, context.stage, written)
        positions = await _read_positions(context.pool, context.stage, places, partitions)
        return positions, ahead_of_heads(last, positions) | faults
    positions = await _read_positions(context.pool, context.stage, places, partitions)
    return positions, await _ahead_of_sources(context.pool, positions)


def input_places(topics: Sequence[str], partitions: Collection[int], installation: int) -> list[TopicPartition]:
    """Return what an owner of these partitions reads. A topic of one partition belongs to partition 0's owner."""
    return [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in sorted(partitions)
        if partition < partitions_of(topic, installation)
    ]


async def _read_positions(
    pool: Pool, stage: str, places: Sequence[TopicPartition], partitions: Sequence[int]
) -> Positions:
    """Read input, heads and marks of publishing, in that order, each in a statement after the epoch's commit."""
    wanted = set(places)
    positions = Positions()
    async with pool.acquire() as connection:
        await connection.execute(
            _QUERIES["open_input"], stage, [at.topic for at in places], [at.partition for at in places]
        )
        for topic, partition, next_offset, taken in await connection.fetch(_QUERIES["read_input"], stage, partitions):
            if (at := TopicPartition(topic, partition)) in wanted:
                positions.cursors[at] = Cursor(next_offset, taken)
        for topic, partition, last in await connection.fetch(_QUERIES["read_heads"], stage, partitions):
            positions.heads[TopicPartition(topic, partition)] = last
        for topic, partition, published in await connection.fetch(_QUERIES["read_published"], stage, partitions):
            positions.published[TopicPartition(topic, partition)] = published
    return positions


def output_places(
    stage: str, topics: Sequence[str], partitions: Collection[int], installation: int
) -> list[TopicPartition]:
    """Return where blocks of these partitions may go, the dead letters of what is read included."""
    written = [spec.name for spec in TOPICS if stage in spec.producers]
    written += [dead_letter_topic(topic, stage) for topic in topics if not is_foreign(topic)]
    return input_places(written, partitions, installation)


async def last_sequences(
    log: EventLog, stage: str, places: Sequence[TopicPartition]
) -> tuple[dict[TopicPartition, int], dict[int, str]]:
    """Return the last sequence of ours that the log holds, of each of these places, and partitions that cannot go on.

    Must be asked before the heads are read. Others may commit and publish meanwhile (the owner before us, which does
    not know it yet, or our own jobs), and what is published was committed before: so no head lags behind this answer.
    """
    found: dict[TopicPartition, int] = {}
    faults: dict[int, str] = {}
    for at in places:
        try:
            last = await log.last_sequence(stage, at)
        except LogPositionError as error:
            faults[at.partition] = str(error)
        else:
            found |= {at: last} if last is not None else {}
    return found, faults


def ahead_of_heads(last: Mapping[TopicPartition, int], positions: Positions) -> dict[int, str]:
    """Find partitions where the log holds later blocks of ours than the database: it has been set back."""
    return {
        at.partition: f"{at.topic}/{at.partition}: the log has our sequence {sequence}, the database gave only {head};"
        " after a restore `heraut restored` comes before the services"
        for at, sequence in last.items()
        if sequence > (head := positions.heads.get(at, 0))
    }


async def _ahead_of_sources(pool: Pool, positions: Positions) -> dict[int, str]:
    """Find partitions of the embedded log where more was taken than was ever written: one of them was set back."""
    topics = sorted({at.topic for at in positions.cursors})
    partitions = sorted({at.partition for at in positions.cursors})
    async with pool.acquire() as connection:
        rows = await connection.fetch(_QUERIES["read_sources"], topics, partitions)
    ends = {(TopicPartition(topic, partition), source): last for topic, partition, source, last in rows}
    return {
        at.partition: f"{at.topic}/{at.partition}: of {source} {taken} taken, {ends.get((at, source), 0)} written"
        for at, cursor in positions.cursors.items()
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
