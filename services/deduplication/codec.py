"""Where the wire ends: blocks of members come in, blocks of notices go out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from notification.topics import MEMBERS_ACCEPTED, NOTICES_STOPPED
from notification.v1 import deduplication_pb2, intake_pb2

from services.core.channel import ALL_CHANNELS, CHANNEL_BITS
from services.core.facts import MAX_CATEGORIES
from services.core.ids import ID_BYTES
from services.core.notices import (
    BLOCK_ENTRIES,
    MEMBER_FLAG_BITS,
    MEMBER_FLAGS,
    Notices,
    pieces,
)
from services.core.witnesses import LENGTHS, NO_WITNESSES
from services.deduplication.batch import Block
from services.deduplication.domain import Superseded
from services.deduplication.errors import InvalidBlockError
from services.deduplication.judgements import Judged, Seen
from services.deduplication.moving import Home
from services.deduplication.readdressing import Readdressed
from services.deduplication.unsettled import Said
from services.kit.errors import InvalidMessage
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
    slots_to_wire,
    split_ids,
)
from services.wire.notices import notices_to_wire
from services.wire.recalls import Answers, decode_stopped
from services.wire.totals import totals_from_wire

__all__ = [
    "TOPICS",
    "WRITER",
    "Work",
    "encode_held",
    "encode_readdressed",
    "encode_released",
    "encode_superseded",
    "read",
    "read_block",
]

TOPICS: Final = (MEMBERS_ACCEPTED, NOTICES_STOPPED)

WRITER: Final = "intake"  # the source of members; blocks of any other were sent back from the dead letters

# Every set of channels, and of flags, that intake may say of a member.
_CHANNELS = frozenset(mask for mask in range(1 << CHANNEL_BITS) if not mask & ~ALL_CHANNELS)
_FLAGS = frozenset(flags for flags in range(1 << MEMBER_FLAG_BITS) if not flags & ~MEMBER_FLAGS)


@dataclass(frozen=True, slots=True)
class Work:
    """One block as read, and how far intake had counted its cohort by then."""

    block: Block
    totals: TotalsRow | None
    homes: Mapping[bytes, Home]  # of members, of those who were ever moved
    moves: Mapping[bytes, Home]  # that this block asks for; then it has no members
    judged: Judged | None  # then it has no members either
    seq: int  # intake's in this partition; 0 for a block that was sent back from the dead letters

    @property
    def entries(self) -> int:
        """How many members are in it, for traces."""
        return len(self.block.members)


def read(record: Record) -> Work | Answers:
    """Read a block of any topic of the room. Raises InvalidMessage."""
    if record.topic == MEMBERS_ACCEPTED:
        return read_block(record)
    if record.topic == NOTICES_STOPPED:
        return decode_stopped(record)
    raise InvalidMessage("unexpected-topic")


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
        witnesses=_witnesses(wire.witnesses, count),
        contact_since=dict(wire.contact_since),
    )
    _check(block)
    totals = totals_from_wire(wire.totals) if wire.HasField("totals") else None
    homes = _homes(wire.homes.rows, wire.homes.homes, wire.homes.versions, block.persons)
    moves = _moves(wire.moves)
    judged = _judged(wire.judgement) if wire.HasField("judgement") else None
    return Work(block, totals, homes, moves, judged, record.seq if record.source == WRITER else 0)


def _homes(rows: Sequence[int], packed: bytes, versions: Sequence[int], persons: Sequence[bytes]) -> dict[bytes, Home]:
    if not rows:
        return {}
    if max(rows) >= len(persons):
        raise InvalidBlockError("homes")
    homes = map(Home, split_ids(packed, len(rows)), column(versions, len(rows)))
    return dict(zip([persons[row] for row in rows], homes, strict=True))


def _moves(wire: intake_pb2.Moves) -> dict[bytes, Home]:
    count = len(wire.versions)
    homes = map(Home, split_ids(wire.homes, count), column(wire.versions, count))
    return dict(zip(split_ids(wire.pseudonyms, count), homes, strict=True))


def _judged(wire: intake_pb2.Judgement) -> Judged:
    count = len(wire.versions)
    members, versions = split_ids(wire.members, count), column(wire.versions, count)
    if not (0 < wire.number <= MASK and all(versions)):
        raise InvalidBlockError("no-version")
    if len(set(members)) < max(count, 2):
        raise InvalidBlockError("judgement")
    said = [b"" if one == NO_WITNESSES else one for one in _witnesses(wire.witnesses, count)]
    seen = list(map(Seen, members, versions, said))
    return Judged(wire.number, wire.are_one, wire.undone, seen, split_ids(wire.pseudonyms, count))


def _witnesses(packed: bytes, count: int) -> list[bytes]:
    """Cut the witnesses of many members apart: the head of each says how long it is."""
    found, begin, whole = [], 0, len(packed)
    while begin < whole:
        end = begin + LENGTHS[packed[begin]]
        if not begin < end <= whole:
            raise InvalidBlockError("witnesses")
        found.append(packed[begin:end])
        begin = end
    if len(found) != count:
        raise InvalidBlockError("witnesses")
    return found


def _check(block: Block) -> None:
    if not block.members:
        return
    if not all(block.versions):
        raise InvalidBlockError("no-version")
    since = block.contact_since.items()
    if any(row >= len(block.members) or not 0 < first <= block.versions[row] for row, first in since):
        raise InvalidBlockError("contact-since")
    if not (_CHANNELS.issuperset(block.channels) and _FLAGS.issuperset(block.flags)):
        raise InvalidBlockError("flags")
    if max(block.exposed) >> MAX_CATEGORIES:
        raise InvalidBlockError("facts")
    if any(sure & ~said for sure, said in zip(block.confirmed, block.exposed, strict=True)):
        raise InvalidBlockError("facts")


def encode_released(notices: Notices) -> Iterator[bytes]:
    """Return the blocks for `heraut.notices.released.v1`."""
    for piece in pieces(notices):
        yield deduplication_pb2.NoticesReleased(notices=notices_to_wire(piece)).SerializeToString()


def encode_superseded(
    incident_id: str, superseded: Sequence[Superseded], cohorts: Mapping[int, str]
) -> Iterable[bytes]:
    """Return the blocks for `heraut.notices.superseded.v1`; `cohorts` are ids by number."""
    for start in range(0, len(superseded), BLOCK_ENTRIES):
        piece = superseded[start : start + BLOCK_ENTRIES]
        names, rows = indexed([cohorts[one.cohort] for one in piece])
        yield deduplication_pb2.NoticesSuperseded(
            incident_id=incident_id,
            ids=b"".join(one.notice for one in piece),
            cohort_ids=names,
            cohorts=rows,
            marks=[one.mark for one in piece],
        ).SerializeToString()


def encode_readdressed(incident_id: str, rows: Sequence[Readdressed]) -> Iterator[bytes]:
    """Return the blocks for `heraut.notices.readdressed.v1`."""
    for start in range(0, len(rows), BLOCK_ENTRIES):
        notices, versions, since, slots, channels, flags, languages = zip(
            *rows[start : start + BLOCK_ENTRIES], strict=True
        )
        names, positions = indexed(languages)
        yield deduplication_pb2.NoticesReaddressed(
            incident_id=incident_id,
            ids=b"".join(notices),
            versions=versions,
            since=since,
            slots=slots_to_wire(slots),
            channels=bytes(channels),
            flags=bytes(flags),
            language_names=names,
            languages=positions,
        ).SerializeToString()


def encode_held(incident_id: str, said: Sequence[Said], numbers: Iterator[int]) -> Iterable[bytes]:
    """Return the blocks for `heraut.members.held.v1`, each with the next of these numbers."""
    for start in range(0, len(said), BLOCK_ENTRIES):
        members, versions, reasons = zip(*said[start : start + BLOCK_ENTRIES], strict=True)
        yield deduplication_pb2.MembersHeld(
            incident_id=incident_id,
            sequence=next(numbers),
            members=b"".join(members),
            versions=versions,
            reasons=bytes(reasons),
        ).SerializeToString()
