"""Reports about mails are read as programs write them, and what nobody of ours wrote decides nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.receipts import ReceiptKind, ReceiptReason
from services.dispatch.blame import Blame
from services.dispatch.bounces.reports import Ignored, Report, read_report
from tests.unit.dispatch.bounces.made import (
    ABSENCE,
    EXCHANGE,
    EXIM,
    EXIM_BEFORE,
    FEEDBACK,
    POSTFIX,
    POSTFIX_DELAYED,
    report_of,
)

ANOTHER = b"Final-Recipient: rfc822; other@x.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient:"
HARD = Report(ReceiptKind.BOUNCED, ReceiptReason.HARD, Blame.RECIPIENT, ())
SOFT = Report(ReceiptKind.BOUNCED, ReceiptReason.SOFT, Blame.LATER, ())


@pytest.mark.parametrize(
    ("message", "report"),
    [(POSTFIX, HARD), (EXIM, SOFT), (EXIM_BEFORE, HARD), (EXCHANGE, HARD)],
    ids=["Postfix", "Exim, whose status says nothing", "Exim before RFC 3464", "Exchange"],
)
def test_bounces_are_read_as_programs_write_them(message: bytes, report: Report) -> None:
    """The receiving server's own answer decides, by the table that judges it while a mail is handed over."""
    assert report == read_report(message)


@pytest.mark.parametrize(
    ("status", "diagnostic", "reason", "blame"),
    [
        ("5.2.2", "smtp; 552 5.2.2 over quota", ReceiptReason.SOFT, Blame.LATER),
        ("4.4.7", "", ReceiptReason.SOFT, Blame.LATER),  # given up after days
        ("5.0.0", "smtp; 451 4.7.1 greylisted", ReceiptReason.SOFT, Blame.LATER),
        ("5.7.26", "smtp; 550 5.7.26 unauthenticated", ReceiptReason.PROVIDER, Blame.SENDER),
        ("5.3.4", "smtp; 552 5.3.4 too big", ReceiptReason.CONTENT, Blame.CONTENT),
        ("5.4.7", "smtp; 554 5.3.0 relay not configured", ReceiptReason.PROVIDER, Blame.PROVIDER),
        ("5.1.2", "X-Something; host unknown", ReceiptReason.HARD, Blame.RECIPIENT),
        ("5.0.0", "smtp; 550 no such user here", ReceiptReason.HARD, Blame.RECIPIENT),
        ("5.0.0", "", ReceiptReason.HARD, Blame.RECIPIENT),
        ("nonsense", "", ReceiptReason.HARD, Blame.RECIPIENT),
    ],
)
def test_who_is_to_blame_for_a_bounce_follows_from_its_codes(
    status: str, diagnostic: str, reason: ReceiptReason, blame: Blame
) -> None:
    """A full mailbox is no missing one, and what is our own fault is told apart."""
    assert Report(ReceiptKind.BOUNCED, reason, blame, ()) == read_report(report_of(status, diagnostic))


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "Delayed (will be retried)"])
def test_what_is_not_final_is_no_receipt(action: str) -> None:
    """The mail is still tried, or was given to somebody who reports no more."""
    assert Ignored.NOT_FINAL is read_report(report_of("4.4.1", action=action))
    assert Ignored.NOT_FINAL is read_report(POSTFIX_DELAYED)


def test_a_delivery_is_a_receipt() -> None:
    """It lies in the mailbox."""
    assert Report(ReceiptKind.DELIVERED, ReceiptReason.NOT_SAID, None, ()) == read_report(
        report_of("2.0.0", action="delivered")
    )


def test_a_failure_among_several_recipients_counts() -> None:
    """A forward made two recipients of one; that one copy arrived does not tell its reader."""
    both = POSTFIX.replace(
        b"Final-Recipient:",
        ANOTHER,
        1,
    )

    assert HARD == read_report(both)


@pytest.mark.parametrize(
    ("kind", "is_complaint"),
    [("abuse", True), ("fraud", True), ("opt-out", True), ("not-spam", False), ("auth-failure", False)],
)
def test_a_complaint_names_the_address_that_we_gave_the_mail(kind: str, *, is_complaint: bool) -> None:
    """It comes to one address for all mails, so the mail's own one has to be in it."""
    message = FEEDBACK.replace(b"ADDRESS", b"retour+made-up@ministerie.example").replace(
        b"abuse\r\nUser", f"{kind}\r\nUser".encode()
    )
    read = read_report(message)

    if is_complaint:
        assert isinstance(read, Report)
        assert (ReceiptKind.COMPLAINED, {"retour+made-up@ministerie.example"}) == (read.kind, set(read.addresses))
    else:
        assert Ignored.NO_COMPLAINT is read


def test_an_answer_of_a_person_or_of_their_absence_is_no_receipt() -> None:
    """Whatever it says of codes."""
    assert Ignored.NO_REPORT is read_report(ABSENCE)
    assert Ignored.NO_REPORT is read_report(b"")


def test_a_report_inside_reports_without_end_is_unreadable_or_ignored() -> None:
    """Nesting costs neither memory nor the process."""
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (at, at) for at in range(3000))

    assert isinstance(read_report(nested), Ignored)


@given(st.binary(max_size=400), st.integers(0, len(POSTFIX)), st.integers(0, 60))
def test_no_bytes_raise(rubbish: bytes, at: int, gone: int) -> None:
    """Whatever comes is a report or is ignored."""
    assert isinstance(read_report(POSTFIX[:at] + rubbish + POSTFIX[at + gone :]), Report | Ignored)
    assert isinstance(read_report(rubbish), Report | Ignored)
