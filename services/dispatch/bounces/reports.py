"""What mail programs report of a mail: that it bounced or arrived (RFC 3464), or that somebody complained (RFC 5965).

Pure. A report is believed as far as the address that it came to, or the original's, is one that we gave that mail. What
anybody wrote is kept nowhere: of a report only its kind, a code and our own address are used.
"""

import re
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from enum import Enum
from typing import NamedTuple

from services.core.receipts import ReceiptKind, ReceiptReason
from services.dispatch.blame import Blame, blame_of_smtp
from services.dispatch.bounces.reasons import REASONS

__all__ = ["Ignored", "Report", "read_report"]

_PARTS = 20  # of a report: three are usual
_FIELD = 1_000  # characters of a field that are looked at
_TEXT = 20_000  # of a text in which a code is looked for
# A status that says no more than "for now" or "for good": programs write it where they have not read the answer.
_SAYS_NOTHING = re.compile(r"[245]\.0\.0")
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_ANSWER = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])[ -]+(?:[^\s\d]{0,3}([45]\.\d{1,3}\.\d{1,3})\b)?")
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "virus", "other"})


class Ignored(Enum):
    """Why a message is no receipt."""

    NO_REPORT = "no-report"  # somebody's answer, an absence notice, spam
    UNREADABLE = "unreadable"
    NOT_FINAL = "not-final"  # late, passed on, or to several: there will be more, or nothing to do
    NO_COMPLAINT = "no-complaint"


class Report(NamedTuple):
    """What a report says. `blame` is whose fault a bounce is; `addresses` may be one that we gave the mail."""

    kind: ReceiptKind
    reason: ReceiptReason
    blame: Blame | None
    addresses: Sequence[str]


def read_report(message: bytes) -> Report | Ignored:
    """Read what came to the mailbox of bounces."""
    try:
        parsed = BytesParser(policy=compat32).parsebytes(message)
        return _read(parsed)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Ignored.UNREADABLE


def _read(message: Message) -> Report | Ignored:
    parts = list(_parts(message))
    for part in parts:
        kind = part.get_content_type()
        if kind in {"message/delivery-status", "message/global-delivery-status"}:
            return _delivery(part)
        if kind == "message/feedback-report":
            return _feedback(part, parts)
    if message.get("X-Failed-Recipients"):  # as Exim reported before it wrote RFC 3464
        return _bounced(*_answer_in(_first_text(parts)))
    return Ignored.NO_REPORT


def _parts(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= _PARTS:
            return
        yield part


def _delivery(status: Message) -> Report | Ignored:
    """Read the fields about recipients. Our mails have one; where a list or a forward made more, a failure counts."""
    of_recipients = [block for block in _blocks(status) if block.get("Action")]
    actions = {_word(block, "Action"): block for block in reversed(of_recipients[:_PARTS])}
    if "failed" in actions:
        return _bounced(*_code_of(actions["failed"]))
    if "delivered" in actions:
        return Report(ReceiptKind.DELIVERED, ReceiptReason.NOT_SAID, None, ())
    return Ignored.NOT_FINAL if actions else Ignored.UNREADABLE


def _code_of(block: Message) -> tuple[int, str]:
    """Return code and enhanced code: those of the receiving server's answer, where it is quoted, before our relay's."""
    said = _STATUS.match(_field(block, "Status"))
    status = said[1] if said else ""
    kind, _, text = _field(block, "Diagnostic-Code").partition(";")
    code, enhanced = _answer_in(text) if kind.strip().lower() == "smtp" else (0, "")
    if not enhanced and status and not _SAYS_NOTHING.fullmatch(status):
        enhanced = status
    return code or int(f"{(enhanced or status or '5')[0]}00"), enhanced


def _answer_in(text: str) -> tuple[int, str]:
    found = _ANSWER.search(text[:_TEXT])
    return (int(found[1]), found[2] or "") if found else (0, "")


def _bounced(code: int, enhanced: str) -> Report:
    """Return that a mail came back: for good (hard), perhaps for now (soft), or through no fault of its recipient."""
    if 400 <= code < 500 or enhanced.startswith("4."):
        blame = Blame.LATER  # it was tried for days
    else:
        blame = blame_of_smtp(code if code % 100 else 550, enhanced) if code else Blame.PROVIDER
    return Report(ReceiptKind.BOUNCED, REASONS[blame], blame, ())


def _feedback(report: Message, parts: Sequence[Message]) -> Report | Ignored:
    """Read a complaint. It comes to one address for all, so that our mail's own one must be in it."""
    payload = report.get_payload()
    fields = next(iter(_blocks(report)), report)
    if not fields.get("Feedback-Type") and isinstance(payload, str):
        fields = BytesParser(policy=compat32).parsebytes(payload[:_TEXT].encode("utf-8", "replace"))
    if _word(fields, "Feedback-Type") not in _COMPLAINTS:
        return Ignored.NO_COMPLAINT
    named = [_field(fields, "Original-Mail-From"), *(_field(part, "Return-Path") for part in parts)]
    return Report(ReceiptKind.COMPLAINED, ReceiptReason.NOT_SAID, None, [name.strip(" <>") for name in named if name])


def _blocks(part: Message) -> list[Message]:
    """Return the groups of fields that a part has."""
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _first_text(parts: Sequence[Message]) -> str:
    for part in parts:
        if part.get_content_type() == "text/plain":
            payload = part.get_payload(decode=True)
            return payload[:_TEXT].decode("latin-1") if isinstance(payload, bytes) else ""
    return ""


def _field(block: Message, name: str) -> str:
    """Return a field on one line."""
    return " ".join(str(block.get(name, ""))[:_FIELD].split())


def _word(block: Message, name: str) -> str:
    return _field(block, name).partition(" ")[0].lower().strip(";")
