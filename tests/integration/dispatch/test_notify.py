"""Notify: e-mails and letters, against a simulated server that the official client can talk to as well."""

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pypdfium2
import pytest

from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.blame import Blame, blame_of_notify
from services.dispatch.channels.asking import attempt_name
from services.dispatch.channels.notify import open_notify_emails, open_notify_letters
from services.dispatch.config import LetterConfig
from services.dispatch.domain import Work
from services.dispatch.mail_config import EmailConfig
from services.dispatch.outcomes import Ending
from services.dispatch.provider import Provider
from services.kit.clock import SystemClock
from services.kit.config import load
from services.kit.errors import ConfigError
from tests.integration.dispatch.bench import Bench, ShiftedClock, a_payload
from tests.unit.dispatch.people import REFERENCES, some_notices, some_work

OFFICIAL: Any = import_module("notifications_python_client")  # its functions have no types
TEMPLATE = "f33517ff-2a88-4f6e-b855-c550268ce08a"


@pytest.fixture
async def notify() -> AsyncIterator[NotifyServer]:
    """Return a simulated Notify."""
    async with NotifyServer().serve() as server:
        yield server


def _settings(server: NotifyServer, key: str = MADE_UP_KEY) -> dict[str, str]:
    return {
        "HERAUT_EMAIL_PROVIDER": "notify",
        "HERAUT_LETTER_PROVIDER": "notify",
        "HERAUT_NOTIFY_URL": server.url,
        "HERAUT_NOTIFY_KEY": key,
        "HERAUT_NOTIFY_TEMPLATE": TEMPLATE,
    }


def _emails(server: NotifyServer, key: str = MADE_UP_KEY, later: timedelta = timedelta()) -> Provider:
    return open_notify_emails(load(EmailConfig, _settings(server, key)), ShiftedClock(later), found_within=0.3)


def _letters(server: NotifyServer) -> Provider:
    return open_notify_letters(load(LetterConfig, _settings(server)), SystemClock(), found_within=0.3)


async def _queue(bench: Bench, count: int) -> list[bytes]:
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(email=f"p{at}@mail.example", houseNumber=f"{at + 1}") for at in range(count)])
    await bench.take(notices)
    return sorted(notices.ids)


async def _send(bench: Bench, provider: Provider) -> None:
    await bench.send(provider)
    await provider.close()


def _times(server: NotifyServer) -> set[int]:
    return set(Counter(one["reference"] for one in server.kept).values())


async def test_everybody_gets_one_email_by_our_template(mails: Bench, notify: NotifyServer) -> None:
    """It says what a mail says, under the attempt's own reference."""
    ids = await _queue(mails, 12)
    await _send(mails, _emails(notify))
    notices = some_notices(12)
    references, _ = REFERENCES.of(mails.incident, notices)
    one = next(kept for kept in notify.kept if kept["email_address"] == "p7@mail.example")

    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert {attempt_name(notice, 1) for notice in ids} == {kept["reference"] for kept in notify.kept}
    assert TEMPLATE == one["template_id"]
    assert references[7] in one["personalisation"]["body"]
    assert "Uw gegevens zijn gestolen bij een laboratorium" == one["personalisation"]["subject"]


async def test_everybody_gets_one_letter_that_is_a_pdf_of_its_own(letters: Bench, notify: NotifyServer) -> None:
    """Each has one person's reference and address in it, and nobody else's."""
    ids = await _queue(letters, 3)
    await _send(letters, _letters(notify))
    notices = some_notices(3)
    references, _ = REFERENCES.of(letters.incident, notices)
    by_reference = {kept["reference"]: notify.pdfs[kept["id"]] for kept in notify.kept}

    assert {AttemptState.ACCEPTED: ids} == await letters.attempted()
    for row, notice in enumerate(notices.ids):
        text = text_of(by_reference[attempt_name(notice, 1)])
        assert f"Dorpsstraat {row + 1}" in text
        assert [references[row] in text, *(other in text for other in references if other != references[row])] == [
            True,
            False,
            False,
        ]


