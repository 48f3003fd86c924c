"""Notices as they come in and as they go out."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from notification.topics import (
    DELIVERIES_REFUSED,
    NOTICES_EXHAUSTED,
    NOTICES_READDRESSED,
    NOTICES_REATTEMPTED,
    NOTICES_RECALLED,
    NOTICES_RELEASED,
)
from notification.v1 import common_pb2, deduplication_pb2, dispatch_pb2, routing_pb2

from services.core.channel import ALL_CHANNELS, Channel
from services.core.ids import ID_BYTES
from services.core.notices import BLOCK_ENTRIES, FLAG_MAYBE_TOLD, LIES_UNREAD, Notices
from services.core.receipts import ReceiptKind, came_back
from services.core.status import CALLED_BACK, CHANNEL_CLOSED, UNKNOWN_FOR_TOO_LONG, unprintable_fields
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output, Record
from services.routing.domain import Situation
from services.routing.errors import EmptyBlockError
from services.routing.readdressing import Address
from services.wire.columns import SMALL, check_names, column, looked_up, parse, slots_from_wire, split_ids
from services.wire.notices import ROUTED_TOPICS, notices_from_wire, notices_to_wire
from services.wire.recalls import Recalled, decode_recalled

__all__ = [
    "TOPICS",
    "Whole",
    "Work",
    "decode_work",
    "encode_exhausted",
    "encode_reattempted",
    "encode_routed",
    "encode_whole",
    "pack_notice",
    "unpack_notice",
]

# So many notices are a block of their own further on; fewer had better share one.
_WORTH_IT = BLOCK_ENTRIES // 4

GoesWhole = Callable[[tuple[str, int], Collection[Situation]], bool]

TOPICS = (NOTICES_RELEASED, DELIVERIES_REFUSED, NOTICES_READDRESSED, NOTICES_RECALLED)


@dataclass(frozen=True, slots=True)
class Whole:
    """A block of released notices that all go one way: as it came, with what decides which way that is."""

    incident: tuple[str, int]
    situations: frozenset[Situation]
    notices: int
    attempts: Sequence[int]
    wire: common_pb2.Notices


@dataclass(frozen=True, slots=True)
class Work:
    """One block, and where it belongs: notices to be routed, new addresses, or recalls."""

    partition: int
    notices: Notices | None = None
    reason: str = ""  # why they were given back: unprintable, their channel is closed, or they came back
    released: bool = False  # deduplication sent them, and no attempt was made
    came_back_on: int = 0  # the channel on which they came back; 0 = they did not, or it is not said
    addresses: list[Address] = field(default_factory=list)
    recalled: Recalled | None = None
    whole: Whole | None = None

    @property
    def entries(self) -> int:
        """How many notices are in it, for traces."""
        return self.whole.notices if self.whole else len(self.notices or ())


def decode_work(record: Record, goes_whole: GoesWhole = lambda _incident, _situations: False) -> Work:
    """Read one block. Raises InvalidMessage.

    One whose notices all go one way need not be taken apart: `goes_whole` tells whether they do.
    """
    if record.topic == NOTICES_RELEASED:
        wire = parse(deduplication_pb2.NoticesReleased(), record.value).notices
        whole = _whole(wire, goes_whole)
        notices = None if whole else _some(notices_from_wire(wire))
        return Work(record.partition, notices, released=True, whole=whole)
    if record.topic == NOTICES_READDRESSED:
        return Work(record.partition, addresses=_decode_addresses(record))
    if record.topic == NOTICES_RECALLED:
        return Work(record.partition, recalled=decode_recalled(record))
    if record.topic != DELIVERIES_REFUSED:
        raise InvalidMessage("unexpected-topic")
    notices, reason, channel = _decode_refused(record.value)
    return Work(record.partition, notices, reason, came_back_on=channel)


def _whole(wire: common_pb2.Notices, goes_whole: GoesWhole) -> Whole | None:
    """Return a block as it came, if it goes one way; None where it has to be read. Raises InvalidMessage.

    Columns that decide nothing here are only counted: dispatch reads them, and is where an impossible number is found.
    Few notices are read all the same, to be packed together with others; so are those of people who were told something
    before: what came back from them decides too.
    """
    count = len(wire.ids) // ID_BYTES
    if count < _WORTH_IT or wire.contact_since:
        return None
    check_names(wire.incident_id)
    every = (wire.versions, wire.revisions, wire.exposed, wire.confirmed, wire.languages, wire.cohorts)
    deciding = (wire.channels, wire.tried, wire.flags, wire.attempts)
    ids = (wire.ids, wire.members, wire.pseudonyms)
    if any(len(one) != count for one in (*every, *deciding)) or any(len(one) != count * ID_BYTES for one in ids):
        return None  # reading it says what is wrong with it
    incident = wire.incident_id, wire.incident_version
    situations = frozenset(zip(wire.channels, wire.tried, wire.flags, strict=True))
    if not all(incident) or not goes_whole(incident, situations):
        return None
    attempts = [attempt + 1 for attempt in column(wire.attempts, count, SMALL - 1)]
    return Whole(incident, situations, count, attempts, wire)


def _decode_refused(value: bytes | None) -> tuple[Notices, str, int]:
    """Read notices that were given back, why, where that decides, and where they came back. Raises InvalidMessage."""
    refused = parse(dispatch_pb2.DeliveriesRefused(), value)
    notices, reason = _some(notices_from_wire(refused.notices)), refused.reason
    if reason == UNKNOWN_FOR_TOO_LONG:
        notices.flags = [flags | FLAG_MAYBE_TOLD for flags in notices.flags]
    back = came_back(reason)
    if back and back[0] is ReceiptKind.UNREAD:
        notices.tried = [tried | LIES_UNREAD for tried in notices.tried]
    decides = reason in {CHANNEL_CLOSED, CALLED_BACK} or unprintable_fields(reason) is not None or back
    if refused.channel & ~ALL_CHANNELS:
        raise InvalidMessage("number-range")
    return notices, reason if decides else "", refused.channel


def _some(notices: Notices) -> Notices:
    if not notices:
        raise EmptyBlockError
    return notices


def _decode_addresses(record: Record) -> list[Address]:
    wire = parse(deduplication_pb2.NoticesReaddressed(), record.value)
    check_names(wire.incident_id)
    count = len(wire.ids) // ID_BYTES
    channels, flags = column(wire.channels, count, ALL_CHANNELS), column(wire.flags, count)
    columns = (
        split_ids(wire.ids, count),
        column(wire.versions, count),
        column(wire.since, count),
        slots_from_wire(wire.slots, count),
        channels,
        flags,
        looked_up(wire.language_names, wire.languages, count),
    )
    if not count:
        raise EmptyBlockError
    return list(map(Address, *columns))


def pack_notice(notice: Notices) -> bytes:
    """Pack a block of one notice as it is stored."""
    return notices_to_wire(notice).SerializeToString()


def unpack_notice(block: bytes) -> Notices:
    """Unpack a stored block of one notice."""
    return notices_from_wire(parse(common_pb2.Notices(), block))


def encode_routed(channel: Channel, partition: int, notices: Notices) -> Output:
    """Return the block that hands notices to the dispatch of `channel`."""
    block = routing_pb2.NoticesRouted(notices=notices_to_wire(notices))
    return Output(ROUTED_TOPICS[channel], partition, block.SerializeToString())


def encode_whole(channel: Channel, partition: int, whole: Whole) -> Output:
    """Return a block that came as it goes to the dispatch of `channel`, its attempts counted.

    What came stays as it is: a transaction may be tried again with it.
    """
    block = routing_pb2.NoticesRouted(notices=whole.wire)
    block.notices.attempts[:] = whole.attempts
    return Output(ROUTED_TOPICS[channel], partition, block.SerializeToString())


def encode_exhausted(partition: int, notices: Notices, reason: str) -> Output:
    """Return the block that says that no channel is left for these notices, or why they are held or given up."""
    block = routing_pb2.NoticesExhausted(notices=notices_to_wire(notices), reason=reason)
    return Output(NOTICES_EXHAUSTED, partition, block.SerializeToString())


def encode_reattempted(partition: int, notices: Notices) -> Output:
    """Return the block that says that these were given up, and are on their way again."""
    block = routing_pb2.NoticesReattempted(notices=notices_to_wire(notices))
    return Output(NOTICES_REATTEMPTED, partition, block.SerializeToString())
