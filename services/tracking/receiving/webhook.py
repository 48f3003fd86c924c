"""What a provider's webhook says: `{"type": "message.read", "timestamp": ..., "data": {...}}`, or a list of data. Pure.

Data name a notice by `reference`, or by `idempotencyKey` as the portal was given it (`<noticeId>.<attempt>`). The last
word of the type is what happened; of a word that is not among ours nothing is taken, and that is no fault.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.core.receipts import KIND_NAMES, ReceiptKind
from services.tracking.said import Said, named_by_reference, reason_of

__all__ = ["InvalidWebhook", "said_in"]

_MOST: Final = 1000  # things said in one body
_KEY: Final = re.compile(r"([0-9a-f]{32})\.([1-9][0-9]{0,3})")
# Unread is ours to say: by the incident's policy, whatever a provider calls long.
_KINDS: Final = {word: kind for kind, word in KIND_NAMES.items() if kind is not ReceiptKind.UNREAD}
_KINDS.update({"opened": ReceiptKind.READ, "complaint": ReceiptKind.COMPLAINED, "bounce": ReceiptKind.BOUNCED})
_KINDS.update(dict.fromkeys(("failed", "rejected"), ReceiptKind.REFUSED))


class InvalidWebhook(ValueError):  # noqa: N818 - says what it is
    """A body that a provider signed cannot be understood; `args` say where, and repeat nothing of it."""


def said_in(body: Any, channel: int, now: int) -> list[Said]:
    """Return what a body says of attempts on a channel; `now` is ms since 1970. Raises InvalidWebhook."""
    if not isinstance(body, Mapping) or not isinstance(body.get("type"), str):
        raise InvalidWebhook("type")
    kind = _KINDS.get(body["type"].rpartition(".")[2].lower())
    if kind is None:
        return []
    data = body.get("data")
    rows = data if isinstance(data, Sequence) and not isinstance(data, str) else [data]
    if len(rows) > _MOST:
        raise InvalidWebhook("data")
    at = _moment(body.get("timestamp"), now)
    return list(_read(rows, channel, kind, at))


def _read(rows: Sequence[Any], channel: int, kind: ReceiptKind, at: int) -> Iterator[Said]:
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidWebhook(f"data[{place}]")
        named, attempt = _named(row, place)
        reason = row.get("reason", "")
        yield Said(named, channel, attempt, int(kind), at, int(reason_of(reason) if isinstance(reason, str) else 0))


def _named(row: Mapping[str, Any], place: int) -> tuple[bytes, int]:
    key, reference = row.get("idempotencyKey"), row.get("reference")
    if isinstance(key, str) and (found := _KEY.fullmatch(key)):
        return bytes.fromhex(found[1]), int(found[2])
    try:
        if isinstance(reference, str):
            return named_by_reference(reference), 0
    except ValueError:
        pass
    raise InvalidWebhook(f"data[{place}].reference")


def _moment(text: Any, now: int) -> int:
    """Return when it happened: as it is said, and not later than now; now where nothing is said."""
    if text is None:
        return now
    try:
        said = datetime.fromisoformat(text)
        if said.tzinfo is None:
            raise InvalidWebhook("timestamp")
        at = round(said.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError):
        raise InvalidWebhook("timestamp") from None
    if at < 0:
        raise InvalidWebhook("timestamp")
    return min(at, now)
