"""The identity provider's keys, from a real server: how they change, and what becomes of us while it is away."""

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from services.kit.principals import IdentityProviderDown, OidcVerifier
from services.kit.process import serve_http
from services.kit.testing import FakeClock
from tests.integration.identity_provider.server import (
    DISCOVERY,
    HOUR,
    KEYS,
    TROUBLES,
    ProviderServer,
    claims,
    closed_after,
    opens,
    refusal,
)
from tests.unit.kit.principals.signers import AUDIENCE, OURS, SIGNERS, Signer, an_rsa_key

NEXT = Signer("rsa-next", "RS256", an_rsa_key())


async def test_keys_are_where_the_setting_says(
    provider: ProviderServer, clock: FakeClock, opened: AsyncExitStack
) -> None:
    """An address of keys that is configured needs no discovery, and the issuer can be any name."""
    verifier = closed_after(OidcVerifier("whoever", AUDIENCE, clock=clock, jwks_url=provider.url + KEYS), opened)

    assert await opens(verifier, OURS.sign(claims(provider, iss="whoever")))
    assert "wrong-issuer" == await refusal(verifier, OURS.sign(claims(provider)))
    assert [KEYS] == provider.asked


async def test_the_session_can_be_the_callers(
    provider: ProviderServer, clock: FakeClock, opened: AsyncExitStack
) -> None:
    """So that certificates of an authority of one's own can be trusted; it is opened when it is needed."""
    sessions: list[aiohttp.ClientSession] = []

    def open_session() -> aiohttp.ClientSession:
        sessions.append(aiohttp.ClientSession())
        return sessions[-1]

    verifier = closed_after(OidcVerifier(provider.url, AUDIENCE, clock=clock, session_factory=open_session), opened)
    assert [] == sessions
    assert await opens(verifier, OURS.sign(claims(provider)))
    await verifier.close()
    assert [True] == [session.closed for session in sessions]


async def test_keys_rotate_without_a_restart(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock
) -> None:
    """A key that is new opens as soon as it signs, and one that is withdrawn opens no more."""
    assert await opens(verifier, OURS.sign(claims(provider)))
    provider.keys = [NEXT.jwk()]
    clock.advance(31)

    assert await opens(verifier, NEXT.sign(claims(provider)))
    assert "unknown-key" == await refusal(verifier, OURS.sign(claims(provider)))


async def test_made_up_key_ids_do_not_reach_the_provider(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock
) -> None:
    """However many tokens of garbage come, the provider is asked once in thirty seconds."""
    tokens = [OURS.sign(claims(provider), kid=f"made-up-{number}") for number in range(100)]
    for passed in (0.0, 29.9):
        clock.advance(passed)
        assert ["unknown-key"] * 100 == await asyncio.gather(*(refusal(verifier, token) for token in tokens))
        assert [DISCOVERY, KEYS] == provider.asked
    clock.advance(0.1)

    assert ["unknown-key"] * 100 == await asyncio.gather(*(refusal(verifier, token) for token in tokens))
    assert [DISCOVERY, KEYS] * 2 == provider.asked


async def test_many_at_once_ask_the_provider_once(provider: ProviderServer, verifier: OidcVerifier) -> None:
    """The first requests after a start share one fetch."""
    tokens = [signer.sign(claims(provider)) for signer in SIGNERS.values()] * 20

    assert {True} == {*await asyncio.gather(*(opens(verifier, token) for token in tokens))}
    assert [DISCOVERY, KEYS] == provider.asked


async def test_a_caller_who_gives_up_ends_nobodys_fetch(provider: ProviderServer, verifier: OidcVerifier) -> None:
    """Who waits for the same keys gets them."""
    provider.open.clear()
    token = OURS.sign(claims(provider))
    first = asyncio.create_task(verifier.verify(token))
    await provider.arrived.wait()
    second = asyncio.create_task(verifier.verify(token))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.open.set()

    assert "5f2a" == (await second).subject
    assert [DISCOVERY, KEYS] == provider.asked


async def test_keys_are_fetched_anew_beside_the_requests(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock
) -> None:
    """After ten minutes a request starts the fetch and does not wait for it."""
    token = OURS.sign(claims(provider))
    await verifier.verify(token)
    clock.advance(599)
    await verifier.verify(token)
    assert [DISCOVERY, KEYS] == provider.asked

    clock.advance(2)
    provider.keys = [NEXT.jwk()]
    provider.arrived.clear()
    provider.open.clear()
    assert await opens(verifier, token)
    assert not provider.arrived.is_set()
    await provider.arrived.wait()
    assert await opens(verifier, token)
    provider.open.set()

    assert await opens(verifier, NEXT.sign(claims(provider)))
    assert "unknown-key" == await refusal(verifier, token)
    assert [DISCOVERY, KEYS] * 2 == provider.asked


