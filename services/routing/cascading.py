"""What becomes of notices that were handed over and came back, or that nobody read: the incident's policy. Pure."""

from services.core.notices import Notices
from services.core.policy import Cascade
from services.core.receipts import ReceiptKind, ReceiptReason

__all__ = ["goes_on", "split"]


def goes_on(kind: ReceiptKind, reason: ReceiptReason, cascade: Cascade) -> bool:
    """Tell whether the next channel is tried.

    Who is said to have died is written to no more on any channel, whatever the policy says: their source says who is to
    be written to. A provider that did not take a notice after all is one that refused it.
    """
    if reason is ReceiptReason.DECEASED:
        return False
    if kind is ReceiptKind.UNREAD:
        return cascade.unread_after is not None
    allowed = {ReceiptKind.BOUNCED: cascade.bounced, ReceiptKind.RETURNED: cascade.returned}
    return allowed.get(kind, True)


def split(notices: Notices, recalled: frozenset[bytes]) -> tuple[Notices, Notices]:
    """Return the notices that may be attempted again, and those that were recalled meanwhile."""
    rows = range(len(notices))
    going = [row for row in rows if notices.ids[row] not in recalled]
    return notices.pick(going), notices.pick([row for row in rows if notices.ids[row] in recalled])
