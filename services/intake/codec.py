"""Where the wire ends: blocks of accepted members go out, blocks of held ones come in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from notification.v1 import deduplication_pb2, intake_pb2, routing_pb2

from services.core.ids import ID_BYTES
from services.core.receipts import ReceiptReason, came_back
from services.core.status import unprintable_fields
from services.core.unsettled import Unsettled
from services.core.witnesses import NO_WITNESSES
from services.intake.domain import Block
from services.intake.errors import InvalidBlockError
from services.intake.homes import Home
from services.kit.eventlog import Record
from services.kit.stage import TotalsRow
from services.wire.columns import MASK, column, indexed, parse, slots_to_wire, split_ids
from services.wire.notices import notices_from_wire
from services.wire.stops import Raised, decode_stops
from services.wire.totals import totals_to_wire

__all__ = [
    "BlockHeader",
    "HeldBlock",
    "Judged",
    "SeenRecord",
    "StopBlock",
    "UnprintedBlock",
    "encode_judged",
    "encode_members",
    "encode_moves",
    "read_given_up",
    "read_held",
    "read_stops",
]

_REASONS: Final = frozenset(Unsettled)


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What all blocks of a chunk have in common."""

    incident_id: str
    incident_version: int
    cohort_id: str
    cohort_version: int
    accepted_at: int  # ms since 1970
    totals: TotalsRow


def _head(header: BlockHeader) -> dict[str, Any]:
    return {
        "incident_id": header.incident_id,
        "incident_version": header.incident_version,
        "cohort_id": header.cohort_id,
        "cohort_version": header.cohort_version,
        "accepted_at": header.accepted_at,
        "totals": totals_to_wire(header.totals),
    }


def encode_members(header: BlockHeader, block: Block) -> bytes:
    """Return the block for `heraut.members.accepted.v1`."""
    language_names, languages = indexed(block.languages)
    return intake_pb2.MembersAccepted(
        **_head(header),
        members=b"".join(block.members),
        versions=block.versions,
        slots=slots_to_wire(block.slots),
        pseudonyms=b"".join(block.pseudonyms),
        exposed=block.exposed,
        confirmed=block.confirmed,
        channels=bytes(block.channels),
        flags=bytes(block.flags),
        language_names=language_names,
        languages=languages,
        witnesses=b"".join(block.witnesses),
        contact_since=block.contact_since,
        homes=_homes(block.homes) if block.homes else None,
    ).SerializeToString()


def encode_moves(header: BlockHeader, moves: Mapping[bytes, Home]) -> bytes:
    """Return the block for `heraut.members.accepted.v1` that tells of homes that change, and of no member."""
    return intake_pb2.MembersAccepted(
        **_head(header),
        moves=intake_pb2.Moves(
            pseudonyms=b"".join(moves),
            homes=b"".join(home.home for home in moves.values()),
            versions=[home.version for home in moves.values()],
        ),
    ).SerializeToString()


class SeenRecord(NamedTuple):
    """A record as an operator saw it, and where it is at home now."""

    member: bytes
    version: int
    pseudonym: bytes
    witnesses: bytes = b""  # empty = they are not known


class Judged(NamedTuple):
    """What an operator says of records, or says no more."""

    number: int
    are_one: bool
    undone: bool
    seen: Sequence[SeenRecord]


def encode_judged(header: BlockHeader, judged: Judged) -> bytes:
    """Return the block for `heraut.members.accepted.v1` that tells what an operator says of records."""
    return intake_pb2.MembersAccepted(
        **_head(header),
        judgement=intake_pb2.Judgement(
            number=judged.number,
            are_one=judged.are_one,
            undone=judged.undone,
            members=b"".join(one.member for one in judged.seen),
            versions=[one.version for one in judged.seen],
            pseudonyms=b"".join(one.pseudonym for one in judged.seen),
            witnesses=b"".join(one.witnesses or NO_WITNESSES for one in judged.seen),
        ),
    ).SerializeToString()


def _homes(homes: Mapping[int, Home]) -> intake_pb2.Homes:
    return intake_pb2.Homes(
        rows=list(homes),
        homes=b"".join(home.home for home in homes.values()),
        versions=[home.version for home in homes.values()],
    )


@dataclass(frozen=True, slots=True)
class HeldBlock:
    """What deduplication says of members: (member, version, `Unsettled`), each member once."""

    sequence: int  # among the blocks of its partition
    rows: list[tuple[bytes, int, int]]


def read_held(record: Record) -> HeldBlock:
    """Read a block of `heraut.members.held.v1`. Raises InvalidMessage."""
    wire = parse(deduplication_pb2.MembersHeld(), record.value)
    count = len(wire.members) // ID_BYTES
    if not 0 < wire.sequence <= MASK:
        raise InvalidBlockError("no-sequence")
    members, versions = split_ids(wire.members, count), column(wire.versions, count)
    reasons = column(wire.reasons, count)
    if not _REASONS.issuperset(reasons):
        raise InvalidBlockError("reasons")
    if not all(versions):
        raise InvalidBlockError("no-version")
    rows = dict(zip(members, zip(versions, reasons, strict=True), strict=True))
    return HeldBlock(wire.sequence, [(member, *said) for member, said in rows.items()])


@dataclass(frozen=True, slots=True)
class UnprintedBlock:
    """Members whose letters cannot be printed, or whose notice came back, with their versions, each member once.

    There are none where something else is said.
    """

    why: str  # why it came back; empty = the letter cannot be printed
    fields: tuple[str, ...]
    rows: list[tuple[bytes, int]]


_ADDRESS = ("street", "houseNumber", "postcode", "city")
# The fields of the record that a source looks at, by why a notice came back.
_FIELDS_OF = {
    ReceiptReason.HARD: ("email",),
    ReceiptReason.MOVED: _ADDRESS,
    ReceiptReason.NOT_AT_ADDRESS: _ADDRESS,
    ReceiptReason.BAD_ADDRESS: _ADDRESS,
    ReceiptReason.DECEASED: ("deceased",),
}


def read_given_up(record: Record) -> UnprintedBlock:
    """Read a block of `heraut.notices.exhausted.v1`. Raises InvalidMessage."""
    wire = parse(routing_pb2.NoticesExhausted(), record.value)
    fields, back = unprintable_fields(wire.reason), came_back(wire.reason)
    if back is not None:
        fields = _FIELDS_OF.get(back[1], ())
    if fields is None:
        return UnprintedBlock("", (), [])
    if not all(field.isascii() and field.isalpha() for field in fields):
        raise InvalidBlockError("fields")
    notices = notices_from_wire(wire.notices)
    found: dict[bytes, int] = {}
    for member, version in zip(notices.members, notices.versions, strict=True):
        found[member] = max(version, found.get(member, 0))
    return UnprintedBlock(wire.reason if back else "", fields, list(found.items()))


@dataclass(frozen=True, slots=True)
class StopBlock:
    """Cohorts that tracking found above a rule; `place` is where that stands in the log."""

    place: str
    raised: list[Raised]


def read_stops(record: Record) -> StopBlock:
    """Read a block of `heraut.stops.raised.v1`. Raises InvalidMessage."""
    return StopBlock(f"{record.topic}/{record.partition}/{record.offset}", decode_stops(record.value))