async def test_a_key_withdrawn_in_a_quiet_night_opens_nothing_in_the_morning(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock
) -> None:
    """Keys that nobody has looked at for long are fetched first, where the provider answers."""
    token = OURS.sign(claims(provider))
    await verifier.verify(token)
    provider.keys = []
    clock.advance(8 * HOUR)

    assert "unknown-key" == await refusal(verifier, token)


@pytest.mark.parametrize("path", [DISCOVERY, KEYS])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_provider_in_trouble_at_the_start_puts_off(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock, trouble: str, path: str
) -> None:
    """Without keys nobody is let in and nobody is called a stranger; it heals by itself, and is not hammered."""
    token = OURS.sign(claims(provider))
    provider.trouble[path] = TROUBLES[trouble]
    asked = []
    for _ in range(3):
        with pytest.raises(IdentityProviderDown) as down:
            await verifier.verify(token)
        asked.append(len(provider.asked))  # a client may ask twice where the connection breaks off
    assert (5.0, asked[:1] * 3) == (down.value.after, asked)
    provider.trouble.clear()
    clock.advance(5)

    assert await opens(verifier, token)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_provider_in_trouble_later_keeps_nobody_out(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock, trouble: str
) -> None:
    """The keys that are known serve for a day, in which the provider is asked now and then; past it they do not."""
    token = OURS.sign(claims(provider))
    await verifier.verify(token)
    provider.trouble[KEYS] = TROUBLES[trouble]
    for passed in (HOUR, 10.0, 25.0, 22 * HOUR):
        clock.advance(passed)
        assert await opens(verifier, token)
    assert "unknown-key" == await refusal(verifier, NEXT.sign(claims(provider)))

    clock.advance(HOUR)
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(token)
    provider.trouble.clear()
    clock.advance(30)
    assert await opens(verifier, token)


async def test_a_provider_that_hangs_makes_nobody_wait_twice(
    provider: ProviderServer, verifier: OidcVerifier, clock: FakeClock
) -> None:
    """Once a fetch has failed, those after it go on beside the requests."""
    token = OURS.sign(claims(provider))
    await verifier.verify(token)
    provider.trouble[DISCOVERY] = TROUBLES["500"]
    clock.advance(HOUR)
    await verifier.verify(token)
    clock.advance(HOUR)
    provider.arrived.clear()
    provider.open.clear()

    assert await opens(verifier, token)
    assert not provider.arrived.is_set()
    await provider.arrived.wait()
    assert await opens(verifier, token)
    provider.open.set()


async def test_a_provider_that_is_gone_puts_off(clock: FakeClock, opened: AsyncExitStack) -> None:
    """Nobody listens where it was."""
    server = ProviderServer()
    async with serve_http(server.app(), "127.0.0.1", 0) as url:
        server.url = url
    verifier = closed_after(OidcVerifier(url, AUDIENCE, clock=clock), opened)
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(OURS.sign(claims(server)))


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://keys.example/keys"},
        {"jwks_uri": "/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://" + "a" * 300},
        {"jwks_uri": "https://["},
    ],
    ids=str,
)
async def test_a_configuration_that_cannot_be_trusted_gives_no_keys(
    provider: ProviderServer, verifier: OidcVerifier, changed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It must be that of the issuer itself, and name keys that are reached safely; the log says what is wrong."""
    caplog.set_level(logging.WARNING)
    provider.configuration = changed
    with pytest.raises(IdentityProviderDown):
        await verifier.verify(OURS.sign(claims(provider)))

    assert [DISCOVERY] == provider.asked
    assert ["services.kit.principals.identity_provider"] == [record.name for record in caplog.records]


async def test_closing_ends_a_fetch_that_is_under_way(provider: ProviderServer, verifier: OidcVerifier) -> None:
    """A process that ends does not wait for the provider."""
    provider.open.clear()
    waiting = asyncio.create_task(verifier.verify(OURS.sign(claims(provider))))
    await provider.arrived.wait()
    await verifier.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    provider.open.set()
