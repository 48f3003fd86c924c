"""The stand-ins behave as the providers that they stand for, and write everything down first."""

from pathlib import Path

from aiosmtpd.smtp import Envelope

from services.demo.people import DEAD_MAILBOX
from services.demo.records import RecordFile, read_records
from services.demo.standins import MailHandler


async def test_mail_is_recorded_once_for_each_recipient(tmp_path: Path) -> None:
    """What was answered with 250 stands in the record."""
    handler = MailHandler(RecordFile(tmp_path / "email.ndjson"))
    envelope = Envelope()
    envelope.rcpt_tos, envelope.content = ["a@example.org", "b@example.org"], b"Subject: x\r\n\r\nb\xc3\xa9\r\n"
    answer = await handler.handle_DATA(None, None, envelope)  # type: ignore[arg-type]

    assert answer.startswith("250")
    assert [("a@example.org", "Subject: x\r\n\r\nbé\r\n"), ("b@example.org", "Subject: x\r\n\r\nbé\r\n")] == [
        (record["recipient"], record["message"]) for record in read_records(tmp_path / "email.ndjson")
    ]


async def test_a_mailbox_that_is_gone_is_refused_for_good(tmp_path: Path) -> None:
    """A permanent refusal sends the notice to the next channel."""
    handler = MailHandler(RecordFile(tmp_path / "email.ndjson"))
    envelope = Envelope()
    answer = await handler.handle_RCPT(None, None, envelope, f"{DEAD_MAILBOX}x@example.org", [])  # type: ignore[arg-type]

    assert ("550", []) == (answer[:3], envelope.rcpt_tos)


def test_a_record_cut_short_by_a_kill_is_not_read(tmp_path: Path) -> None:
    """A line without its end was never answered."""
    file = tmp_path / "records.ndjson"
    file.write_bytes(b'{"at": 1}\n{"at": 2')

    assert [{"at": 1}] == list(read_records(file))


def test_there_need_be_no_record() -> None:
    """A provider that was handed nothing has no file."""
    assert [] == list(read_records(Path("nowhere.ndjson")))
