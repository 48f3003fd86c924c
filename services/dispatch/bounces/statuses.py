"""What Notify says of a notification, as a receipt. Pure.

A letter is taken before it is looked at: that its PDF was not valid, or had a virus, is said later, and then nobody was
told. So these count as refused, and the notice goes on to its next channel.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from services.core.channel import Channel
from services.core.receipts import Receipt, ReceiptKind, ReceiptReason

__all__ = ["FAILURES", "receipt_of"]

_KINDS: Final[Mapping[Channel, Mapping[str, tuple[ReceiptKind, ReceiptReason]]]] = MappingProxyType(
    {
        Channel.EMAIL: {
            "delivered": (ReceiptKind.DELIVERED, ReceiptReason.NOT_SAID),
            "permanent-failure": (ReceiptKind.BOUNCED, ReceiptReason.HARD),
            "temporary-failure": (ReceiptKind.BOUNCED, ReceiptReason.SOFT),
            "technical-failure": (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
        },
        Channel.LETTER: {
            "accepted": (ReceiptKind.ACKNOWLEDGED, ReceiptReason.NOT_SAID),
            "received": (ReceiptKind.POSTED, ReceiptReason.NOT_SAID),
            "returned-letter": (ReceiptKind.RETURNED, ReceiptReason.NOT_SAID),
            "validation-failed": (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
            "virus-scan-failed": (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
            "technical-failure": (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
            "permanent-failure": (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
            "cancelled": (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
        },
    }
)
_FAILED = frozenset({ReceiptKind.BOUNCED, ReceiptKind.REFUSED, ReceiptKind.RETURNED})
# The statuses that say that somebody was not told: they are asked for, whatever is heard by itself.
FAILURES: Final[Mapping[Channel, tuple[str, ...]]] = MappingProxyType(
    {
        channel: tuple(status for status, (kind, _) in kinds.items() if kind in _FAILED)
        for channel, kinds in _KINDS.items()
    }
)
_REFERENCE = re.compile(r"([0-9a-f]{32})\.([1-9][0-9]{0,3})", re.ASCII)


def receipt_of(said: Mapping[str, Any], channel: Channel, now: int) -> Receipt | None:
    """Return the receipt of what is said of a notification; None where it says nothing about an attempt of ours.

    Its time is that of Notify, so that the same thing heard twice is the same receipt; `now` (ms) where it has none.
    """
    found = _REFERENCE.fullmatch(str(said.get("reference") or ""))
    kind = _KINDS.get(channel, {}).get(str(said.get("status")))
    if found is None or kind is None or said.get("notification_type", said.get("type")) != channel.label:
        return None
    at = _milliseconds(said.get("completed_at")) or _milliseconds(said.get("created_at")) or now
    return Receipt(bytes.fromhex(found[1]), int(channel), int(found[2]), kind[0], min(at, now), kind[1])


def _milliseconds(time: object) -> int:
    try:
        return int(datetime.fromisoformat(str(time)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
