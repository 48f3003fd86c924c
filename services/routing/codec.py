"""Notices as they come in and as they go out."""

from notification.topics import DELIVERIES_REFUSED, NOTICES_EXHAUSTED, NOTICES_RELEASED
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2

from services.core.channel import Channel
from services.core.notices import FLAG_MAYBE_TOLD, Notices
from services.core.status import UNKNOWN_FOR_TOO_LONG
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output, Record
from services.routing.errors import EmptyBlockError
from services.wire.columns import parse
from services.wire.notices import ROUTED_TOPICS, notices_from_wire, notices_to_wire

__all__ = ["TOPICS", "decode_notices", "encode_exhausted", "encode_routed"]

TOPICS = (NOTICES_RELEASED, DELIVERIES_REFUSED)


def decode_notices(record: Record) -> Notices:
    """Read notices that were released, or refused. Raises InvalidMessage."""
    if record.topic == NOTICES_RELEASED:
        notices = notices_from_wire(parse(deduplication_pb2.NoticesReleased(), record.value).notices)
    elif record.topic == DELIVERIES_REFUSED:
        refused = parse(dispatch_pb2.DeliveriesRefused(), record.value)
        notices = notices_from_wire(refused.notices)
        if refused.reason == UNKNOWN_FOR_TOO_LONG:
            notices.flags = [flags | FLAG_MAYBE_TOLD for flags in notices.flags]
    else:
        raise InvalidMessage("unexpected-topic")
    if not notices:
        raise EmptyBlockError
    return notices


def encode_routed(channel: Channel, partition: int, notices: Notices) -> Output:
    """Return the block that hands notices to the dispatch of `channel`."""
    block = routing_pb2.NoticesRouted(notices=notices_to_wire(notices))
    return Output(ROUTED_TOPICS[channel], partition, block.SerializeToString())


def encode_exhausted(partition: int, notices: Notices) -> Output:
    """Return the block that says that no channel is left for these notices."""
    block = routing_pb2.NoticesExhausted(notices=notices_to_wire(notices))
    return Output(NOTICES_EXHAUSTED, partition, block.SerializeToString())
