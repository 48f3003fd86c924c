"""Receipts: what was heard of an attempt after it was handed over, whoever said it. The only list of their words.

Providers, print houses, mailboxes and people with lists of returned mail all come to these. A receipt is an event: it
is kept as it came, and where a notice stands follows from all of them together, whatever their order.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = [
    "FAILED",
    "KIND_NAMES",
    "PROGRESS",
    "REASON_NAMES",
    "Consequence",
    "Receipt",
    "ReceiptKind",
    "ReceiptReason",
    "came_back",
    "is_the_recipients",
    "why_back",
]


class ReceiptKind(IntEnum):
    """What is said of an attempt. Of several the highest number holds, whatever came first.

    The numbers are stored and travel in blocks: they are never reused.
    """

    ACCEPTED = 10  # the provider took it after all, where nobody could know
    ACKNOWLEDGED = 20  # a print house has what it was sent, and found it whole
    POSTED = 30  # on paper, and on its way
    DELIVERED = 40  # it lies where the person can read it
    UNREAD = 50  # it has lain there for longer than the incident's policy waits
    READ = 60
    COMPLAINED = 70  # the person said that they do not want it, so they have seen it
    REFUSED = 80  # the provider did not take it after all
    BOUNCED = 90  # a mail that came back after it had been accepted
    RETURNED = 100  # a letter that came back


class ReceiptReason(IntEnum):
    """Why it came back, as far as it is said. The numbers are stored and travel in blocks: they are never reused."""

    NOT_SAID = 0
    HARD = 1  # there is no such mailbox or domain
    SOFT = 2  # the mailbox was full, or the mail could not be delivered in time
    MOVED = 10  # the person lives elsewhere
    NOT_AT_ADDRESS = 11  # the person is not known there
    BAD_ADDRESS = 12  # the address does not exist, or is not whole
    DECEASED = 13
    NOT_ACCEPTED = 14  # whoever lives there did not take it
    NOT_COLLECTED = 15
    PROVIDER = 20  # the provider's own fault, our account's there, or one that nobody can name: it would be anybody's
    CONTENT = 21  # the fault of what we sent: what it says, or how it looks


# Nothing is wrong with whoever was to be told: no other channel is tried for that.
_NOT_THE_RECIPIENTS: Final = frozenset({ReceiptReason.PROVIDER, ReceiptReason.CONTENT})
# An attempt of which one of these is said told nobody.
FAILED: Final = frozenset({ReceiptKind.REFUSED, ReceiptKind.BOUNCED, ReceiptKind.RETURNED})
# How far an attempt came that was taken.
PROGRESS: Final = frozenset(ReceiptKind) - FAILED


def _word(name: str) -> str:
    return name.lower().replace("_", "-")


# The words for people and programs: `returned`, `not-at-address`.
KIND_NAMES: Final[Mapping[ReceiptKind, str]] = MappingProxyType({kind: _word(kind.name) for kind in ReceiptKind})
REASON_NAMES: Final[Mapping[ReceiptReason, str]] = MappingProxyType({one: _word(one.name) for one in ReceiptReason})


class Receipt(NamedTuple):
    """One thing said of one attempt of a notice.

    A list of returned letters has references, and a reference names a notice and none of its attempts: then `attempt`
    is 0, and it is about the latest one on `channel` that had been handed over by then.
    """

    notice: bytes
    channel: int  # core.channel
    attempt: int  # its number, from 1; 0 = not said
    kind: int  # ReceiptKind
    at: int  # ms since 1970: when it happened, as whoever says it knows
    reason: int = 0  # ReceiptReason


class Consequence(NamedTuple):
    """What follows from receipts for one attempt."""

    notice: bytes
    channel: int
    attempt: int
    kind: int  # ReceiptKind: one of FAILED, UNREAD, or ACCEPTED where nobody could know how it ended
    reason: int = 0  # ReceiptReason


def is_the_recipients(kind: int, reason: int) -> bool:
    """Tell whether it is for its recipient's sake that an attempt told nobody, so that the next channel is tried.

    What bounced or was returned did not reach its recipient, unless more is said. A provider that takes something and
    then says that it did not, without a word of why, says nothing of the recipient.
    """
    return reason not in _NOT_THE_RECIPIENTS and (kind != ReceiptKind.REFUSED or reason != ReceiptReason.NOT_SAID)


def why_back(kind: int, reason: int) -> str:
    """Return why dispatch gives a notice back that was handed over: `returned:moved`, `bounced`, `unread`."""
    word = KIND_NAMES[ReceiptKind(kind)]
    return f"{word}:{REASON_NAMES[ReceiptReason(reason)]}" if reason else word


_BACK: Final = {
    why_back(kind, reason): (kind, reason) for kind in (*FAILED, ReceiptKind.UNREAD) for reason in ReceiptReason
}


def came_back(why: str) -> tuple[ReceiptKind, ReceiptReason] | None:
    """Return what `why_back` was made of, None where a notice is given back for another reason."""
    return _BACK.get(why)
