"""Notices as they come in and as they go out."""

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
from services.core.notices import FLAG_MAYBE_TOLD, Notices
from services.core.receipts import came_back
from services.core.status import CHANNEL_CLOSED, UNKNOWN_FOR_TOO_LONG, unprintable_fields
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output, Record
from services.routing.errors import EmptyBlockError
from services.routing.readdressing import Address
from services.wire.columns import check_names, column, looked_up, parse, slots_from_wire, split_ids
from services.wire.notices import ROUTED_TOPICS, notices_from_wire, notices_to_wire
from services.wire.recalls import Recalled, decode_recalled

__all__ = [
    "TOPICS",
    "Work",
    "decode_work",
    "encode_exhausted",
    "encode_reattempted",
    "encode_routed",
    "pack_notice",
    "unpack_notice",
]

TOPICS = (NOTICES_RELEASED, DELIVERIES_REFUSED, NOTICES_READDRESSED, NOTICES_RECALLED)


@dataclass(frozen=True, slots=True)
class Work:
    """One block, and where it belongs: notices to be routed, new addresses, or recalls."""

    partition: int
    notices: Notices | None = None
    reason: str = ""  # why they were given back: unprintable, their channel is closed, or they came back
    addresses: list[Address] = field(default_factory=list)
    recalled: Recalled | None = None


def decode_work(record: Record) -> Work:
    """Read one block. Raises InvalidMessage."""
    if record.topic == NOTICES_READDRESSED:
        return Work(record.partition, addresses=_decode_addresses(record))
    if record.topic == NOTICES_RECALLED:
        return Work(record.partition, recalled=decode_recalled(record))
    notices, reason = decode_notices(record)
    return Work(record.partition, notices, reason)


def decode_notices(record: Record) -> tuple[Notices, str]:
    """Read notices that were released, or given back, and why, where that decides. Raises InvalidMessage."""
    why = ""
    if record.topic == NOTICES_RELEASED:
        notices = notices_from_wire(parse(deduplication_pb2.NoticesReleased(), record.value).notices)
    elif record.topic == DELIVERIES_REFUSED:
        refused = parse(dispatch_pb2.DeliveriesRefused(), record.value)
        notices = notices_from_wire(refused.notices)
        if refused.reason == UNKNOWN_FOR_TOO_LONG:
            notices.flags = [flags | FLAG_MAYBE_TOLD for flags in notices.flags]
        if (
            refused.reason == CHANNEL_CLOSED
            or unprintable_fields(refused.reason) is not None
            or came_back(refused.reason)
        ):
            why = refused.reason
    else:
        raise InvalidMessage("unexpected-topic")
    if not notices:
        raise EmptyBlockError
    return notices, why


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


def encode_exhausted(partition: int, notices: Notices, reason: str) -> Output:
    """Return the block that says that no channel is left for these notices, or why they are held or given up."""
    block = routing_pb2.NoticesExhausted(notices=notices_to_wire(notices), reason=reason)
    return Output(NOTICES_EXHAUSTED, partition, block.SerializeToString())


def encode_reattempted(partition: int, notices: Notices) -> Output:
    """Return the block that says that these were given up, and are on their way again."""
    block = routing_pb2.NoticesReattempted(notices=notices_to_wire(notices))
    return Output(NOTICES_REATTEMPTED, partition, block.SerializeToString())
