"""The table of answers: whose fault each is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.blame import (
    PORTAL,
    SMTP_CODES,
    SMTP_ENHANCED,
    Blame,
    blame_of_mail_api,
    blame_of_portal,
    blame_of_smtp,
    blame_of_smtp_session,
    enhanced_code,
)


@pytest.mark.parametrize(
    ("code", "text", "blame"),
    [
        # the recipient
        (550, "5.1.1 <x@y.example>: Recipient address rejected: User unknown", Blame.RECIPIENT),
        (550, "No such user here", Blame.RECIPIENT),
        (550, "5.1.10 RecipientNotFound", Blame.RECIPIENT),
        (553, "5.1.3 bad address syntax", Blame.RECIPIENT),
        (550, "5.2.1 The email account that you tried to reach is disabled", Blame.RECIPIENT),
        (550, "5.4.1 Recipient address rejected: Access denied", Blame.RECIPIENT),
        (550, "5.5.0 Requested action not taken: mailbox unavailable", Blame.RECIPIENT),
        (556, "5.1.10 Recipient address has null MX", Blame.RECIPIENT),
        # us
        (554, "5.7.1 <x@y.example>: Relay access denied", Blame.SENDER),
        (550, "5.7.26 This mail is unauthenticated", Blame.SENDER),
        (554, "5.7.1 Service unavailable; client host blocked", Blame.SENDER),
        (553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Blame.SENDER),
        (550, "5.1.8 Sender address rejected: Domain not found", Blame.SENDER),
        (553, "5.1.7 bad sender address", Blame.SENDER),
        (535, "5.7.8 Authentication credentials invalid", Blame.SENDER),
        (530, "Authentication required", Blame.SENDER),
        # the provider, and whatever the table does not know
        (554, "Relay access denied", Blame.PROVIDER),
        (551, "we do not relay", Blame.PROVIDER),
        (553, "not allowed", Blame.PROVIDER),
        (503, "5.5.1 bad sequence of commands", Blame.PROVIDER),
        (554, "5.3.5 system incorrectly configured", Blame.PROVIDER),
        (554, "5.4.6 routing loop", Blame.PROVIDER),
        (599, "what is this", Blame.PROVIDER),
        (-1, "", Blame.PROVIDER),
        # our message
        (552, "5.3.4 Message too big", Blame.CONTENT),
        (554, "5.6.0 Message contained unacceptable content", Blame.CONTENT),
        # nobody
        (552, "5.2.2 Mailbox full", Blame.LATER),
        (452, "4.2.2 Mailbox full", Blame.LATER),
        (451, "4.7.1 Greylisted", Blame.LATER),
        (421, "4.3.2 closing", Blame.LATER),
    ],
)
def test_answers_of_mail_servers(code: int, text: str, blame: Blame) -> None:
    """What names the recipient blames the recipient, and nothing else does."""
    assert blame is blame_of_smtp(code, enhanced_code(text))


@pytest.mark.parametrize(
    ("status", "blame"),
    [
        *((status, Blame.PROVIDER) for status in (202, 302, 401, 403, 404, 405, 415, 418, 451)),
        *((status, Blame.CONTENT) for status in (400, 413, 422)),
        (410, Blame.RECIPIENT),
        *((status, Blame.LATER) for status in (408, 429, 500, 502, 503, 504, 599)),
    ],
)
def test_answers_of_a_portal(status: int, blame: Blame) -> None:
    """Without a code of the portal's own, 410 alone names the recipient."""
    assert blame is blame_of_portal(status)


@given(st.integers(200, 599), st.sampled_from(["", "5.1.1", "5.7.1", "4.2.2", "5.99.99", "2.0.0", "5"]))
def test_before_a_recipient_was_named_none_is_blamed(code: int, enhanced: str) -> None:
    """An answer to a login or a sender's address is about us."""
    assert blame_of_smtp_session(code, enhanced) is not Blame.RECIPIENT


@given(st.integers(500, 599), st.integers(0, 99), st.integers(0, 999))
def test_what_no_row_knows_is_the_providers_fault(code: int, subject: int, detail: int) -> None:
    """A code that nobody wrote down takes nobody to the next channel."""
    known = {f"{subject}.{detail}", str(subject)} & SMTP_ENHANCED.keys() or code in SMTP_CODES

    assert known or blame_of_smtp(code, f"5.{subject}.{detail}") is Blame.PROVIDER


@given(st.integers(100, 599))
def test_an_unknown_status_is_the_providers_fault(status: int) -> None:
    """A status that nobody wrote down takes nobody to the next channel."""
    assert status in PORTAL or blame_of_portal(status) in {Blame.PROVIDER, Blame.LATER}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.1.1 unknown", "5.1.1"),
        ("5.7.26", "5.7.26"),
        ("host 5.1.1.9 refused", ""),
        ("5.1.1.9 refused", ""),
        ("unknown (#5.1.1)", "5.1.1"),
        ("", ""),
    ],
)
def test_enhanced_codes_are_read_where_servers_put_them(text: str, expected: str) -> None:
    """An address in the text is none."""
    assert expected == enhanced_code(text)


def test_an_enhanced_code_of_another_class_says_nothing() -> None:
    """A server that contradicts itself is read by its code."""
    assert blame_of_smtp(550, "4.7.1") is Blame.RECIPIENT


@pytest.mark.parametrize(
    ("status", "code", "blame"),
    [
        (401, 10, Blame.PROVIDER),
        (403, 0, Blame.SENDER),
        (404, 0, Blame.PROVIDER),
        (413, 0, Blame.CONTENT),
        (422, 10, Blame.PROVIDER),
        (422, 300, Blame.CONTENT),
        (422, 400, Blame.SENDER),
        (422, 405, Blame.SENDER),
        (422, 406, Blame.RECIPIENT),
        (422, 413, Blame.SENDER),
        (422, 99_999, Blame.PROVIDER),
        (429, 0, Blame.LATER),
        (418, 0, Blame.PROVIDER),
    ],
)
def test_a_mail_provider_over_http_blames_by_code(status: int, code: int, blame: Blame) -> None:
    """Only an address that is out of use there is its recipient's fault; what no row knows is the provider's."""
    assert blame is blame_of_mail_api(status, code)
