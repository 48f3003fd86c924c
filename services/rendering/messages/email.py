"""A notice as the bytes of an e-mail. Pure but for the date that it is handed."""

import binascii
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from services.core.incident import Incident
from services.core.mailbox import mailbox
from services.core.return_path import return_address
from services.rendering.messages.headers import sender_header, text_header
from services.rendering.messages.plain_text import PlainTexts, one_line
from services.rendering.told import Told, UnfitError
from services.rendering.wording.wording import KEPT_WORDINGS, Wording

__all__ = ["Answers", "Letterbox", "Mail", "message_id"]

_FIRST = 1  # the attempt that nearly every notice went out by: a wrong guess only leaves two mails apart


def message_id(notice: bytes, attempt: int, host: str) -> str:
    """Return the Message-ID of an attempt: the same one whenever it is made."""
    return f"<{notice.hex()}.{attempt}@{host}>"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message ready for the wire: dots at line starts are not yet doubled.

    `sender` is where it goes back to if it cannot be delivered; `envelope_id` names the attempt to who reports on it.
    """

    sender: str
    recipient: str
    body: bytes
    envelope_id: str


@dataclass(frozen=True, slots=True)
class Answers:
    """Where answers to a mail go: empty = to the controller's address."""

    replies: str = ""
    bounces: str = ""  # each mail gets an address of its own there
    sender: str = ""  # in whose name they come; empty = the controller's address

    def bounces_of(self, notice: bytes, attempt: int, reference: str) -> str:
        """Return where this attempt goes back to, if it does (variable envelope return path); empty = nowhere."""
        return return_address(self.bounces, notice, attempt, reference) if self.bounces else ""


@dataclass(frozen=True, slots=True)
class _Shared:
    wording: Wording
    headers: bytes
    tail: bytes
    sender: str
    host: str


class Letterbox:
    """Makes e-mails. Headers and the shared text are encoded once by the standard library, then reused."""

    def __init__(self, answers: Answers = Answers()) -> None:
        self._texts, self._answers = PlainTexts(), answers
        self._shared: dict[tuple[str, int, int], _Shared] = {}

    def mail(self, work: Told, row: int, now: datetime) -> Mail | None:
        """Return the message of this notice, or None where its address can not be written to."""
        recipient = mailbox(work.contacts[row].email)
        if recipient is None:
            return None
        shared = self._shared_of(work.incident, self._texts.wording(work, row))
        notices = work.notices
        notice, attempt, before = notices.ids[row], notices.attempts[row], notices.supersedes[row]
        earlier = f"References: {message_id(before, _FIRST, shared.host)}\r\n" if before else ""
        own = (
            f"To: {recipient}\r\nDate: {format_datetime(now)}\r\n"
            f"Message-ID: {message_id(notice, attempt, shared.host)}\r\n{earlier}"
            f"X-Heraut-Notice: {notice.hex()}\r\n\r\n"
        )
        body = b"".join(
            (shared.headers, own.encode("ascii"), _quoted(self._texts.top(shared.wording, work, row)), shared.tail)
        )
        envelope_id = f"{notice.hex()}.{attempt}"
        back = self._answers.bounces_of(notice, attempt, work.references[row])
        return Mail(back or shared.sender, recipient, body, envelope_id)

    def _shared_of(self, incident: Incident, wording: Wording) -> _Shared:
        key = (incident.incident_id, incident.version, id(wording))
        found = self._shared.get(key)
        if found is None or found.wording is not wording:
            if len(self._shared) >= KEPT_WORDINGS:
                self._shared.clear()
            found = self._shared[key] = self._share(incident, wording)
        return found

    def _share(self, incident: Incident, wording: Wording) -> _Shared:
        sender = self._answers.sender or mailbox(incident.controller.email)
        if sender is None:
            raise UnfitError("controller.email", "cannot be written from")
        try:
            headers = _headers(incident.controller.name, sender, wording, self._answers.replies)
        except ValueError as error:
            raise UnfitError("content", f"cannot be headers of an e-mail: {error}") from error
        return _Shared(
            wording=wording,
            headers=headers,
            tail=_quoted(self._texts.tail(wording)),
            sender=sender,
            host=sender.rpartition("@")[2],
        )


def _headers(name: str, sender: str, wording: Wording, replies: str) -> bytes:
    """Return the headers that everybody's message has, without the blank line that ends them."""
    lines = [
        sender_header("From", one_line(name), sender),
        *([f"Reply-To: {replies}"] if replies else ()),
        text_header("Subject", one_line(wording.subject)),
        "Auto-Submitted: auto-generated",
        f"Content-Language: {wording.language}",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: quoted-printable",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _quoted(text: str) -> bytes:
    """Encode lines as quoted-printable; parts that end with a line can be put one after the other."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return binascii.b2a_qp(lines.encode("utf-8"), istext=True)
