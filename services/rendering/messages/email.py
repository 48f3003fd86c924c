"""A notice as the bytes of an e-mail. Pure but for the date that it is handed."""

import binascii
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from services.core.incident import Incident
from services.core.mailbox import mailbox
from services.rendering.messages.plain_text import PlainTexts, one_line
from services.rendering.told import Told
from services.rendering.wording.wording import KEPT_WORDINGS, Wording

__all__ = ["Letterbox", "Mail", "message_id"]

_NEWLINE = b"\r\n"


def message_id(notice: bytes, attempt: int, host: str) -> str:
    """Return the Message-ID of an attempt: the same one whenever it is made."""
    return f"<{notice.hex()}.{attempt}@{host}>"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message ready for the wire: dots at line starts are not yet doubled."""

    sender: str
    recipient: str
    body: bytes


@dataclass(frozen=True, slots=True)
class _Shared:
    wording: Wording
    headers: bytes
    tail: bytes
    sender: str
    host: str


class Letterbox:
    """Makes e-mails. Headers and the shared text are encoded once by the standard library, then reused."""

    def __init__(self) -> None:
        self._texts = PlainTexts()
        self._shared: dict[tuple[str, int, int], _Shared] = {}

    def mail(self, work: Told, row: int, now: datetime) -> Mail | None:
        """Return the message of this notice, or None where its address can not be written to."""
        recipient = mailbox(work.contacts[row].email)
        if recipient is None:
            return None
        shared = self._shared_of(work.incident, self._texts.wording(work, row))
        notices = work.notices
        notice, attempt = notices.ids[row], notices.attempts[row]
        own = (
            f"To: {recipient}\r\nDate: {format_datetime(now)}\r\n"
            f"Message-ID: {message_id(notice, attempt, shared.host)}\r\nX-Heraut-Notice: {notice.hex()}\r\n\r\n"
        )
        top = _quoted(self._texts.top(shared.wording, work, row))
        return Mail(shared.sender, recipient, b"".join((shared.headers, own.encode("ascii"), top, shared.tail)))

    def _shared_of(self, incident: Incident, wording: Wording) -> _Shared:
        key = (incident.incident_id, incident.version, id(wording))
        found = self._shared.get(key)
        if found is None or found.wording is not wording:
            if len(self._shared) >= KEPT_WORDINGS:
                self._shared.clear()
            found = self._shared[key] = self._share(incident, wording)
        return found

    def _share(self, incident: Incident, wording: Wording) -> _Shared:
        sender = mailbox(incident.controller.email)
        if sender is None:
            raise ValueError("the controller's e-mail address can not be written from")
        return _Shared(
            wording=wording,
            headers=_headers(incident.controller.name, sender, wording),
            tail=_quoted(self._texts.tail(wording)),
            sender=sender,
            host=sender.rpartition("@")[2],
        )


def _headers(name: str, sender: str, wording: Wording) -> bytes:
    """Return the headers that everybody's message has, without the blank line that ends them."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(one_line(name), addr_spec=sender)
    message["Subject"] = one_line(wording.subject)
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = wording.language
    message["MIME-Version"] = "1.0"
    message["Content-Type"] = 'text/plain; charset="utf-8"'
    message["Content-Transfer-Encoding"] = "quoted-printable"
    return message.as_bytes().removesuffix(_NEWLINE)


def _quoted(text: str) -> bytes:
    """Encode lines as quoted-printable; parts that end with a line can be put one after the other."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return binascii.b2a_qp(lines.encode("utf-8"), istext=True)
