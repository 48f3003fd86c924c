"""Why something came back that had been taken, as receipts have it: by whose fault it is. Pure data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from services.core.receipts import ReceiptReason
from services.dispatch.blame import Blame

__all__ = ["REASONS"]

# Receipts do not tell an account of ours that may not send from a provider that cannot: neither is a recipient's fault.
REASONS: Final[Mapping[Blame, ReceiptReason]] = MappingProxyType(
    {
        Blame.RECIPIENT: ReceiptReason.HARD,
        Blame.LATER: ReceiptReason.SOFT,
        Blame.SENDER: ReceiptReason.PROVIDER,
        Blame.PROVIDER: ReceiptReason.PROVIDER,
        Blame.CONTENT: ReceiptReason.CONTENT,
    }
)
