"""Attempts as they come in, outcomes as they go out, and the sealed contact data once it is opened."""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from notification.topics import DELIVERIES_ATTEMPTED, DELIVERIES_REFUSED, PAUSES_OBSERVED
from notification.v1 import common_pb2, dispatch_pb2, routing_pb2

from services.core.channel import Channel
from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.domain import Key
from services.dispatch.errors import UnnumberedAttemptError
from services.dispatch.pauses import Pause
from services.kit.eventlog import Output
from services.rendering.contact import Contact
from services.wire.columns import indexed, parse
from services.wire.notices import notices_from_wire, notices_to_wire

__all__ = [
    "decode_block",
    "decode_routed",
    "encode_attempted",
    "encode_block",
    "encode_observed",
    "encode_refused",
    "read_contact",
]

_decode_contact = msgspec.json.Decoder(Contact).decode
_EMPTY: dict[str, str] = msgspec.to_builtins(Contact())


def decode_routed(value: bytes | None) -> tuple[Notices, bytes]:
    """Read a block of `heraut.notices.routed.<channel>.v1`; returns the notices, also as `encode_block` packs them.

    Raises InvalidMessage.
    """
    wire = parse(routing_pb2.NoticesRouted(), value).notices
    notices = notices_from_wire(wire)
    if not notices or not all(notices.attempts):
        raise UnnumberedAttemptError
    return notices, wire.SerializeToString()


def encode_block(notices: Notices) -> bytes:
    """Pack notices as a batch stores them."""
    return notices_to_wire(notices).SerializeToString()


def decode_block(block: bytes) -> Notices:
    """Unpack the notices of a stored batch."""
    return notices_from_wire(parse(common_pb2.Notices(), block))


def encode_attempted(
    notices: Notices, outcomes: Sequence[AttemptState], *, channel: Channel, provider: str, partition: int, at: int
) -> Output:
    """Return the block that says how the hand-over of each of these ended; `at` = ms since 1970."""
    cohort_ids, cohorts = indexed(notices.cohorts)
    block = dispatch_pb2.DeliveriesAttempted(
        incident_id=notices.incident_id,
        channel=channel.label,
        provider=provider,
        ids=b"".join(notices.ids),
        members=b"".join(notices.members),
        revisions=notices.revisions,
        attempts=notices.attempts,
        outcomes=bytes(outcomes),
        cohort_ids=cohort_ids,
        cohorts=cohorts,
        at=at,
    )
    return Output(DELIVERIES_ATTEMPTED, partition, block.SerializeToString())


def encode_observed(pause: Pause, channel: Channel, partition: int, begun: Sequence[Key]) -> Output:
    """Return the block that says what had begun, on a channel and in a partition, when a pause came."""
    block = dispatch_pb2.PausesObserved(
        incident_id=pause.incident_id,
        pause_id=pause.pause_id,
        channel=channel.label,
        ids=b"".join(notice for notice, _ in begun),
        attempts=[attempt for _, attempt in begun],
    )
    return Output(PAUSES_OBSERVED, partition, block.SerializeToString())


def encode_refused(notices: Notices, reason: str, partition: int, came_back_on: int = 0) -> Output:
    """Return the block that sends refused notices back to routing; their `tried` has this channel already.

    `came_back_on`: the channel on which they had been handed over, where they came back.
    """
    block = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices), reason=reason, channel=came_back_on)
    return Output(DELIVERIES_REFUSED, partition, block.SerializeToString())


def read_contact(payload: bytes) -> Contact:
    """Read the contact data of one member, as intake sealed it. What dispatch has no use for is left out."""
    try:
        return _decode_contact(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _as_text(orjson.loads(payload))


def _as_text(found: dict[str, Any]) -> Contact:
    """Read contact data with something in it that is no text: a number becomes text, what stands for nothing none."""
    known = _EMPTY | found
    return Contact(*(str(known[name]) if known[name] else empty for name, empty in _EMPTY.items()))
