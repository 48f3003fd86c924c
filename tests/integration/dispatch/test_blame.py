"""Whose fault it is: an illness of the provider's takes nobody to the next channel, a dead mailbox does."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.core.status import AttemptState
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from services.dispatch.breaker import Breaker, BreakerPolicy
from services.dispatch.channels.email import Smtp
from services.dispatch.channels.portal import Portal
from services.dispatch.mail_config import SmtpAddress
from services.dispatch.outcomes import TEMPORARY_TRIES
from services.dispatch.provider import Provider
from tests.integration.dispatch.bench import Bench, ShiftedClock, a_payload
from tests.unit.dispatch.people import an_id, an_incident, some_notices

_SOON = BreakerPolicy(first_probe=0.2, slowest_probe=0.4)


def _smtp(bench: Bench, server: MailServer) -> Smtp:
    return Smtp(SmtpAddress(f"smtp://127.0.0.1:{server.port}"), bench.clock)


async def _queue(bench: Bench, count: int, domains: tuple[str, ...] = ("mail.example",)) -> list[bytes]:
    bench.breaker = Breaker(_SOON)
    notices = some_notices(count)
    people = [a_payload(email=f"p{at}@{domains[at % len(domains)]}", portalId=f"portal-{at}") for at in range(count)]
    await bench.seal(notices, people)
    await bench.take(notices)
    return sorted(notices.ids)


async def _send(bench: Bench, provider: Provider, until: Callable[[], Awaitable[bool]] | None = None) -> None:
    await bench.send(provider, until=until)
    await provider.close()


def _is_paused(bench: Bench, reason: str) -> Callable[[], Awaitable[bool]]:
    async def paused() -> bool:
        return bench.paused(reason) > 0

    return paused


def _all_but(bench: Bench, left: int) -> Callable[[], Awaitable[bool]]:
    async def told() -> bool:
        open_ones = await bench.pool.fetchval("select sum(count) from batches where state in (0, 1)")
        return bool((open_ones or 0) <= left)

    return told


async def test_an_expired_token_sends_nobody_to_paper(
    messages: Bench, portal_server: PortalServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The channel pauses with everything open, says so, and tells everybody once when the token works again."""
    ids = await _queue(messages, 60)
    portal_server.everybody = 401
    await _send(messages, Portal(portal_server.url), _is_paused(messages, "provider"))
    await messages.waited()
    waiting, lines = await messages.states(), [(one.levelno, one.message) for one in caplog.records]
    portal_server.everybody = None
    await _send(messages, Portal(portal_server.url))
    await messages.waited()

    assert {AttemptState.TAKEN: 60} == waiting
    assert (logging.ERROR, "the channel is paused: everything stays open") in lines
    assert [] == await messages.refused()
    assert {f"{notice.hex()}.1" for notice in ids} == portal_server.taken.keys()
    assert {AttemptState.ACCEPTED: ids} == await messages.attempted()
    assert 0.0 == messages.paused("provider")


async def test_a_relay_that_denies_sends_nobody_to_paper(mails: Bench, mail_server: MailServer) -> None:
    """What is wrong with us at the relay is no recipient's fault: everybody gets one mail once it is mended."""
    ids = await _queue(mails, 120)
    mail_server.everybody = "554 5.7.1 Relay access denied"
    await _send(mails, _smtp(mails, mail_server), _is_paused(mails, "sender"))
    await mails.waited()
    waiting = await mails.states()
    mail_server.everybody = ""
    await _send(mails, _smtp(mails, mail_server))
    await mails.waited()

    assert {AttemptState.TAKEN: 120} == waiting
    assert [] == await mails.refused()
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 120 == len(mail_server.taken)


async def test_a_paused_channel_is_probed_by_one_attempt_at_a_time(
    messages: Bench, portal_server: PortalServer
) -> None:
    """A portal that does not know us is not flooded, and those who were asked for wait their turn."""
    await _queue(messages, 200)
    portal_server.everybody = 403

    async def probed() -> bool:
        return len(portal_server.requests) >= 2 * 8 + 4

    await _send(messages, Portal(portal_server.url, at_once=8), probed)

    assert len(portal_server.requests) <= 2 * 8 + 5  # what two rounds had on the wire at once, and then a probe each
    assert {AttemptState.TAKEN: 200} == await messages.states()


async def test_a_sender_that_is_refused_pauses_the_channel(mails: Bench, mail_server: MailServer) -> None:
    """Not even an answer as to a dead mailbox blames anybody whom nobody named yet."""
    await _queue(mails, 5)
    mail_server.sender = "550 5.1.1 who are you"
    await _send(mails, _smtp(mails, mail_server), _is_paused(mails, "sender"))

    assert {AttemptState.TAKEN: 5} == await mails.states()


