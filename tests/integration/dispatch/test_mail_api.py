"""E-mail over a provider's HTTP interface: a real server, lost answers, crashes, and what each does to people."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from loadtests.providers.mail_api import MailApiServer
from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.channels.mail_api import MAIL_API, open_mail_api
from services.dispatch.mail_config import EmailConfig, SmtpAddress
from services.dispatch.provider import Provider
from services.kit.clock import SystemClock
from services.kit.config import load
from services.rendering.messages.email import Answers
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import REFERENCES, some_notices

TOKEN = "made-up"
ANSWERS = Answers("vragen@ministerie.example", "", "bericht@ministerie.example")


@pytest.fixture
async def api() -> AsyncIterator[MailApiServer]:
    """Return a real provider."""
    async with MailApiServer().serve() as server:
        yield server


def _provider(server: MailApiServer, token: str = TOKEN, within: float = 0.3) -> Provider:
    settings = {"HERAUT_EMAIL_PROVIDER": "mail-api", "HERAUT_MAIL_API_URL": server.url, "HERAUT_MAIL_API_TOKEN": token}
    return open_mail_api(load(EmailConfig, settings), SystemClock(), ANSWERS, found_within=within)


async def _queue(bench: Bench, count: int) -> list[bytes]:
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(email=f"p{at}@mail.example") for at in range(count)])
    await bench.take(notices)
    return sorted(notices.ids)


async def _send(bench: Bench, server: MailApiServer, token: str = TOKEN) -> None:
    provider = _provider(server, token)
    await bench.send(provider)
    await provider.close()


async def _die(bench: Bench, server: MailApiServer, *, after: bool) -> None:
    provider = _provider(server)
    await bench.die_in(provider, after=after)
    await provider.close()


def _times(server: MailApiServer) -> Counter[str]:
    return Counter(mail["To"] for _, mail in server.taken)


async def _absent(bench: Bench) -> list[bytes]:
    return sorted(row["notice"] for row in await bench.pool.fetch("select notice from absent"))


async def test_everybody_gets_one_mail_with_all_that_it_says(mails: Bench, api: MailApiServer) -> None:
    """A mail comes in the sender's name, says who it is about, and is watched by nobody."""
    ids = await _queue(mails, 20)
    await _send(mails, api)
    one = next(mail for _, mail in api.taken if mail["To"] == "p7@mail.example")
    notices = some_notices(20)
    references, _ = REFERENCES.of(mails.incident, notices)
    headers = {header["Name"]: header["Value"] for header in one["Headers"]}

    assert {f"p{at}@mail.example": 1 for at in range(20)} == _times(api)
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert "Bevolkingsonderzoek Voorbeeld <bericht@ministerie.example>" == one["From"]
    assert ("vragen@ministerie.example", "outbound") == (one["ReplyTo"], one["MessageStream"])
    assert references[7] in one["TextBody"]
    assert (False, "None") == (one["TrackOpens"], one["TrackLinks"])
    assert notices.ids[7].hex() == headers["X-Heraut-Notice"]
    assert f"<{notices.ids[7].hex()}.1@ministerie.example>" == headers["Message-ID"]


async def test_an_answer_that_was_lost_is_asked_for_and_doubles_nothing(mails: Bench, api: MailApiServer) -> None:
    """The provider took it and its answer never came: it says so when it is asked, and nobody is told twice."""
    ids = await _queue(mails, 6)
    api.said.lost = 3
    await _send(mails, api)

    assert {1} == set(_times(api).values())
    assert 3 == len(api.asked)
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert [] == await _absent(mails)


async def test_what_the_provider_never_took_is_listed_and_then_sent(mails: Bench, api: MailApiServer) -> None:
    """It answered with a fault and took nothing: it is asked twice, the attempt is listed, and sent after that."""
    ids = await _queue(mails, 4)
    api.said.statuses = [500, 502]
    await _send(mails, api)

    assert {f"p{at}@mail.example": 1 for at in range(4)} == _times(api)
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 2 == len(await _absent(mails)) == len(api.asked) // 2
    assert 2.0 == mails.registry.get_sample_value("dispatch_repeated_total", {"channel": "email", "provider": "test"})


