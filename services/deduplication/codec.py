"""Where the wire ends: blocks of members come in, blocks of notices go out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notification.v1 import deduplication_pb2, intake_pb2

from services.core.facts import MAX_CATEGORIES
from services.core.ids import ID_BYTES
from services.core.notices import COLUMNS, Notices
from services.deduplication.batch import Block
from services.deduplication.domain import Superseded
from services.deduplication.errors import InvalidBlockError
from services.kit.eventlog import Record
from services.kit.stage import TotalsRow
from services.wire.columns import (
    MASK,
    check_names,
    column,
    indexed,
    looked_up,
    moment,
    parse,
    slots_from_wire,
    split_ids,
)
from services.wire.notices import notices_to_wire
from services.wire.totals import totals_from_wire

__all__ = ["BLOCK_NOTICES", "Work", "encode_released", "encode_superseded", "read_block"]

# A block is decided, written and sent at once: enough to make what is paid per block vanish. A notice takes 80
# bytes, 200 at most: far below what the log takes as one block.
BLOCK_NOTICES = 2048
_ALL_CHANNELS = 7
_ALL_FLAGS = 15


@dataclass(frozen=True, slots=True)
class Work:
    """One block as read, and how far intake had counted its cohort by then."""

    block: Block
    totals: TotalsRow | None


def read_block(record: Record) -> Work:
    """Read a block of `heraut.members.accepted.v1`. Raises InvalidMessage."""
    wire = parse(intake_pb2.MembersAccepted(), record.value)
    if not (wire.incident_id and wire.cohort_id):
        raise InvalidBlockError("no-cohort")
    if not (wire.incident_version and wire.cohort_version):
        raise InvalidBlockError("no-version")
    check_names(wire.incident_id, wire.cohort_id)
    count = len(wire.members) // ID_BYTES
    block = Block(
        incident_id=wire.incident_id,
        incident_version=wire.incident_version,
        cohort_id=wire.cohort_id,
        cohort_version=wire.cohort_version,
        accepted_at=moment(wire.accepted_at),
        partition=record.partition,
        members=split_ids(wire.members, count),
        versions=column(wire.versions, count),
        slots=slots_from_wire(wire.slots, count),
        persons=split_ids(wire.pseudonyms, count),
        exposed=column(wire.exposed, count, MASK),
        confirmed=column(wire.confirmed, count, MASK),
        channels=column(wire.channels, count),
        flags=column(wire.flags, count),
        languages=looked_up(wire.language_names, wire.languages, count),
    )
    _check(block)
    return Work(block, totals_from_wire(wire.totals) if wire.HasField("totals") else None)


def _check(block: Block) -> None:
    if not block.members:
        return
    if not all(block.versions):
        raise InvalidBlockError("no-version")
    if max(block.channels) > _ALL_CHANNELS or max(block.flags) > _ALL_FLAGS:
        raise InvalidBlockError("flags")
    if max(block.exposed) >> MAX_CATEGORIES:
        raise InvalidBlockError("facts")
    if any(sure & ~said for sure, said in zip(block.confirmed, block.exposed, strict=True)):
        raise InvalidBlockError("facts")


def encode_released(notices: Notices) -> Iterator[bytes]:
    """Return the blocks for `heraut.notices.released.v1`."""
    for start in range(0, len(notices), BLOCK_NOTICES):
        piece = notices if len(notices) <= BLOCK_NOTICES else _slice(notices, start)
        yield deduplication_pb2.NoticesReleased(notices=notices_to_wire(piece)).SerializeToString()


def _slice(notices: Notices, start: int) -> Notices:
    piece = Notices(notices.incident_id, notices.incident_version)
    for name in COLUMNS:
        setattr(piece, name, getattr(notices, name)[start : start + BLOCK_NOTICES])
    return piece


def encode_superseded(
    incident_id: str, superseded: Sequence[Superseded], cohorts: Mapping[int, str]
) -> Iterable[bytes]:
    """Return the blocks for `heraut.notices.superseded.v1`; `cohorts` are ids by number."""
    for start in range(0, len(superseded), BLOCK_NOTICES):
        piece = superseded[start : start + BLOCK_NOTICES]
        names, rows = indexed([cohorts[one.cohort] for one in piece])
        yield deduplication_pb2.NoticesSuperseded(
            incident_id=incident_id, ids=b"".join(one.notice for one in piece), cohort_ids=names, cohorts=rows
        ).SerializeToString()