@pytest.mark.parametrize("others", [9, 0], ids=["among others", "alone"])
async def test_a_421_for_one_recipient_is_that_recipients_try(
    mails: Bench, mail_server: MailServer, others: int
) -> None:
    """The others are told at once, the channel does not pause, and after so many tries the next channel is taken."""
    await _queue(mails, others + 1)
    mail_server.recipients["p0@mail.example"] = "421 4.3.2 closing"

    async def put_off() -> bool:
        return mails.count("not-now") > 0 and len(mail_server.taken) == others

    await _send(mails, _smtp(mails, mail_server), put_off)
    paused = mails.registry.get_sample_value("dispatch_provider_paused", {"channel": "email"})
    tries = await mails.pool.fetchval("select tries from batches where state = 0")
    # So much time goes by.
    await mails.pool.execute("update batches set tries = $1, due = now() where state = 0", TEMPORARY_TRIES - 1)
    await _send(mails, _smtp(mails, mail_server))
    await mails.waited()

    assert (1, 0.0) == (tries, paused)
    assert ["put-off-too-often"] == [reason for reason, _, _ in await mails.refused()]


async def test_a_server_that_closes_at_everybody_is_away(mails: Bench, mail_server: MailServer) -> None:
    """It is left alone like one that does not listen; nobody goes to the next channel, and everybody is told once."""
    ids = await _queue(mails, 40)
    mail_server.everybody = "421 4.3.2 going down"

    async def left_alone() -> bool:
        return mails.registry.get_sample_value("dispatch_provider_paused", {"channel": "email"}) == 1.0

    await _send(mails, _smtp(mails, mail_server), left_alone)
    asked = len(mail_server.asked)
    mail_server.everybody = ""
    await mails.pool.execute("update batches set due = now() where state = 0")  # the waits of those who were asked for
    await _send(mails, _smtp(mails, mail_server))

    assert asked <= 32
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()


async def test_dead_mailboxes_go_to_the_next_channel_after_the_window(mails: Bench, mail_server: MailServer) -> None:
    """Not before, as it could be the provider's illness; then once each."""
    await _queue(mails, 30)
    dead = {f"p{at}@mail.example" for at in (3, 11, 12)}
    mail_server.recipients = dict.fromkeys(dead, "550 5.1.1 no such mailbox")
    await _send(mails, _smtp(mails, mail_server))
    await mails.tick()
    before = (await mails.refused(), await mails.states())
    await mails.waited()
    await mails.waited()
    gone = b"".join(ids for _, ids, _ in await mails.refused())

    assert ([], {AttemptState.ACCEPTED: 27, AttemptState.REFUSED_WAITING: 3}) == before
    assert {some_notices(30).ids[at] for at in (3, 11, 12)} == {gone[at : at + 16] for at in range(0, len(gone), 16)}
    assert 3 * 16 == len(gone)
    assert (3.0, 3.0) == (mails.count("refused-waiting"), mails.count("refused"))


