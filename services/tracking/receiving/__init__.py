"""Receipts on their way in: signed webhooks, lists of returned mail, and how long a message lies unread.

What comes is written down before it is answered, and joined with its notice by the owner of partition 0.
"""

from services.tracking.receiving.api import ReceivingApi
from services.tracking.receiving.inbox import Inbox
from services.tracking.receiving.receiving import Receiving
from services.tracking.receiving.signing import Signers, load_signers
from services.tracking.receiving.unread import Unread

__all__ = ["Inbox", "Receiving", "ReceivingApi", "Signers", "Unread", "load_signers"]