def text_of(pdf: bytes) -> str:
    """Return what is written in a letter."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return "".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


async def test_an_answer_that_was_lost_is_asked_for_by_reference(mails: Bench, notify: NotifyServer) -> None:
    """References need not be unique there: whoever would just send again would tell people twice."""
    ids = await _queue(mails, 6)
    notify.said.lost = 3
    await _send(mails, _emails(notify))

    assert {1} == _times(notify)
    assert 6 == len(notify.kept)
    assert 3 == len(notify.asked)
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()


async def test_a_letter_that_was_never_taken_is_sent_after_it_was_asked_for(
    letters: Bench, notify: NotifyServer
) -> None:
    """A 500 that took nothing: asked twice, listed, sent once."""
    ids = await _queue(letters, 2)
    notify.said.statuses = [500]
    await _send(letters, _letters(notify))

    assert ({1}, 2, 2) == (_times(notify), len(notify.kept), len(notify.asked))
    assert {AttemptState.ACCEPTED: ids} == await letters.attempted()


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_intent_and_outcome_is_asked_about(
    mails: Bench, notify: NotifyServer, *, after: bool
) -> None:
    """Everybody has one e-mail in the end, whenever the process died."""
    ids = await _queue(mails, 3)
    first = _emails(notify)
    await mails.die_in(first, after=after)
    await first.close()
    await _send(mails, _emails(notify))

    assert ({1}, 3) == (_times(notify), len(notify.kept))
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()


async def test_what_notify_has_forgotten_is_never_sent_again(notify: NotifyServer) -> None:
    """After a week it knows of nothing: absence says nothing then, so an e-mail is unknown and a letter stays begun."""
    work = some_work(1)
    old = replace(work.round, repeated=True, created_at=SystemClock().now() - timedelta(days=7))
    endings = []
    for provider in (_emails(notify), _letters(notify)):
        told = Work(old, work.incident, work.contacts, work.references, work.earlier)
        endings.append((await provider.hand_over(told, lambda: True)).results[0].ending)
        await provider.close()

    assert [Ending.UNKNOWN, Ending.REPEAT] == endings
    assert [] == notify.kept + notify.asked


@pytest.mark.parametrize("statuses", [[429, 429], [429]])
async def test_too_many_are_slowed_and_use_up_no_tries(mails: Bench, notify: NotifyServer, statuses: list[int]) -> None:
    """Notify's limits are of all its services: nobody comes nearer to the next channel by them."""
    ids = await _queue(mails, 3)
    notify.said.statuses, notify.said.retry_after = list(statuses), "1"
    await _send(mails, _emails(notify))

    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert ({1}, 0.0) == (_times(notify), mails.count("not-now"))


async def test_who_is_refused_goes_to_the_next_channel_alone(mails: Bench, notify: NotifyServer) -> None:
    """An address that it finds no address is its recipient's fault."""
    await _queue(mails, 3)
    notify.bad["p1@mail.example"] = (400, "ValidationError", "email_address Not a valid email address")
    await _send(mails, _emails(notify))
    await mails.waited()
    ((reason, refused, tried),) = await mails.refused()

    assert ("refused-by-provider", some_notices(3).ids[1], bytes([Channel.EMAIL])) == (reason, refused, tried)


@pytest.mark.parametrize("fault", ["clock", "key"])
async def test_our_own_clock_or_key_pauses_the_channel_with_everything_open(
    mails: Bench, notify: NotifyServer, fault: str
) -> None:
    """403: nobody is sent to paper for it."""
    await _queue(mails, 3)
    other = f"{MADE_UP_KEY[:-36]}00000000-0000-0000-0000-000000000000"
    provider = _emails(notify, later=timedelta(minutes=2)) if fault == "clock" else _emails(notify, other)

    async def paused() -> bool:
        return mails.paused("provider") == 1.0

    await mails.send(provider, until=paused)
    await provider.close()

    assert {AttemptState.TAKEN: 3} == await mails.states()
    assert ([], []) == (await mails.refused(), notify.kept)


@pytest.mark.parametrize(
    ("status", "kind", "message", "blame"),
    [
        (400, "BadRequestError", "Can't send to this recipient using a team-only API key", Blame.SENDER),
        (400, "BadRequestError", "Can't send to this recipient when service is in trial mode", Blame.SENDER),
        (400, "BadRequestError", "Service is not allowed to send letters", Blame.SENDER),
        (400, "BadRequestError", "Missing personalisation: body", Blame.CONTENT),
        (400, "BadRequestError", "Letter content is not a valid PDF", Blame.CONTENT),
        (400, "BadRequestError", "Template not found", Blame.PROVIDER),
        (400, "ValidationError", "email_address Not a valid email address", Blame.RECIPIENT),
        (400, "ValidationError", "template_id is not a valid UUID", Blame.PROVIDER),
        (403, "AuthError", "Error: Your system clock must be accurate to within 30 seconds", Blame.PROVIDER),
        (403, "AuthError", "Invalid token: API key not found", Blame.PROVIDER),
        (404, "NoResultFound", "No result found", Blame.PROVIDER),
        (429, "RateLimitError", "Exceeded rate limit for key type LIVE of 3000 requests per 60 seconds", Blame.LATER),
        (429, "TooManyRequestsError", "Exceeded send limits (250000) for today", Blame.LATER),
        (418, "", "", Blame.PROVIDER),
    ],
)
def test_errors_blame_who_can_do_something(status: int, kind: str, message: str, blame: Blame) -> None:
    """By what Notify's documentation says of each."""
    assert blame is blame_of_notify(status, kind, message)


def _official(server: NotifyServer, key: str = MADE_UP_KEY) -> Any:
    """Return the official client. It judges the simulated server: what passes for it passes for us."""
    client = OFFICIAL.NotificationsAPIClient(key, base_url=server.url)
    client.request_session.trust_env = False  # a proxy of this machine is nothing to it
    return client


