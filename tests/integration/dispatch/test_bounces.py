"""Bounces end to end: a mail goes out, its report comes back over SMTP, and is in the log before the 250."""

import asyncio
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from notification.topics import RECEIPTS_RECEIVED

from services.core.receipts import Receipt, ReceiptKind, ReceiptReason
from services.demo.standins.mail import MailServer
from services.dispatch.bounces.listening import Bounces
from services.dispatch.channels.email import Smtp
from services.dispatch.mail_config import SmtpAddress
from services.kit.certificate import OwnPair, calling, listening
from services.kit.eventlog import Record
from services.rendering.messages.email import Answers
from services.wire.receipts import decode_received
from tests.certificates import made_certificates
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.bounces.made import ABSENCE, EXCHANGE, EXIM, FEEDBACK, POSTFIX, POSTFIX_DELAYED
from tests.unit.dispatch.people import KEYS, some_notices

MAILBOX = "retour@ministerie.example"


async def _addresses(bench: Bench, server: MailServer, count: int) -> list[str]:
    """Send mails, and return where each goes back to."""
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(email=f"p{at}@mail.example") for at in range(count)])
    await bench.take(notices)
    smtp = Smtp(SmtpAddress(f"smtp://127.0.0.1:{server.port}"), bench.clock, answers=Answers(bounces=MAILBOX))
    await bench.send(smtp)
    return sorted(server.senders)


@asynccontextmanager
async def _listening(bench: Bench, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    stop = asyncio.Event()
    bounces = Bounces(MAILBOX, KEYS, stage=bench.stage, channel=bench.channel, clock=bench.clock, metrics=bench.metrics)
    serving = asyncio.create_task(bounces.serve("127.0.0.1", 0, stop, own_name="test", tls=tls, must=bool(tls)))
    while not bounces.port:  # noqa: ASYNC110 - a port has no event
        await asyncio.sleep(0.01)
    yield bounces.port
    stop.set()
    await serving


def _report(port: int, address: str, message: bytes, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Give a report as another mail server does, with no sender; returns the answer."""
    with smtplib.SMTP("127.0.0.1", port, "relay.example", timeout=10) as client:
        client.ehlo()
        if tls:
            client.starttls(context=tls)
            client.ehlo()
        code, text = client.mail("")
        if code != 250:
            return code, text
        answer = client.rcpt(address)
        return answer if answer[0] != 250 else client.data(message)


async def _heard(bench: Bench) -> list[Receipt]:
    blocks = await bench._blocks(RECEIPTS_RECEIVED)
    records = [Record(RECEIPTS_RECEIVED, 0, at, "dispatch-email", at, 0, block) for at, block in enumerate(blocks)]
    return [receipt for record in records for receipt in decode_received(record)]


async def test_a_bounce_is_in_the_log_when_it_is_acknowledged(mails: Bench, mail_server: MailServer) -> None:
    """As Postfix, Exim and Exchange report it, at the address that each mail had of its own."""
    addresses = await _addresses(mails, mail_server, 3)
    async with _listening(mails) as port:
        answers = [
            await asyncio.to_thread(_report, port, address, message)
            for address, message in zip(addresses, (POSTFIX, EXIM, EXCHANGE), strict=True)
        ]
    heard = await _heard(mails)

    assert [250, 250, 250] == [code for code, _ in answers]
    assert set(some_notices(3).ids) == {one.notice for one in heard}
    assert {(1, ReceiptKind.BOUNCED, int(mails.channel))} == {(one.attempt, one.kind, one.channel) for one in heard}
    assert sorted([ReceiptReason.HARD, ReceiptReason.SOFT, ReceiptReason.HARD]) == sorted(one.reason for one in heard)


async def test_a_complaint_to_the_mailbox_is_about_the_mail_in_it(mails: Bench, mail_server: MailServer) -> None:
    """Feedback loops report to one address; the mail that they show had one of its own."""
    (address,) = await _addresses(mails, mail_server, 1)
    async with _listening(mails) as port:
        await asyncio.to_thread(_report, port, MAILBOX, FEEDBACK.replace(b"ADDRESS", address.encode()))
    (receipt,) = await _heard(mails)

    assert (some_notices(1).ids[0], ReceiptKind.COMPLAINED) == (receipt.notice, receipt.kind)


async def test_nobody_reports_on_somebody_elses_mail(mails: Bench, mail_server: MailServer) -> None:
    """A tag that is not ours is no mailbox, and a report at the mailbox itself names nobody."""
    (address,) = await _addresses(mails, mail_server, 1)
    forged = address.replace(".1.", ".2.")
    async with _listening(mails) as port:
        answers = [
            await asyncio.to_thread(_report, port, to, POSTFIX)
            for to in (forged, "retour+x@ministerie.example", "iemand@ministerie.example", MAILBOX)
        ]

    assert [550, 550, 550, 250] == [code for code, _ in answers]
    assert [] == await _heard(mails)
    assert 4.0 == mails.registry.get_sample_value("dispatch_reports_total", {"channel": "email", "kind": "forged"})


@pytest.mark.parametrize("message", [ABSENCE, POSTFIX_DELAYED, b"Subject: x\r\n\r\nx\r\n"])
async def test_what_is_no_receipt_is_taken_and_forgotten(mails: Bench, mail_server: MailServer, message: bytes) -> None:
    """Absence notices of thousands, and what is only late, are nobody's work."""
    (address,) = await _addresses(mails, mail_server, 1)
    async with _listening(mails) as port:
        code, _ = await asyncio.to_thread(_report, port, address, message)

    assert (250, []) == (code, await _heard(mails))


@pytest.mark.parametrize("trouble", ["owns nothing", "cannot write"])
async def test_what_cannot_be_kept_now_stays_with_the_mail_server(
    mails: Bench, mail_server: MailServer, trouble: str
) -> None:
    """It is asked to come back, and nothing is acknowledged that is not in the log."""
    (address,) = await _addresses(mails, mail_server, 1)
    async with _listening(mails) as port:
        if trouble == "owns nothing":
            mails.stage.owned_epochs = {}
        else:
            mails.stage.refuse = lambda: True
        code, _ = await asyncio.to_thread(_report, port, address, POSTFIX)
        kept = await _heard(mails)
        mails.stage.owned_epochs, mails.stage.refuse = {0: 1}, lambda: False
        later, _ = await asyncio.to_thread(_report, port, address, POSTFIX)

    assert (451, []) == (code, kept)
    assert (250, 1) == (later, len(await _heard(mails)))


async def test_beyond_this_machine_nothing_is_heard_without_tls(
    mails: Bench, mail_server: MailServer, tmp_path: Path
) -> None:
    """Who passes bounces on proves nothing, and we do: it sees our certificate before it says to whom."""
    (address,) = await _addresses(mails, mail_server, 1)
    made = made_certificates(tmp_path)
    own = listening(OwnPair(made.certificate, made.certificate, "x"))
    async with _listening(mails, own) as port:
        plain, _ = await asyncio.to_thread(_report, port, address, POSTFIX)
        code, _ = await asyncio.to_thread(_report, port, address, POSTFIX, calling(made.authority, "x"))

    assert (530, 250) == (plain, code)
    assert 1 == len(await _heard(mails))
