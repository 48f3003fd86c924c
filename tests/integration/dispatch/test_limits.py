"""What a provider is handed: never above its caps, less when it asks, nothing while an operator paused the channel."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

import pytest

from loadtests.providers.notify import MADE_UP_KEY, NotifyServer
from services.core.access import Caller
from services.core.channel import Channel
from services.core.status import AttemptState
from services.core.synthetic import SYNTHETIC_INCIDENT
from services.demo.standins.mail import MailServer
from services.demo.standins.portal import PortalServer
from services.dispatch.channel_pause import ChannelPause
from services.dispatch.channels.email import Smtp
from services.dispatch.channels.notify import NOTIFY_EMAIL, open_notify_letters
from services.dispatch.channels.portal import Portal
from services.dispatch.config import LetterConfig
from services.dispatch.mail_config import SmtpAddress
from services.dispatch.pauses import FRESH_SECONDS
from services.dispatch.rates import Cap
from services.dispatch.sending.turns import ProviderTurns
from services.dispatch.turn_store import TurnStore
from services.kit.config import load
from services.kit.errors import ConfigError
from services.kit.testing import FakeClock
from tests.integration.dispatch.bench import Bench, OwnedStage, a_payload
from tests.principals import OPERATOR
from tests.unit.dispatch.people import an_incident, some_notices


async def _queue(bench: Bench, count: int) -> list[bytes]:
    notices = some_notices(count)
    await bench.seal(notices, [a_payload(portalId=f"portal-{at}", email=f"p{at}@mail.example") for at in range(count)])
    await bench.take(notices)
    return sorted(notices.ids)


def most_in_a_window(arrivals: Sequence[float], seconds: float) -> int:
    """Return how many arrivals the fullest window has."""
    found = sorted(arrivals)
    return max((at - bisect_left(found, one - seconds) + 1 for at, one in enumerate(found)), default=0)


async def test_no_second_has_more_than_the_cap_whatever_dies(messages: Bench, portal_server: PortalServer) -> None:
    """Two processes share it; each is killed with turns in hand and begins anew, and the portal counts."""
    caps, portal = [Cap(40, 1.0), Cap(75, 60.0)], Portal(portal_server.url)
    await _queue(messages, 200)
    messages.caps = caps
    for _ in range(4):
        others = [asyncio.create_task(messages.sender(portal).run(asyncio.Event())) for _ in range(2)]
        await asyncio.wait(others, timeout=0.6)
        for one in others:
            one.cancel()
        await asyncio.wait(others)
    await portal.close()

    assert 40 < len(portal_server.arrivals) <= 75
    assert most_in_a_window(portal_server.arrivals, 1.0) <= 40


async def test_letters_over_notify_have_caps_of_their_own(letters: Bench) -> None:
    """Over two processes, each killed with turns in hand and begun anew; what e-mail takes there is not theirs."""
    notices = some_notices(12)
    await letters.seal(notices, [a_payload(houseNumber=str(at + 1)) for at in range(12)])
    await letters.take(notices)
    async with NotifyServer().serve() as server, letters.pool.acquire() as connection:
        settings = {"HERAUT_LETTER_PROVIDER": "notify", "HERAUT_NOTIFY_URL": server.url}
        settings |= {"HERAUT_NOTIFY_KEY": MADE_UP_KEY, "HERAUT_LETTER_PER_MINUTE": "5"}
        config = load(LetterConfig, settings)
        letters.caps = config.caps
        await TurnStore(NOTIFY_EMAIL.counted_under, config.caps).take(connection, 5)
        provider = open_notify_letters(config, letters.clock)

        async def begun() -> bool:
            return bool(server.kept)

        await letters.send(provider, until=begun)  # the first letter sets the form, which takes its time
        for _ in range(2):
            others = [asyncio.create_task(letters.sender(provider).run(asyncio.Event())) for _ in range(2)]
            await asyncio.wait(others, timeout=0.6)
            for one in others:
                one.cancel()
            await asyncio.wait(others)
        await provider.close()

    assert 0 < len(server.kept) <= 5


def test_a_print_house_is_handed_files_and_no_caps() -> None:
    """A cap that would hold nothing back is refused at the start."""
    with pytest.raises(ConfigError, match="HERAUT_LETTER_PER_SECOND"):
        load(LetterConfig, {"HERAUT_LETTER_PER_SECOND": "5"})


async def test_a_day_has_no_more_than_its_cap_whatever_dies(messages: Bench, portal_server: PortalServer) -> None:
    """Two processes share it, are killed with turns in hand and begin anew; who is not told waits in the queue."""
    await _queue(messages, 100)
    messages.per_day, portal = 60, Portal(portal_server.url)
    for _ in range(2):
        others = [asyncio.create_task(messages.sender(portal).run(asyncio.Event())) for _ in range(2)]
        await asyncio.wait(others, timeout=0.6)
        for one in others:
            one.cancel()
        await asyncio.wait(others)

    async def used_up() -> bool:
        return bool(60 == await messages.pool.fetchval("select sum(turns) from day_turns"))

    await messages.send(portal, until=used_up)
    await portal.close()

    assert 0 < len(portal_server.taken) <= 60
    assert await used_up()


async def test_what_is_not_used_of_a_day_is_given_back(messages: Bench) -> None:
    """A lull costs nothing: the cap of a day is what was handed over, and not what might have been."""
    clock, store = FakeClock(), TurnStore("test", [], 100)
    turns = ProviderTurns(messages.pool, clock, store)
    for _ in range(30):
        assert await turns.take(lambda: True)
        clock.advance(1.0)
    async with messages.pool.acquire() as connection:
        used = await store.used_today(connection)
    taken = [await turns.take(lambda: True) for _ in range(80)]

    assert used is not None
    assert 30 <= used <= 30 + 8
    assert (70, False) == (sum(taken), taken[-1])
    assert turns.rests > 0


async def test_no_round_waits_for_a_turn_that_comes_late(messages: Bench, portal_server: PortalServer) -> None:
    """A minute's turns are used up: whoever has none is back in the queue, untried, and the sender goes on looking."""
    await _queue(messages, 12)
    messages.caps, portal = [Cap(5, 60.0)], Portal(portal_server.url)

    async def rests() -> bool:
        return await messages.states() == {AttemptState.ACCEPTED: 5, AttemptState.TAKEN: 7}

    async def looks_on() -> bool:
        beats = messages.beats
        await messages.until_looked()
        return messages.beats > beats

    await messages.send(portal, until=rests)
    await messages.send(portal, until=looks_on)
    await portal.close()

    assert 0 == await messages.pool.fetchval("select max(tries) from batches")


