"""The stand-ins answer as real providers do, and record what they take before they answer."""

from pathlib import Path

from aiosmtpd.smtp import Envelope

from services.core.channel import Channel
from services.demo.made_up.channels import CONTACTS
from services.demo.provider_records import ProviderRecords, read_provider_records
from services.demo.standins.mail import MailServer


async def test_mail_is_recorded_once_for_each_recipient(tmp_path: Path) -> None:
    """A message that was answered with 250 is recorded for each of its recipients."""
    handler = MailServer(ProviderRecords(tmp_path / "email.ndjson"), CONTACTS[Channel.EMAIL].refuses)
    envelope = Envelope()
    envelope.rcpt_tos, envelope.content = ["a@example.org", "b@example.org"], b"Subject: x\r\n\r\nb\xc3\xa9\r\n"
    answer = await handler.handle_DATA(None, None, envelope)  # type: ignore[arg-type]

    assert answer.startswith("250")
    assert [("a@example.org", "Subject: x\r\n\r\nbé\r\n"), ("b@example.org", "Subject: x\r\n\r\nbé\r\n")] == [
        (record["recipient"], record["message"]) for record in read_provider_records(tmp_path / "email.ndjson")
    ]


async def test_a_mailbox_that_is_gone_is_refused_for_good(tmp_path: Path) -> None:
    """A permanent refusal sends the notice to the next channel."""
    handler = MailServer(ProviderRecords(tmp_path / "email.ndjson"), CONTACTS[Channel.EMAIL].refuses)
    envelope = Envelope()
    gone = f"{CONTACTS[Channel.EMAIL].refused}x@example.org"
    answer = await handler.handle_RCPT(None, None, envelope, gone, [])  # type: ignore[arg-type]

    assert ("550", []) == (answer[:3], envelope.rcpt_tos)
