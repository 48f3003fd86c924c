"""A notice as an e-mail in fields, for providers that put mails together themselves. Pure."""

from email.headerregistry import Address

import orjson

from services.core.mailbox import mailbox
from services.rendering.messages.email import Answers, message_id
from services.rendering.messages.plain_text import PlainTexts, one_line
from services.rendering.told import Told, UnfitError

__all__ = ["ATTEMPT", "MailFields"]

ATTEMPT = "attempt"  # the metadata by which the provider is asked for a mail


class MailFields:
    """Makes e-mails as JSON, in the shape of Postmark's (its reference of `POST /email`)."""

    def __init__(self, answers: Answers, stream: str) -> None:
        self._texts, self._answers, self._stream = PlainTexts(), answers, stream

    def mail(self, told: Told, row: int, attempt: str) -> bytes:
        """Return a mail's bytes, from stored values alone, so that every try sends the same.

        Raises UnfitError where the controller's address cannot be written from.
        """
        controller, wording = told.incident.controller, self._texts.wording(told, row)
        sender = self._answers.sender or mailbox(controller.email)
        if sender is None:
            raise UnfitError("controller.email", "cannot be written from")
        replies = {"ReplyTo": self._answers.replies} if self._answers.replies else {}
        return orjson.dumps(
            {
                "From": str(Address(one_line(controller.name), addr_spec=sender)),
                "To": mailbox(told.contacts[row].email),
                **replies,
                "Subject": one_line(wording.subject),
                "TextBody": self._texts.top(wording, told, row) + self._texts.tail(wording),
                "Headers": [
                    {"Name": name, "Value": value}
                    for name, value in _headers(told, row, attempt, sender, wording.language)
                ],
                "Metadata": {ATTEMPT: attempt},
                "MessageStream": self._stream,
                "TrackOpens": False,  # nobody is watched while they read that their data was stolen
                "TrackLinks": "None",
            }
        )


def _headers(told: Told, row: int, attempt: str, sender: str, language: str) -> list[tuple[str, str]]:
    host, notices = sender.rpartition("@")[2], told.notices
    before = notices.supersedes[row]
    earlier = [("References", message_id(before, 1, host))] if before else []
    return [
        ("X-PM-KeepID", "true"),  # the id that follows stays
        ("Message-ID", f"<{attempt}@{host}>"),
        *earlier,
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", language),
        ("X-Heraut-Notice", notices.ids[row].hex()),
    ]
