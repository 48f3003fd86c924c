"""Receipts as they travel: from whoever hears of an attempt to tracking, and what follows from them to dispatch.

Whoever hears something of attempts calls `encode_received`, in a transaction of its own stage, and has done its part:
it need not know whether it was said before, or whether anything else is known of the notice.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from notification.topics import RECEIPTS_ACCEPTED, RECEIPTS_RECEIVED
from notification.v1 import dispatch_pb2, tracking_pb2

from services.core.channel import Channel, channel_named
from services.core.ids import ID_BYTES
from services.core.notices import BLOCK_ENTRIES
from services.core.receipts import FAILED, Consequence, Receipt, ReceiptKind, ReceiptReason
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Output, Record
from services.wire.columns import LAST_MOMENT, SMALL, column, moment, parse, split_ids

__all__ = ["decode_accepted", "decode_received", "encode_accepted", "encode_received"]

R = TypeVar("R", Receipt, Consequence)

_KINDS = frozenset(map(int, ReceiptKind))
_FOLLOW = frozenset(map(int, {*FAILED, ReceiptKind.UNREAD, ReceiptKind.ACCEPTED}))
_REASONS = frozenset(map(int, ReceiptReason))


def encode_received(partition: int, receipts: Iterable[Receipt]) -> Iterator[Output]:
    """Return the blocks for `heraut.receipts.received.v1`; `partition` is one that the writing stage owns."""
    for channel, piece in _pieces(receipts):
        yield _received(partition, channel, piece)


def encode_accepted(partition: int, consequences: Iterable[Consequence]) -> Iterator[Output]:
    """Return the blocks for `heraut.receipts.accepted.v1`; `partition` is one that the writing stage owns."""
    for channel, piece in _pieces(consequences):
        block = tracking_pb2.ReceiptsAccepted(
            channel=channel,
            ids=b"".join(one.notice for one in piece),
            attempts=[one.attempt for one in piece],
            kinds=bytes(one.kind for one in piece),
            reasons=bytes(one.reason for one in piece),
        )
        yield Output(RECEIPTS_ACCEPTED, partition, block.SerializeToString())


def _pieces(rows: Iterable[R]) -> Iterator[tuple[str, Sequence[R]]]:
    """Cut rows into what goes into one block each, of one channel."""
    together: dict[int, list[R]] = {}
    for one in rows:
        together.setdefault(one.channel, []).append(one)
    for channel, of_channel in sorted(together.items()):
        for start in range(0, len(of_channel), BLOCK_ENTRIES):
            yield Channel(channel).label, of_channel[start : start + BLOCK_ENTRIES]


def _received(partition: int, channel: str, receipts: Sequence[Receipt]) -> Output:
    first = receipts[0].at
    block = dispatch_pb2.ReceiptsReceived(
        channel=channel,
        ids=b"".join(one.notice for one in receipts),
        attempts=[one.attempt for one in receipts],
        kinds=bytes(one.kind for one in receipts),
        reasons=bytes(one.reason for one in receipts),
        at=[first, *(one.at - first for one in receipts[1:])],
    )
    return Output(RECEIPTS_RECEIVED, partition, block.SerializeToString())


def decode_received(record: Record) -> list[Receipt]:
    """Read a block of `heraut.receipts.received.v1`. Raises InvalidMessage."""
    wire = parse(dispatch_pb2.ReceiptsReceived(), record.value)
    count = len(wire.ids) // ID_BYTES
    channel = _channel(wire.channel)
    columns = (
        split_ids(wire.ids, count),
        column(wire.attempts, count, SMALL),
        _words(wire.kinds, count, _KINDS),
        _moments(wire.at, count),
        _words(wire.reasons, count, _REASONS),
    )
    if not count:
        raise InvalidMessage("empty-block")
    return [Receipt(notice, channel, *rest) for notice, *rest in zip(*columns, strict=True)]


def decode_accepted(record: Record) -> list[Consequence]:
    """Read a block of `heraut.receipts.accepted.v1`. Raises InvalidMessage."""
    wire = parse(tracking_pb2.ReceiptsAccepted(), record.value)
    count = len(wire.ids) // ID_BYTES
    channel = _channel(wire.channel)
    columns = (
        split_ids(wire.ids, count),
        column(wire.attempts, count, SMALL),
        _words(wire.kinds, count, _FOLLOW),
        _words(wire.reasons, count, _REASONS),
    )
    if not count:
        raise InvalidMessage("empty-block")
    return [Consequence(notice, channel, *rest) for notice, *rest in zip(*columns, strict=True)]


def _words(numbers: bytes, count: int, known: frozenset[int]) -> list[int]:
    found = column(numbers, count)
    if not known.issuperset(found):
        raise InvalidMessage("unknown-receipt")
    return found


def _moments(relative: Sequence[int], count: int) -> list[int]:
    first, *others = column(relative, count, LAST_MOMENT) or [0]
    return [moment(first), *(moment(first + more) for more in others)][:count]


def _channel(name: str) -> int:
    try:
        return int(channel_named(name))
    except KeyError:
        raise InvalidMessage("unknown-channel") from None
