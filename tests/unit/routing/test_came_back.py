"""What came back closes its channel for the contact data that it went by, where the person is not there."""

import pytest

from services.core.channel import ALL_CHANNELS, Channel
from services.core.receipts import ReceiptKind, ReceiptReason
from services.routing.came_back import CameBack, closed_by, latest

LETTER, EMAIL = Channel.LETTER, Channel.EMAIL


@pytest.mark.parametrize(
    ("kind", "reason", "channel", "closed"),
    [
        (ReceiptKind.RETURNED, ReceiptReason.MOVED, LETTER, LETTER),
        (ReceiptKind.RETURNED, ReceiptReason.NOT_ACCEPTED, LETTER, LETTER),
        (ReceiptKind.RETURNED, ReceiptReason.NOT_SAID, LETTER, LETTER),
        (ReceiptKind.RETURNED, ReceiptReason.DECEASED, LETTER, ALL_CHANNELS),
        (ReceiptKind.RETURNED, ReceiptReason.NOT_COLLECTED, LETTER, 0),
        (ReceiptKind.BOUNCED, ReceiptReason.HARD, EMAIL, EMAIL),
        (ReceiptKind.REFUSED, ReceiptReason.HARD, EMAIL, EMAIL),
        (ReceiptKind.BOUNCED, ReceiptReason.SOFT, EMAIL, 0),
        (ReceiptKind.BOUNCED, ReceiptReason.NOT_SAID, EMAIL, 0),
        (ReceiptKind.REFUSED, ReceiptReason.PROVIDER, LETTER, 0),
        (ReceiptKind.UNREAD, ReceiptReason.NOT_SAID, Channel.PORTAL, 0),
        (ReceiptKind.RETURNED, ReceiptReason.MOVED, 0, 0),  # an older dispatch does not say where
    ],
)
def test_a_channel_is_closed_where_the_person_is_not(
    kind: ReceiptKind, reason: ReceiptReason, channel: int, closed: int
) -> None:
    """Not where it may go better another time, nor for what is nobody's fault but ours."""
    assert closed == closed_by(kind, reason, channel)


def test_of_what_came_back_together_the_highest_version_is_written() -> None:
    """One row of each member and channel, in the order of the keys."""
    rows = [CameBack(b"b", 4, 1, "x"), CameBack(b"a", 4, 2, "y"), CameBack(b"a", 4, 3, "z"), CameBack(b"a", 2, 1, "x")]

    assert [rows[3], rows[2], rows[0]] == latest(rows)
