"""Attempts as they come in, outcomes as they go out, and the sealed contact data once it is opened."""

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
from notification.topics import DELIVERIES_ATTEMPTED, DELIVERIES_REFUSED, PAUSES_OBSERVED
from notification.v1 import common_pb2, dispatch_pb2, routing_pb2

from services.core.channel import Channel
from services.core.notices import Notices
from services.dispatch.domain import Key
from services.dispatch.errors import UnnumberedAttemptError
from services.dispatch.pauses import Pause
from services.kit.eventlog import Output
from services.rendering.contact import Contact
from services.wire.columns import indexed, parse
from services.wire.notices import notices_from_wire, notices_to_wire

__all__ = [
    "KnownBlocks",
    "decode_block",
    "decode_routed",
    "encode_attempted",
    "encode_block",
    "encode_observed",
    "encode_refused",
    "read_contact",
    "read_contacts",
]

_decode_contact = msgspec.json.Decoder(Contact).decode
# Of a wave at full speed about a second's, as letters linger: some 400 bytes each.
_NOTICES_KNOWN = 1 << 16
_TIMES = 8
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


class KnownBlocks:
    """The notices of blocks that were queued lately, until they are sent: so each block is decoded once.

    A block is known by all that is in it. Whatever became of a batch meanwhile, its block says what it holds.
    """

    def __init__(self, most: int = _NOTICES_KNOWN) -> None:
        """Keep `most` notices at once."""
        self._most = most
        self._notices = 0
        self._seen = 0  # notices that ever came
        self._known: dict[bytes, tuple[int, Notices]] = {}  # with how many had been seen before, the first first

    def keep(self, block: bytes, notices: Notices) -> None:
        """Keep what a block holds, if there is room. What waits longest is sent first, so the first ones stay."""
        self._forget_the_unwanted()
        if self._notices + len(notices) <= self._most and block not in self._known:
            self._known[block] = self._seen, notices
            self._notices += len(notices)
        self._seen += len(notices)

    def notices_of(self, block: bytes) -> Notices:
        """Return what a block holds, and keep it no more."""
        found = self._known.pop(block, None)
        if found is None:
            return decode_block(block)
        self._notices -= len(found[1])
        return found[1]

    def _forget_the_unwanted(self) -> None:
        """Forget what is still here after many times as many came: it was stopped, or somebody else sends it."""
        while self._known and self._seen - next(iter(self._known.values()))[0] > _TIMES * self._most:
            self.notices_of(next(iter(self._known)))


def encode_attempted(
    notices: Notices, outcomes: bytes, *, channel: Channel, provider: str, partition: int, at: int
) -> Output:
    """Return the block that says how the hand-over of each of these ended; `at` = ms since 1970.

    `outcomes`: of each its `AttemptState`, a byte.
    """
    cohort_ids, cohorts = indexed(notices.cohorts)
    block = dispatch_pb2.DeliveriesAttempted(
        incident_id=notices.incident_id,
        channel=channel.label,
        provider=provider,
        ids=b"".join(notices.ids),
        members=b"".join(notices.members),
        revisions=notices.revisions,
        attempts=notices.attempts,
        outcomes=outcomes,
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


def encode_refused(notices: Notices, reason: str, partition: int) -> Output:
    """Return the block that sends refused notices back to routing; their `tried` has this channel already."""
    block = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices), reason=reason)
    return Output(DELIVERIES_REFUSED, partition, block.SerializeToString())


def read_contacts(payloads: Sequence[bytes | None]) -> list[Contact | None]:
    """Read the contact data of members, as intake sealed it. What dispatch has no use for is left out.

    None where there is none, or it cannot be read: then the attempt is refused as if the data were gone.
    """
    there = [payload for payload in payloads if payload is not None]
    if len(there) == len(payloads):
        try:
            return list(map(_decode_contact, there))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # nearly never: then each by itself
    return [None if payload is None else _read(payload) for payload in payloads]


def _read(payload: bytes) -> Contact | None:
    try:
        return read_contact(payload)
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return None


def read_contact(payload: bytes) -> Contact:
    """Read the contact data of one member. Raises JSONDecodeError, AttributeError or TypeError where it is none."""
    try:
        return _decode_contact(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _as_text(orjson.loads(payload))


def _as_text(found: dict[str, Any]) -> Contact:
    """Read contact data with something in it that is no text: a number becomes text, what stands for nothing none."""
    known = _EMPTY | found
    return Contact(*(str(known[name]) if known[name] else empty for name, empty in _EMPTY.items()))
