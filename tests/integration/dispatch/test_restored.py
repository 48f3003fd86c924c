"""The drill: a database is set back to a backup of a moment ago, beside providers that went on."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from loadtests.providers.mail_api import MailApiServer
from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.channel import CHANNELS, Channel
from services.core.status import AttemptState
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from services.dispatch.channels.email import Smtp
from services.dispatch.channels.mail_api import open_mail_api
from services.dispatch.channels.notify import open_notify_emails, open_notify_letters
from services.dispatch.channels.portal import Portal
from services.dispatch.channels.portal_shapes import FbsShape
from services.dispatch.config import LetterConfig
from services.dispatch.mail_config import EmailConfig, SmtpAddress
from services.dispatch.provider import Provider
from services.dispatch.restored import RESTORED, Afterwards
from services.kit.clock import SystemClock
from services.kit.config import load
from services.rendering.messages.email import Answers
from tests.integration.dispatch.bench import Bench, a_payload
from tests.integration.dispatch.set_back import SetBack, doubted, hands_over_to, of
from tests.unit.dispatch.people import an_id, some_notices

TEMPLATE = "f33517ff-2a88-4f6e-b855-c550268ce08a"
TOKEN = "made-up"
WITHIN = 0.3  # seconds after which these providers tell of what they took


@pytest.fixture
async def notify() -> AsyncIterator[NotifyServer]:
    """Return a simulated Notify."""
    async with NotifyServer().serve() as server:
        yield server


@pytest.fixture
async def mail_api() -> AsyncIterator[MailApiServer]:
    """Return a mail provider over HTTP."""
    async with MailApiServer().serve() as server:
        yield server


def _smtp(bench: Bench, server: MailServer) -> Provider:
    return Smtp(SmtpAddress(f"smtp://127.0.0.1:{server.port}"), bench.clock)


def _notify_settings(server: NotifyServer) -> dict[str, str]:
    return {
        "HERAUT_EMAIL_PROVIDER": "notify",
        "HERAUT_LETTER_PROVIDER": "notify",
        "HERAUT_NOTIFY_URL": server.url,
        "HERAUT_NOTIFY_KEY": MADE_UP_KEY,
        "HERAUT_NOTIFY_TEMPLATE": TEMPLATE,
    }


def _from_notify(channel: Channel, server: NotifyServer) -> Provider:
    if channel is Channel.LETTER:
        config = load(LetterConfig, _notify_settings(server))
        return open_notify_letters(config, SystemClock(), found_within=WITHIN)
    return open_notify_emails(load(EmailConfig, _notify_settings(server)), SystemClock(), found_within=WITHIN)


def _from_mail_api(server: MailApiServer) -> Provider:
    settings = {"HERAUT_EMAIL_PROVIDER": "mail-api", "HERAUT_MAIL_API_URL": server.url, "HERAUT_MAIL_API_TOKEN": TOKEN}
    answers = Answers("vragen@ministerie.example", "", "bericht@ministerie.example")
    return open_mail_api(load(EmailConfig, settings), SystemClock(), answers, found_within=WITHIN)


async def _queue(bench: Bench, first: int, count: int) -> list[bytes]:
    numbers = range(first, first + count)
    ids, members = ([an_id((kind, at)) for at in numbers] for kind in "nm")
    notices = some_notices(count, ids=ids, members=members)
    payloads = [
        a_payload(email=f"p{at}@mail.example", houseNumber=str(at + 1), portalId=f"KVK:{10000000 + at}")
        for at in numbers
    ]
    await bench.seal(notices, payloads)
    await bench.take(notices)
    return sorted(notices.ids)


async def test_what_was_sent_since_the_backup_is_listed_and_not_sent_again(
    mails: Bench, mail_server: MailServer, set_back: SetBack
) -> None:
    """Whoever was queued then may have been told since: they are unknown, and who was told before stays told."""
    provider = _smtp(mails, mail_server)
    await hands_over_to(mails, provider)
    await _queue(mails, 0, 5)
    await mails.send(provider)
    doubtful = await _queue(mails, 5, 20)
    await set_back.back_up()
    await mails.send(provider)  # it went on: this is what the backup knows nothing of
    told = list(mail_server.taken)
    found = await set_back.restore(mails)
    async with set_back.resumed(mails) as standing:
        await mails.send(provider)

    assert 25 == len(told)
    assert told == list(mail_server.taken)
    assert (RESTORED, 20) == (standing, of(found, Channel.EMAIL).unknown)
    assert {AttemptState.ACCEPTED: 5, AttemptState.UNKNOWN: 20} == await mails.states()
    async with mails.pool.acquire() as connection:
        listed = await mails.store.unknowns(connection, 0, 1000)
    assert doubtful == sorted(one for batch in listed for one in batch.notices.ids)


async def test_a_message_store_that_knows_no_key_of_ours_is_sent_nothing_again(
    messages: Bench, portal_server: PortalServer, set_back: SetBack
) -> None:
    """A store of FBS is as blind as a mail server: who was queued then is listed."""
    provider = Portal(portal_server.url, shape=FbsShape("00000001003214345000"))
    await hands_over_to(messages, provider)
    await _queue(messages, 0, 8)
    await set_back.back_up()
    await messages.send(provider)
    told = len(portal_server.taken)
    found = await set_back.restore(messages)
    async with set_back.resumed(messages):
        await messages.send(provider)
    await provider.close()

    assert (8, 8) == (told, len(portal_server.taken))
    assert (8, {AttemptState.UNKNOWN: 8}) == (of(found, Channel.PORTAL).unknown, await messages.states())


async def test_a_portal_that_honours_our_key_is_given_the_same_again(
    messages: Bench, portal_server: PortalServer, set_back: SetBack
) -> None:
    """It takes it once, and nobody is in doubt."""
    provider = Portal(portal_server.url)
    await hands_over_to(messages, provider)
    await _queue(messages, 0, 8)
    await set_back.back_up()
    await messages.send(provider)
    found = await set_back.restore(messages)
    async with set_back.resumed(messages):
        await messages.send(provider)
    await provider.close()

    assert (8, 0) == (len(portal_server.taken), of(found, Channel.PORTAL).unknown)
    assert {AttemptState.ACCEPTED: 8} == await messages.states()


async def test_notify_is_asked_before_a_mail_is_sent_again(
    mails: Bench, notify: NotifyServer, set_back: SetBack
) -> None:
    """It takes the same twice, and tells by reference: whoever it has is told, who it has not is sent to once."""
    await _asked_first(mails, notify, set_back)


async def test_notify_is_asked_before_a_letter_is_sent_again(
    letters: Bench, notify: NotifyServer, set_back: SetBack
) -> None:
    """As with mails."""
    await _asked_first(letters, notify, set_back)


async def _asked_first(bench: Bench, notify: NotifyServer, set_back: SetBack) -> None:
    channel, provider = bench.channel, _from_notify(bench.channel, notify)
    await hands_over_to(bench, provider)
    await _queue(bench, 0, 2)
    await set_back.back_up()
    await bench.send(provider)
    await _queue(bench, 2, 1)
    await bench.send(provider)
    found = await set_back.restore(bench)
    await _queue(bench, 2, 2)  # sent again by their source: the one was told, the other was not
    again = await doubted(set_back.url)
    async with set_back.resumed(bench):
        await bench.send(provider)
    await provider.close()

    assert (2, 2) == (of(found, channel).asked, of(again, channel).asked)
    assert {1} == set(Counter(one["reference"] for one in notify.kept).values())
    assert (4, {AttemptState.ACCEPTED: 4}) == (len(notify.kept), await bench.states())


async def test_a_mail_provider_over_http_is_asked_before_anything_is_sent_again(
    mails: Bench, mail_api: MailApiServer, set_back: SetBack
) -> None:
    """As Notify is."""
    provider = _from_mail_api(mail_api)
    await hands_over_to(mails, provider)
    await _queue(mails, 0, 20)
    await set_back.back_up()
    await mails.send(provider)
    found = await set_back.restore(mails)
    async with set_back.resumed(mails):
        await mails.send(provider)
    await provider.close()

    assert (20, 20) == (of(found, Channel.EMAIL).asked, len(mail_api.taken))
    assert {AttemptState.ACCEPTED: 20} == await mails.states()


async def test_what_several_providers_may_have_been_given_is_listed(mails: Bench, database_url: str) -> None:
    """Whom the one knows nothing of the other may have told."""
    await hands_over_to(mails, "smtp")
    await doubted(database_url)
    await hands_over_to(mails, "notify")
    await _queue(mails, 0, 3)
    again = of(await doubted(database_url), Channel.EMAIL)

    assert (["notify", "smtp"], Afterwards.LISTED, 3, 0) == (
        list(again.providers), again.afterwards, again.unknown, again.asked
    )  # fmt: skip


async def test_all_channels_are_paused_and_stay_so(mails: Bench, database_url: str) -> None:
    """What came into the queue meanwhile is listed the next time; who resumed a channel has it paused again."""
    await hands_over_to(mails, "smtp")
    first = await doubted(database_url)
    await _queue(mails, 0, 3)
    again = await doubted(database_url)

    assert [(channel, True, 0) for channel in CHANNELS] == [(one.channel, one.paused, one.unknown) for one in first]
    assert [(channel, False, 3 if channel is mails.channel else 0) for channel in CHANNELS] == [
        (one.channel, one.paused, one.unknown) for one in again
    ]


async def test_what_a_pause_holds_back_is_said(mails: Bench, database_url: str) -> None:
    """It is in doubt once the pause ends: whoever ended it after the backup ends it again, and looks again."""
    await hands_over_to(mails, "smtp")
    await _queue(mails, 0, 3)
    await mails.pool.execute("update batches set state = 7")
    found = of(await doubted(database_url), Channel.EMAIL)

    assert (0, 3) == (found.unknown, found.set_aside)