@pytest.mark.parametrize("answer", ["550 relay not permitted", "550 5.1.1 user unknown"])
async def test_a_flood_of_refusals_is_the_providers_illness(
    mails: Bench, mail_server: MailServer, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Those who were refused are in the queue again and listed, and are told when it is well."""
    ids = await _queue(mails, 100)
    mail_server.everybody = answer
    await _send(mails, _smtp(mails, mail_server), _is_paused(mails, "refusals"))
    await mails.waited()
    waiting, hit = await mails.states(), await mails.taken_back()
    mail_server.everybody = ""
    await mails.pool.execute("update batches set due = now() where state = 0")
    await _send(mails, _smtp(mails, mail_server))
    await mails.waited()

    assert {AttemptState.TAKEN: 100} == waiting
    assert _SOON.run - 1 <= len(hit) <= _SOON.run + 8
    assert set(hit) < set(ids)
    assert "refusals are taken back" in caplog.text
    assert [] == await mails.refused()
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()


async def test_a_domain_that_refuses_everybody_pauses_alone(
    mails: Bench, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Its people stay open and are told when it is well; the others are told meanwhile."""
    ids = await _queue(mails, 120, ("mail.example", "ill.example", "post.example"))
    mail_server.recipients["@ill.example"] = "550 5.1.1 no such user"
    await _send(mails, _smtp(mails, mail_server), _all_but(mails, 40))
    for _ in range(2):
        await mails.waited()
    told, waiting = len(mail_server.taken), await mails.states()
    hit, paused = await mails.taken_back(), mails.paused("domain")
    mail_server.recipients.clear()
    await mails.pool.execute("update batches set due = now() where state = 0")
    await _send(mails, _smtp(mails, mail_server))

    assert ["ill.example"] == [one.domain for one in caplog.records if hasattr(one, "domain")]
    assert (80, 1.0, 0.0) == (told, paused, mails.paused("refusals"))
    assert {AttemptState.ACCEPTED: 80, AttemptState.TAKEN: 40} == waiting
    assert _SOON.run - 1 <= len(hit) <= 40
    assert [] == await mails.refused()
    assert {AttemptState.ACCEPTED: ids} == await mails.attempted()
    assert 0.0 == mails.paused("domain")


async def test_a_recipient_whom_policy_shuts_out_stops_nobody_else(mails: Bench, mail_server: MailServer) -> None:
    """Where others pass again and again, an answer that blames us is about that one recipient, and is put off."""
    await _queue(mails, 40)
    mail_server.recipients["p0@mail.example"] = "550 5.7.1 not from you"

    async def over() -> bool:
        return len(mail_server.taken) == 39 and mails.count("not-now") > 0

    await _send(mails, _smtp(mails, mail_server), over)

    assert {AttemptState.ACCEPTED: 39, AttemptState.TAKEN: 1} == await mails.states()


async def test_our_own_words_stop_their_incident_alone(messages: Bench, portal_server: PortalServer) -> None:
    """Others go on, and a new version of its document goes out."""
    messages.breaker = Breaker(BreakerPolicy(first_probe=60.0))
    good = an_incident("other-2026", title="Een ander bericht")
    mended = an_incident(version=2, content=_content("De gegevens zijn gekopieerd."))
    messages.incident = an_incident(content=_content("Niet te tonen."))
    messages.further = [good, mended]
    portal_server.words = "Niet te tonen"
    for incident in (messages.incident, good, mended):
        ids = [an_id((incident.incident_id, incident.version, at)) for at in range(20)]
        notices = some_notices(20, incident, ids=ids, members=ids)
        await messages.seal(notices, [a_payload(portalId=f"portal-{at}") for at in range(20)])
        await messages.take(notices)
    await _send(messages, Portal(portal_server.url), _all_but(messages, 20))
    await messages.waited()

    assert {AttemptState.ACCEPTED: 40, AttemptState.TAKEN: 20} == await messages.states()
    assert (1.0, 0.0) == (messages.paused("content"), messages.paused("provider"))
    assert [] == await messages.refused()


async def test_a_message_that_cannot_be_made_stops_its_incident_alone(
    mails: Bench, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A slip in one incident's sender ends no process and leaves nobody's outcome unknown: its notices wait."""
    mails.breaker = Breaker(BreakerPolicy(first_probe=60.0))
    good = an_incident("other-2026")
    slip = replace(mails.incident.controller, email="Info <info@bevolkingsonderzoek.example>")
    mails.incident, mails.further = replace(mails.incident, controller=slip), [good]
    for incident in (mails.incident, good):
        ids = [an_id((incident.incident_id, at)) for at in range(20)]
        notices = some_notices(20, incident, ids=ids, members=ids)
        await mails.seal(notices, [a_payload(email=f"p{at}@mail.example") for at in range(20)])
        await mails.take(notices)
    await _send(mails, _smtp(mails, mail_server), _all_but(mails, 20))
    await mails.waited()

    assert {AttemptState.ACCEPTED: 20, AttemptState.TAKEN: 20} == await mails.states()
    assert 1.0 == mails.paused("content")
    assert 20 == len(mail_server.taken)
    assert "mail.example" not in caplog.text


async def test_a_kill_in_the_window_loses_and_repeats_nothing(mails: Bench, mail_server: MailServer) -> None:
    """Whoever comes next looks on for a window of its own, and then tells each refusal once."""
    await _queue(mails, 6)
    mail_server.recipients["p2@mail.example"] = "550 5.1.1 no such mailbox"
    await _send(mails, _smtp(mails, mail_server))
    asked, window = len(mail_server.asked), timedelta(seconds=_SOON.window)
    mails.breaker = Breaker(_SOON)
    long_dead = ShiftedClock(2 * window)
    await mails.tick_of(mails.handler(long_dead))
    before = await mails.refused()
    await mails.tick(3 * window + timedelta(seconds=1))
    await mails.tick(4 * window)
    await _send(mails, _smtp(mails, mail_server))

    assert [] == before
    assert [some_notices(6).ids[2]] == [ids for _, ids, _ in await mails.refused()]
    assert (1, 5) == (asked, len(mail_server.taken))
    assert asked == len(mail_server.asked)


async def test_what_a_killed_process_saw_is_taken_back_by_the_next(
    messages: Bench, portal_server: PortalServer
) -> None:
    """If the provider turns out to be ill, refusals of the process before are as doubtful as its own."""
    ids = await _queue(messages, 60)
    portal_server.refused = {f"portal-{at}" for at in range(10)}
    await _send(messages, Portal(portal_server.url))
    messages.breaker = Breaker(_SOON)
    portal_server.everybody = 401
    late = [an_id(("late", at)) for at in range(10)]
    more = some_notices(10, ids=late, members=late)
    await messages.seal(more, [a_payload(portalId=f"late-{at}") for at in range(10)])
    await messages.take(more)
    await _send(messages, Portal(portal_server.url), _is_paused(messages, "provider"))
    await messages.waited()
    hit = await messages.taken_back()
    portal_server.everybody, portal_server.refused = None, set()
    await messages.pool.execute("update batches set due = now() where state = 0")
    await _send(messages, Portal(portal_server.url))
    await messages.waited()

    assert 10 == len(set(hit))
    assert set(hit) < set(ids)
    assert [] == await messages.refused()
    assert {AttemptState.ACCEPTED: 70} == await messages.states()


def _content(nature: str) -> dict[str, dict[str, str]]:
    both = {"nl": "Tekst.", "en": "Text."}
    return {
        "nature": {"nl": nature, "en": nature},
        "consequences": both,
        "measures": both,
        "advice": both,
        "contact": both,
    }
