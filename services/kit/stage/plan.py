"""Which of the blocks that were read are taken: pure decisions over positions and sequences.

A block is taken if its sequence is the next one of its source, and dropped if its sequence is lower. If it is higher,
the partition stops: the log lost something, and only a human can say what.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.kit.errors import InvalidMessage
from services.kit.eventlog import Cursor, DlqLimit, DlqTally, Record, TopicPartition, is_foreign

__all__ = ["Move", "Plan", "Read", "by_partition", "over_limit", "plan_batch"]


@dataclass(frozen=True, slots=True)
class Read:
    """A record and what decoding made of it: `work`, a reason why it is no message, or a failure of ours (`bug`)."""

    record: Record
    work: Any = None
    invalid: InvalidMessage | None = None
    bug: Exception | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One topic partition's position before and after a batch, to be compared and swapped."""

    at: TopicPartition
    before: Cursor
    after: Cursor


@dataclass(slots=True)
class Plan:
    """What one transaction does about the records of a batch."""

    taken: list[Read] = field(default_factory=list)
    repeated: int = 0
    moves: list[Move] = field(default_factory=list)
    gaps: dict[int, Record] = field(default_factory=dict)  # partition -> the record that came too early


def plan_batch(reads: Iterable[Read], cursors: Mapping[TopicPartition, Cursor], *, offsets: bool) -> Plan:
    """Decide about records in the order that they were read.

    `offsets`: positions are offsets of the log (`eventlog/port.py`), else they count the blocks taken. A record of a
    topic partition without cursor is left alone, and so is everything of a partition after a gap in it.
    """
    plan = Plan()
    after: dict[TopicPartition, Cursor] = {}
    for read in reads:
        record = read.record
        at = record.topic_partition
        before = after.get(at) or cursors.get(at)
        if before is None or record.partition in plan.gaps or (offsets and record.offset < before.next_offset):
            continue
        last = before.taken.get(record.source, 0)
        if record.source and record.seq > last + 1:
            plan.gaps[record.partition] = record
            continue
        if record.source and record.seq <= last:
            plan.repeated += 1
            after[at] = Cursor(record.offset + 1, before.taken) if offsets else before
            continue
        plan.taken.append(read)
        taken = {**before.taken, record.source: record.seq} if record.source else before.taken
        after[at] = Cursor(record.offset + 1 if offsets else before.next_offset + 1, taken)
    plan.moves.extend(Move(at, cursors[at], cursor) for at, cursor in sorted(after.items()) if cursor != cursors[at])
    return plan


def over_limit(
    reads: Sequence[Read], tallies: Mapping[int, DlqTally], limit: DlqLimit
) -> tuple[dict[int, DlqTally], dict[int, str]]:
    """Count what was understood, by partition; returns the new tallies, and why some partitions must stop.

    Records of foreign topics are not counted: a sender who writes only malformed records must not stop all others.
    """
    outcomes: dict[int, list[bool]] = {}
    for read in reads:
        if is_foreign(read.record.topic):
            continue
        outcomes.setdefault(read.record.partition, []).append(read.invalid is None)
    after = {partition: tallies.get(partition, DlqTally()).after(seen) for partition, seen in outcomes.items()}
    return after, {
        partition: reason for partition, tally in after.items() if (reason := limit.exceeded(tally)) is not None
    }


def by_partition(reads: Iterable[Read]) -> list[Sequence[Read]]:
    """Take a batch apart; the order within a partition stays."""
    found: dict[int, list[Read]] = {}
    for read in reads:
        found.setdefault(read.record.partition, []).append(read)
    return list(found.values())
