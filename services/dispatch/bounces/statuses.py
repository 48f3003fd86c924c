"""What Notify says of a notification, as a receipt. Pure.

A letter is taken before it is looked at: that its PDF was not valid, or had a virus, is said later, and then nobody was
told. Whose fault that is says `blame.NOTIFY_STATUSES`; only a recipient's sends somebody to the next channel.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from services.core.channel import Channel
from services.core.receipts import Receipt, ReceiptKind, ReceiptReason
from services.dispatch.blame import NOTIFY_STATUSES, Blame
from services.dispatch.bounces.reasons import REASONS

__all__ = ["FAILURES", "receipt_of"]

_ARRIVED: Final[Mapping[Channel, Mapping[str, ReceiptKind]]] = MappingProxyType(
    {
        Channel.EMAIL: {"delivered": ReceiptKind.DELIVERED},
        Channel.LETTER: {"accepted": ReceiptKind.ACKNOWLEDGED, "received": ReceiptKind.POSTED},
    }
)
# What did not reach its recipient came back; of anything else it is said that it was never sent.
_CAME_BACK: Final = MappingProxyType({Channel.EMAIL: ReceiptKind.BOUNCED, Channel.LETTER: ReceiptKind.RETURNED})
_RECIPIENTS: Final = frozenset({Blame.RECIPIENT, Blame.LATER})
# The statuses that say that somebody was not told: they are asked for, whatever is heard by itself.
FAILURES: Final[Mapping[Channel, tuple[str, ...]]] = MappingProxyType(
    {channel: tuple(statuses) for channel, statuses in NOTIFY_STATUSES.items()}
)
_REFERENCE = re.compile(r"([0-9a-f]{32})\.([1-9][0-9]{0,3})", re.ASCII)


def receipt_of(said: Mapping[str, Any], channel: Channel, now: int) -> Receipt | None:
    """Return the receipt of what is said of a notification; None where it says nothing about an attempt of ours.

    Its time is that of Notify, so that the same thing heard twice is the same receipt; `now` (ms) where it has none.
    """
    found = _REFERENCE.fullmatch(str(said.get("reference") or ""))
    meant = _meant_by(str(said.get("status")), channel)
    if found is None or meant is None or said.get("notification_type", said.get("type")) != channel.label:
        return None
    kind, reason = meant
    at = _milliseconds(said.get("completed_at")) or _milliseconds(said.get("created_at")) or now
    return Receipt(bytes.fromhex(found[1]), int(channel), int(found[2]), kind, min(at, now), reason)


def _meant_by(status: str, channel: Channel) -> tuple[ReceiptKind, ReceiptReason] | None:
    if kind := _ARRIVED.get(channel, {}).get(status):
        return kind, ReceiptReason.NOT_SAID
    blame = NOTIFY_STATUSES.get(channel, {}).get(status)
    if blame is None:
        return None
    if blame not in _RECIPIENTS:
        return ReceiptKind.REFUSED, REASONS[blame]
    back = _CAME_BACK[channel]
    return back, ReceiptReason.NOT_SAID if back is ReceiptKind.RETURNED else REASONS[blame]


def _milliseconds(time: object) -> int:
    try:
        return int(datetime.fromisoformat(str(time)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
