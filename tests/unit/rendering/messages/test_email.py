"""Notices as e-mail."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.core.mailbox import mailbox
from services.rendering.messages.email import Letterbox, message_id
from tests.unit.dispatch.people import a_contact, an_incident, some_work

NOW = datetime(2026, 8, 20, 9, 30, tzinfo=UTC)


def _message(**contact: str) -> EmailMessage:
    mail = Letterbox().mail(some_work(1, Channel.EMAIL, [a_contact(**contact)]), 0, NOW)
    assert mail is not None
    return email.message_from_bytes(mail.body, policy=email.policy.default)


def test_headers_say_which_notice_it_is_and_that_a_machine_wrote_it() -> None:
    """A mail can be traced to its notice and attempt, and no out-of-office answers it."""
    message = _message()
    notice = some_work(1).round.notices.ids[0].hex()

    assert notice == message["X-Heraut-Notice"]
    assert f"<{notice}.1@bevolkingsonderzoek.example>" == message["Message-ID"]
    assert "auto-generated" == message["Auto-Submitted"]
    assert "Bevolkingsonderzoek Voorbeeld <vragen@bevolkingsonderzoek.example>" == message["From"]
    assert "Uw gegevens zijn gestolen bij een laboratorium" == message["Subject"]
    assert "Thu, 20 Aug 2026 09:30:00 +0000" == message["Date"]


def test_a_supplement_stands_beside_the_notice_before() -> None:
    """Mail programs show the two together."""
    work = some_work(1, Channel.EMAIL, [a_contact()], supersedes=[b"\xab" * 16])
    mail = Letterbox().mail(work, 0, NOW)

    assert mail is not None
    message = email.message_from_bytes(mail.body, policy=email.policy.default)
    assert message_id(b"\xab" * 16, 1, "bevolkingsonderzoek.example") == message["References"]
    assert _message()["References"] is None


def test_message_id_is_made_of_notice_and_attempt() -> None:
    """The same attempt has the same Message-ID, another one another."""
    assert "<" + "ab" * 16 + ".2@a.example>" == message_id(b"\xab" * 16, 2, "a.example")


def test_body_is_plain_text_with_the_reference_and_no_attachment() -> None:
    """A notice is text that any reader shows, accents included."""
    message = _message(family_name="Çelik-Jánošík")
    text = message.get_content()

    assert "text/plain" == message.get_content_type()
    assert not message.is_multipart()
    assert f"Kenmerk: {some_work(1).references[0]}" in text
    assert "Geachte heer of mevrouw Van den Çelik-Jánošík," in text
    assert "- de uitslag van uw uitstrijkje" in text
    assert all(len(line) <= 78 for line in bytes(message).splitlines())


@pytest.mark.parametrize(
    "address",
    [
        "a@x>\r\nRCPT TO:<evil@x",
        "a@x\nBcc: b@x",
        "a b@x",
        '"a b"@x',
        "a@x,b@y",
        "a@",
        "@x",
        "a",
        "<a@x>",
        "a@x\x00",
        "Info <a@x>",
        "a..b@x",
        ".a@x",
        "a@-x",
    ],
)
def test_addresses_that_could_say_more_than_an_address_are_refused(address: str) -> None:
    """No address can end a header or a command."""
    assert mailbox(address) is None


@pytest.mark.parametrize(
    ("address", "wire"),
    [("j.berg+x@mail.example", "j.berg+x@mail.example"), ("a@müller.example", "a@xn--mller-kva.example")],
)
def test_addresses_as_they_go_over_the_wire(address: str, wire: str) -> None:
    """Host names of other scripts go out in their plain form."""
    assert wire == mailbox(address)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_name_adds_a_header_or_ends_the_message(name: str, initials: str) -> None:
    """Whatever a name holds, the mail has the same headers and ends where it ends."""
    work = some_work(1, Channel.EMAIL, [a_contact(family_name=name, initials=initials)])
    mail = Letterbox().mail(work, 0, NOW)
    assert mail is not None
    parsed = email.message_from_bytes(mail.body, policy=email.policy.default)

    assert list(_message().keys()) == list(parsed.keys())
    assert b"\n" not in mail.body.replace(b"\r\n", b"")
    assert mail.body.rstrip().endswith(b"Bevolkingsonderzoek Voorbeeld")


def test_a_supplement_names_the_notice_before() -> None:
    """Whoever gets a second mail sees which one it adds to."""
    work = some_work(1, Channel.EMAIL, supersedes=[b"x" * 16])
    mail = Letterbox().mail(work, 0, NOW)
    assert mail is not None

    assert f"Aanvulling op: {work.earlier[0]}".encode() in mail.body


def test_a_long_or_hostile_title_stays_one_header() -> None:
    """A title from the incident document cannot begin a header of its own."""
    incident = replace(an_incident(), title={"nl": "Uw gegevens\r\nBcc: x@y " + "ü" * 200})
    mail = Letterbox().mail(some_work(1, Channel.EMAIL, incident=incident), 0, NOW)
    assert mail is not None

    assert "Bcc" not in email.message_from_bytes(mail.body, policy=email.policy.default)
