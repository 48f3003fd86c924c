"""Receipts say whose fault it was, and only the recipient's sends somebody to another channel."""

from services.core.receipts import FAILED, ReceiptKind, ReceiptReason, is_the_recipients

PROVIDER, CONTENT = ReceiptReason.PROVIDER, ReceiptReason.CONTENT


def test_only_a_recipients_fault_leads_to_another_channel() -> None:
    """A provider's and our own never do, nor a provider that takes something back and does not say why."""
    others = {(kind, why) for kind in FAILED for why in ReceiptReason if not is_the_recipients(kind, why)}

    expected = {(kind, why) for kind in FAILED for why in (PROVIDER, CONTENT)}
    assert others == expected | {(ReceiptKind.REFUSED, ReceiptReason.NOT_SAID)}