async def test_the_official_client_sends_and_asks(notify: NotifyServer) -> None:
    """E-mails and letters, by id and by reference, which need not be unique, and the PDF that was sent."""
    client = _official(notify)

    def talk() -> tuple[object, ...]:
        sent = client.send_email_notification("p@mail.example", TEMPLATE, {"subject": "x"}, reference="r-1")
        letter = client.send_precompiled_letter_notification("r-2", io.BytesIO(b"%PDF-1.7 made up"))
        again = client.send_precompiled_letter_notification("r-2", io.BytesIO(b"%PDF-1.7 made up"), postage="first")
        found = client.get_all_notifications(reference="r-2")["notifications"]
        one = client.get_notification_by_id(sent["id"])
        return (
            letter["id"] != again["id"],
            (sent["reference"], one["reference"], one["type"], one["status"], one["email_address"]),
            (letter["postage"], again["postage"]),
            [(one["id"], one["type"], one["status"]) for one in found]
            == [(each["id"], "letter", "pending-virus-check") for each in (again, letter)],
            client.get_pdf_for_letter(letter["id"]).read(),
            [one["id"] for one in client.get_all_notifications(template_type="email")["notifications"]] == [sent["id"]],
            client.get_all_notifications(status="delivered")["notifications"],
        )

    assert (
        True,
        ("r-1", "r-1", "email", "sending", "p@mail.example"),
        ("second", "first"),
        True,
        b"%PDF-1.7 made up",
        True,
        [],
    ) == await asyncio.to_thread(talk)


async def test_the_official_client_turns_pages(notify: NotifyServer) -> None:
    """Each notification once, the newest first, over three pages; a filter holds over all of them."""
    client = _official(notify)
    for number in range(600):
        kind = "letter" if number % 3 else "email"
        notify.kept.append({"id": str(UUID(int=number)), "type": kind, "status": "created", "reference": f"r-{number}"})

    def talk() -> tuple[list[str], int, int]:
        found = [one["reference"] for one in client.get_all_notifications_iterator()]
        letters = list(client.get_all_notifications_iterator(template_type="letter"))
        return found, len(letters), len(client.get_all_notifications()["notifications"])

    assert ([f"r-{number}" for number in reversed(range(600))], 400, 250) == await asyncio.to_thread(talk)


@pytest.mark.parametrize(
    ("status", "kind", "ask"),
    [
        (400, "ValidationError", lambda client: client.send_email_notification("", TEMPLATE)),
        (400, "BadRequestError", lambda client: client.send_precompiled_letter_notification("r", io.BytesIO(b"Word"))),
        (404, "NoResultFound", lambda client: client.get_notification_by_id(str(UUID(int=1)))),
    ],
)
async def test_the_official_client_reads_errors(
    notify: NotifyServer, status: int, kind: str, ask: Callable[[Any], object]
) -> None:
    """Status, kind and words of each, in the places where it looks for them."""
    with pytest.raises(OFFICIAL.errors.HTTPError) as caught:
        await asyncio.to_thread(ask, _official(notify))

    assert (status, kind, True) == (
        caught.value.status_code,
        caught.value.message[0]["error"],
        bool(caught.value.message[0]["message"]),
    )


async def test_the_official_client_is_told_of_limits_outages_and_a_wrong_key(notify: NotifyServer) -> None:
    """429, 503, which it has an error of its own for, and 403 for a key that is not ours."""
    notify.said.statuses = [429, 503]
    seen = []
    for key in (MADE_UP_KEY, MADE_UP_KEY, f"{MADE_UP_KEY[:-1]}1"):
        with pytest.raises(OFFICIAL.errors.HTTPError) as caught:
            await asyncio.to_thread(_official(notify, key).get_notification_by_id, "x")
        seen.append((type(caught.value).__name__, caught.value.status_code, caught.value.message[0]["error"]))

    assert [
        ("HTTPError", 429, "RateLimitError"), ("HTTP503Error", 503, "Exception"), ("HTTPError", 403, "AuthError")
    ] == seen  # fmt: skip


async def test_its_limit_of_a_minute_slows_us_and_its_limit_of_a_day_is_waited_for(notify: NotifyServer) -> None:
    """Both are a 429, and nobody's try: by the kind of the error it is told which."""
    for kind, slows, after in (("RateLimitError", True, None), ("TooManyRequestsError", False, 3600.0)):
        notify.bad["p0@mail.example"] = (429, kind, "Exceeded send limits")
        provider = _emails(notify)
        handed = await provider.hand_over(some_work(1, Channel.EMAIL), lambda: True)
        await provider.close()

        assert handed.outage is not None
        assert (slows, after) == (handed.outage.too_many, handed.outage.after)


def test_what_is_missing_is_said_at_the_start(tmp_path: Path) -> None:
    """Not when the first person waits."""
    for config in (EmailConfig, LetterConfig):
        with pytest.raises(ConfigError, match="HERAUT_NOTIFY_KEY"):
            load(config, {"HERAUT_EMAIL_PROVIDER": "notify", "HERAUT_LETTER_PROVIDER": "notify"})
    with pytest.raises(ConfigError, match="must be an API key of Notify"):
        load(LetterConfig, {"HERAUT_NOTIFY_KEY": "short", "HERAUT_DATA_DIR": str(tmp_path)})
