"""Headers with words that people wrote."""

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.core.channel import Channel
from services.rendering.messages.email import Letterbox
from services.rendering.messages.plain_text import one_line
from tests.unit.dispatch.people import DOCUMENT, an_incident, some_work
from tests.unit.rendering.messages.test_email import NOW

LONG_WITH_COMMA = "Rijksinstituut voor Volksgezondheid en Milieu (RIVM), Centrum voor Bevolkingsonderzoek"
LONG = "Gegevens van uw overleden naaste zijn gestolen bij Laboratorium De Proef"
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=150).filter(lambda text: bool(one_line(text)))


def _senders(raw: bytes) -> list[tuple[str, str]]:
    """Return the senders of a mail, read by what reads encoded words as they are meant (RFC 2047, 6.2)."""
    headers = email.message_from_bytes(raw).items()
    unfolded = ["".join(value.splitlines()) for name, value in headers if name == "From"]
    return [(str(make_header(decode_header(name))), address) for name, address in getaddresses(unfolded)]


def _headers(title: str, name: str) -> tuple[bytes, EmailMessage]:
    incident = an_incident(title={"nl": title, "en": title}, controller=DOCUMENT["controller"] | {"name": name})
    mail = Letterbox().mail(some_work(1, Channel.EMAIL, incident=incident), 0, NOW)
    assert mail is not None
    return mail.body.partition(b"\r\n\r\n")[0], email.message_from_bytes(mail.body, policy=email.policy.default)


@pytest.mark.parametrize(
    "name", [LONG_WITH_COMMA, f"Ünïcode {LONG_WITH_COMMA}", 'De "Proef", B.V. <lab> \\ ' + "x" * 80]
)
def test_a_mail_has_one_sender(name: str) -> None:
    """A comma in a long name made two of one, and hosts that look at From refuse such a mail."""
    raw, _ = _headers("Datalek", name)

    assert [(one_line(name), "vragen@bevolkingsonderzoek.example")] == _senders(raw)


def test_the_first_line_of_a_subject_says_something() -> None:
    """Programs that read one line, and filters, take a mail with an empty one for something else."""
    raw, message = _headers(LONG, "Lab")

    assert LONG == message["Subject"]
    assert b"\r\nSubject: Gegevens van uw" in raw


def _controls_apart(text: str) -> str:
    return text.translate(dict.fromkeys((*range(10), *range(11, 32)), " "))


@given(TEXTS, TEXTS)
@example("=?utf-8?q?a?=", "=?utf-8?q?b?= c")
@example("W" * 120, "😀" * 60)
def test_every_text_comes_over_as_it_is(title: str, name: str) -> None:
    """Whatever somebody wrote: one subject, one sender, and no line longer than programs take."""
    raw, message = _headers(_controls_apart(title), _controls_apart(name))

    assert one_line(_controls_apart(title)) == str(message["Subject"])
    assert [(one_line(_controls_apart(name)), "vragen@bevolkingsonderzoek.example")] == _senders(raw)
    assert all(len(line) <= 78 for line in raw.split(b"\r\n"))