async def test_synthetic_people_need_no_turn(messages: Bench, portal_server: PortalServer) -> None:
    """They arrive while a cap is used up, and so tell that all else works."""
    await _queue(messages, 6)
    messages.caps, portal = [Cap(5, 60.0)], Portal(portal_server.url)
    notices = some_notices(8).pick([6, 7])
    notices.incident_id = SYNTHETIC_INCIDENT
    messages.further = [an_incident(SYNTHETIC_INCIDENT)]

    async def rests() -> bool:
        return await messages.states() == {AttemptState.ACCEPTED: 5, AttemptState.TAKEN: 1}

    async def late() -> bool:
        if 5 == len(portal_server.taken) and not came:
            came.append(True)
            await messages.seal(notices, [a_payload(portalId="synthetic"), a_payload(portalId="synthetic")])
            await messages.take(notices)
            return False
        return bool(came) and await rests()

    came: list[bool] = []
    await messages.send(portal, until=late)
    await portal.close()

    assert 5 == len(portal_server.taken)


async def test_turns_come_in_blocks(messages: Bench) -> None:
    """Hundreds of messages ask the database some times, and a pause ends the wait for a turn at once."""
    store = TurnStore("test", [Cap(400, 60.0)])
    turns = ProviderTurns(messages.pool, messages.clock, store)
    taken = [await turns.take(lambda: True) for _ in range(150)]
    blocks = await messages.pool.fetchval("select count(*) from turns")
    await messages.pool.execute("update turns set turns = 400")
    turns._left = 0

    assert (150, True) == (sum(taken), blocks < 12)
    assert not await asyncio.wait_for(turns.take(lambda: False), 1.0)


async def test_429_costs_nobody_a_try_and_is_followed(messages: Bench, portal_server: PortalServer) -> None:
    """Whoever was answered so is as before: no try is counted, and after the wait everybody is told once."""
    ids = await _queue(messages, 6)
    portal_server.answers = [(429, {"Retry-After": "1"})] * 6
    portal, tries = Portal(portal_server.url), list[int]()

    async def done() -> bool:
        if len(portal_server.requests) >= 6:
            tries.append(await messages.pool.fetchval("select max(tries) from batches"))
        return await messages.nothing_open()

    await messages.send(portal, until=done)
    await portal.close()

    assert {0} == set(tries)
    assert portal_server.arrivals[6] - portal_server.arrivals[0] >= 1.0
    assert {AttemptState.ACCEPTED: ids} == await messages.attempted()
    assert 6 == len(portal_server.taken)


def _operator() -> Caller:
    return Caller(OPERATOR.principal, "request-1")


async def test_a_paused_channel_hands_nothing_over_on_any_replica(messages: Bench, portal_server: PortalServer) -> None:
    """One process is told; another one that has not looked lately begins nothing either, and all goes on later."""
    ids = await _queue(messages, 40)
    clock = FakeClock()
    told, other = (ChannelPause(Channel.PORTAL, messages.pool, clock) for _ in range(2))
    await other.look()
    before = other.may_go()
    await told.pause(_operator())
    clock.advance(FRESH_SECONDS)
    stale = other.may_go()
    await other.look()
    messages.may_go, portal = other.may_go, Portal(portal_server.url)

    async def looked() -> bool:
        await messages.until_looked()
        return True

    await messages.send(portal, until=looked)
    asked = list(portal_server.requests)
    await told.resume(_operator())
    await other.look()
    await messages.send(portal)
    await portal.close()

    assert (True, False, []) == (before, stale, asked)
    assert {AttemptState.ACCEPTED: ids} == await messages.attempted()


async def test_a_hanging_portal_slows_no_other_channel(
    messages: Bench, portal_server: PortalServer, mail_server: MailServer
) -> None:
    """While each of its requests hangs for half a minute, mails go as if it were not there."""
    stage = OwnedStage(messages.pool, Channel.EMAIL)
    mails = Bench(Channel.EMAIL, messages.pool, messages.intake, messages.vault, stage)
    await _queue(messages, 100)
    notices = some_notices(100)
    notices.attempts, mails.slots = [2] * 100, messages.slots
    await mails.take(notices)
    portal_server.delay = 30.0
    portal, smtp = Portal(portal_server.url), Smtp(SmtpAddress(f"smtp://127.0.0.1:{mail_server.port}"), mails.clock)
    hanging = asyncio.create_task(messages.sender(portal).run(asyncio.Event()))
    await portal_server.reached.wait()
    await mails.send(smtp)
    waiting, told = await messages.states(), await mails.states()
    hanging.cancel()
    await asyncio.wait([hanging])
    await portal.close()
    await smtp.close()

    assert ({AttemptState.ACCEPTED: 100}, 100) == (told, len(mail_server.taken))
    assert 100 == waiting.get(AttemptState.TAKEN, 0) + waiting.get(AttemptState.INTENT, 0)