async def test_a_mail_that_is_found_late_is_found_all_the_same(mails: Bench, api: MailApiServer) -> None:
    """The provider's search lags behind what it took: the second question finds what the first did not."""
    ids = await _queue(mails, 2)
    api.said.lost, api.said.findable_after = 2, 60.0

    async def found() -> bool:
        if len(api.asked) >= 2:
            api.said.findable_after = 0.0
        return await mails.nothing_open()

    provider = _provider(api)
    await mails.send(provider, until=found)
    await provider.close()

    assert {1} == set(_times(api).values())
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 2 == len(await _absent(mails))


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_intent_and_outcome_is_asked_about(
    mails: Bench, api: MailApiServer, *, after: bool
) -> None:
    """Whoever owns the partition next asks first; everybody has one mail in the end, whenever the process died."""
    ids = await _queue(mails, 4)
    await _die(mails, api, after=after)
    await _send(mails, api)

    assert {f"p{at}@mail.example": 1 for at in range(4)} == _times(api)
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert ([] if after else ids) == await _absent(mails)


async def test_a_provider_that_cannot_be_asked_is_sent_nothing(mails: Bench, api: MailApiServer) -> None:
    """While it does not say what it took, what was begun stays begun."""
    await _queue(mails, 2)
    await _die(mails, api, after=True)
    api.said.statuses = [503] * 50

    async def asked() -> bool:
        return len(api.said.statuses) < 49

    provider = _provider(api)
    await mails.send(provider, until=asked)
    await provider.close()

    assert 2 == len(api.taken)
    assert {AttemptState.INTENT: 2} == await mails.states()


async def test_too_many_are_slowed_and_use_up_no_tries(mails: Bench, api: MailApiServer) -> None:
    """429 says when to come back; nobody comes nearer to the next channel by it."""
    ids = await _queue(mails, 3)
    api.said.statuses, api.said.retry_after = [429, 429], "1"
    begin = mails.clock.monotonic()
    await _send(mails, api)

    assert mails.clock.monotonic() - begin >= 1.0
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 0.0 == mails.count("not-now")
    assert {1} == set(_times(api).values())


async def test_who_is_refused_goes_to_the_next_channel_alone(mails: Bench, api: MailApiServer) -> None:
    """An address that bounced before (406) is its recipient's fault, and nobody else's."""
    await _queue(mails, 3)
    api.inactive.add("p1@mail.example")
    await _send(mails, api)
    await mails.waited()
    ((reason, refused, tried),) = await mails.refused()

    assert ("refused-by-provider", some_notices(3).ids[1], bytes([Channel.EMAIL])) == (reason, refused, tried)
    assert 2 == len(api.taken)


async def test_a_token_that_is_not_taken_pauses_the_channel_with_everything_open(
    mails: Bench, api: MailApiServer
) -> None:
    """Nobody is sent to paper because of our own key."""
    await _queue(mails, 5)

    async def paused() -> bool:
        return mails.paused("provider") == 1.0

    provider = _provider(api, "another")
    await mails.send(provider, until=paused)
    await provider.close()

    assert {AttemptState.TAKEN: 5} == await mails.states()
    assert [] == await mails.refused()


async def test_what_was_begun_with_another_provider_is_not_sent_by_this_one(mails: Bench, api: MailApiServer) -> None:
    """An operator changes providers while hand-overs are open: only the other one knows of them: they are unknown."""
    ids = await _queue(mails, 3)
    await _die(mails, api, after=False)  # as if to a mail server
    now = mails.clock.now()
    async with mails.pool.acquire() as connection:
        first = await mails.store.hands_over_to(connection, "smtp", now - timedelta(days=1))
        again = await mails.store.hands_over_to(connection, "smtp", now)
        since, before, begun = await mails.store.hands_over_to(connection, MAIL_API.name, now)
    mails.since = since
    await _send(mails, api)

    assert (now - timedelta(days=1), "", 0) == first == again
    assert (now, "smtp", 3) == (since, before, begun)
    assert {AttemptState.UNKNOWN: ids} == await mails.attempted()
    assert [] == api.taken + api.asked


def test_each_provider_needs_its_own_settings() -> None:
    """A token goes out under TLS alone, or not beyond this machine; and each provider has what it needs."""
    api = {"HERAUT_EMAIL_PROVIDER": "mail-api", "HERAUT_MAIL_API_TOKEN": "made-up"}

    assert SmtpAddress("smtp://x").host == "x"
    assert load(EmailConfig, api | {"HERAUT_MAIL_API_URL": "https://api.example/v1"}).mail_api_url
    for wrong in ({}, {"HERAUT_EMAIL_PROVIDER": "mail-api"}, api, api | {"HERAUT_MAIL_API_URL": "http://api.example"}):
        with pytest.raises(Exception, match=r"is needed with HERAUT_EMAIL_PROVIDER=|must be https://"):
            load(EmailConfig, wrong)
