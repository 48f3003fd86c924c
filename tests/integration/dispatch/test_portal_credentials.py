"""What the portal knows us by: tokens out of a file or of an authorization server, and our certificate, for real."""

import asyncio
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from deploy.certificates import Authority
from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.blame import Blame
from services.dispatch.breaker import Breaker, BreakerPolicy
from services.dispatch.channels import open_provider
from services.dispatch.config import PortalConfig
from services.dispatch.outcomes import Ending, HandOver, Result
from services.dispatch.provider import Provider
from services.kit.clock import SystemClock
from services.kit.config import load
from services.kit.errors import ConfigError
from services.kit.testing import FakeClock
from tests.certificates import made_authority
from tests.integration.dispatch.bench import Bench, a_payload
from tests.unit.dispatch.people import some_notices, some_work

_SECRET = "a secret: 100% / ours"  # what a form has to encode


@dataclass
class Servers:
    """A portal that takes one token alone, and who gives tokens; both in one application."""

    token: str = "t1"  # given, and taken
    life: object = 3600
    answer: tuple[int, Any] | None = None  # what is said of the next requests for tokens; None = the token
    retry_after: str = "0"
    asked: list[Mapping[str, str]] = field(default_factory=list)  # forms, with `who`: the client and its secret
    messages: list[str | None] = field(default_factory=list)  # what was shown with each
    refusing: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def give(self, request: web.Request) -> web.StreamResponse:
        """Give a token."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        basic = request.headers.get("Authorization", "").removeprefix("Basic ")
        self.asked.append(form | ({"who": b64decode(basic).decode()} if basic else {}))
        await self.open.wait()
        status, body = self.answer or (200, None)
        given = {"access_token": self.token, "token_type": "Bearer", "expires_in": self.life}
        headers = {} if status == 200 else {"Retry-After": self.retry_after}
        return web.json_response(given if body is None else body, status=status, headers=headers)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Take a message of who shows the token."""
        await request.read()
        shown = request.headers.get("Authorization")
        self.messages.append(shown)
        return web.Response(status=401 if self.refusing or shown != f"Bearer {self.token}" else 201)


@asynccontextmanager
async def _serving(servers: Servers, tls: ssl.SSLContext | None = None) -> AsyncIterator[Servers]:
    servers.open.set()
    app = web.Application()
    app.add_routes([web.post("/token", servers.give), web.post("/messages", servers.take)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    servers.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield servers
    finally:
        await runner.cleanup()


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    """Return the servers, in the open on this machine."""
    async with _serving(Servers()) as running:
        yield running


@pytest.fixture
async def opened() -> AsyncIterator[AsyncExitStack]:
    """Return what closes the portals of the test."""
    async with AsyncExitStack() as stack:
        yield stack


def _portal(servers: Servers, opened: AsyncExitStack, clock: Any, **settings: object) -> Provider:
    """Return the portal as the settings of a process have it."""
    named = {f"HERAUT_PORTAL_{name}": str(value) for name, value in settings.items()}
    config = load(PortalConfig, {"HERAUT_PORTAL_URL": servers.url} | named)
    portal = open_provider(Channel.PORTAL, config, clock)
    opened.push_async_callback(portal.close)
    return portal


def _by_oauth(servers: Servers, opened: AsyncExitStack, clock: Any, **settings: object) -> Provider:
    given: dict[str, object] = {"OAUTH_URL": f"{servers.url}/token", "OAUTH_CLIENT": "heraut:1"}
    return _portal(servers, opened, clock, **given | {"OAUTH_SECRET": _SECRET} | settings)


async def _send(portal: Provider, count: int = 1) -> HandOver:
    return await portal.hand_over(some_work(count, Channel.PORTAL), lambda: True)


def _endings(handed: HandOver) -> set[Ending]:
    return {result.ending for result in handed.results}


async def test_one_token_serves_all_messages(servers: Servers, opened: AsyncExitStack) -> None:
    """However many are sent at once, one is asked for, as RFC 6749 has it: 4.4.2, and 2.3.1 for who asks."""
    portal = _by_oauth(servers, opened, FakeClock(), OAUTH_SCOPE="messages.write messages.read")
    handed = await _send(portal, 40)
    await _send(portal)

    assert {Ending.ACCEPTED} == _endings(handed)
    assert [{
        "grant_type": "client_credentials", "scope": "messages.write messages.read",
        "who": "heraut%3A1:a+secret%3A+100%25+%2F+ours",
    }] == servers.asked  # fmt: skip
    assert ["Bearer t1"] * 41 == servers.messages


@pytest.mark.parametrize(
    ("life", "before"), [(3600, 3539.0), ("3600", 3539.0), (40, 19.0), (None, 239.0), (True, 239.0), (0, 239.0)]
)
async def test_a_token_is_renewed_before_it_ends(
    servers: Servers, opened: AsyncExitStack, life: object, before: float
) -> None:
    """A minute before, or after half of a short life; one whose end nobody tells serves five minutes."""
    servers.life = life
    clock = FakeClock()
    portal = _by_oauth(servers, opened, clock)
    await _send(portal)
    clock.advance(before)
    await _send(portal)
    asked = len(servers.asked)
    servers.token = "t2"
    clock.advance(1.0)
    await _send(portal)

    assert (1, 2) == (asked, len(servers.asked))
    assert ["Bearer t1", "Bearer t1", "Bearer t2"] == servers.messages


async def test_a_token_goes_on_while_there_is_no_new_one(servers: Servers, opened: AsyncExitStack) -> None:
    """Who gives tokens may be away for the last minute of one, and is not hammered meanwhile."""
    clock = FakeClock()
    portal = _by_oauth(servers, opened, clock)
    await _send(portal)
    servers.answer = (503, {})
    clock.advance(3550)
    handed = [await _send(portal, 5) for _ in range(2)]
    asked = len(servers.asked)
    clock.advance(51)
    late = await _send(portal, 5)
    servers.answer = None
    clock.advance(6)

    assert ([{Ending.ACCEPTED}] * 2, 2) == ([_endings(one) for one in handed], asked)
    assert ({Ending.NOT_SENT}, True) == (_endings(late), late.outage is not None)
    assert {Ending.ACCEPTED} == _endings(await _send(portal))


async def test_a_token_that_was_taken_back_is_replaced_once(servers: Servers, opened: AsyncExitStack) -> None:
    """Forty messages are refused with it at the same time; one new token is asked for, and all of them go out."""
    clock = FakeClock()
    portal = _by_oauth(servers, opened, clock)
    await _send(portal)
    servers.token = "t2"
    clock.advance(6)
    handed = await _send(portal, 40)

    assert {Ending.ACCEPTED} == _endings(handed)
    assert 2 == len(servers.asked)
    assert 40 == servers.messages.count("Bearer t2")


async def test_a_portal_that_refuses_each_token_is_at_fault_and_nobody_else(
    messages: Bench, servers: Servers, opened: AsyncExitStack
) -> None:
    """One renewal, and then the channel pauses with everything open: nobody goes to paper for it."""
    messages.breaker = Breaker(BreakerPolicy(first_probe=0.2, slowest_probe=0.4))
    notices = some_notices(30)
    await messages.seal(notices, [a_payload(portalId=f"portal-{at}") for at in range(30)])
    await messages.take(notices)
    servers.refusing = True

    async def paused() -> bool:
        return messages.paused("provider") > 0

    portal = _by_oauth(servers, opened, SystemClock())
    await messages.send(portal, until=paused)
    asked, waiting = len(servers.asked), await messages.states()
    servers.refusing = False
    await messages.send(portal)

    assert (1, {AttemptState.TAKEN: 30}) == (asked, waiting)
    assert [] == await messages.refused()
    assert {AttemptState.ACCEPTED: sorted(notices.ids)} == await messages.attempted()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {"error": "invalid_client", "error_description": "a secret"}), "token-invalid_client"),
        ((400, {"error": "made up by <them>"}), "token-http-400"),
        ((404, "gone"), "token-http-404"),
        ((302, {}), "token-http-302"),
        ((200, []), "token-answer-is-no-json"),
        ((200, {"access_token": "t", "token_type": "mac"}), "token-of-another-kind"),
        ((200, {"access_token": "t\r\nX: 1", "token_type": "bearer"}), "token-unreadable"),
        ((200, {"access_token": 1, "token_type": "bearer"}), "token-of-another-kind"),
        ((200, {"access_token": "t" * 70_000, "token_type": "bearer"}), "token-answer-is-no-json"),
        ((200, {"access_token": "t" * 8_001, "token_type": "bearer"}), "token-too-long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_who_gives_no_token_is_the_provider_at_fault(
    servers: Servers, opened: AsyncExitStack, answer: tuple[int, Any], reason: str
) -> None:
    """Nothing was sent and nobody is refused; the reason is a code, and repeats nothing that was answered."""
    servers.answer = answer
    handed = await _send(_by_oauth(servers, opened, FakeClock()), 3)

    assert {Result(Ending.HELD, reason, Blame.PROVIDER), Result(Ending.NOT_SENT)} >= set(handed.results)
    assert Result(Ending.HELD, reason, Blame.PROVIDER) in handed.results
    assert [] == servers.messages


@pytest.mark.parametrize(("status", "after"), [(503, 7.0), (429, 7.0), (500, 7.0)])
async def test_who_puts_us_off_is_left_alone(
    servers: Servers, opened: AsyncExitStack, status: int, after: float
) -> None:
    """An outage of who gives tokens is one of the portal: it passes, and costs nobody anything."""
    servers.answer, servers.retry_after = (status, {}), "7"
    handed = await _send(_by_oauth(servers, opened, FakeClock()), 3)

    assert ({Ending.NOT_SENT}, 1) == (_endings(handed), len(servers.asked))
    assert handed.outage
    assert after == handed.outage.after


async def test_closing_does_not_wait_for_a_token(servers: Servers, opened: AsyncExitStack) -> None:
    """A process that ends is not kept by a server that hangs."""
    servers.open.clear()
    portal = _by_oauth(servers, opened, FakeClock())
    sending = asyncio.create_task(_send(portal))
    while not servers.asked:  # noqa: ASYNC110 - the server tells by it
        await asyncio.sleep(0.01)
    await portal.close()

    assert {Ending.NOT_SENT} == _endings(await sending)
    servers.open.set()


async def test_a_secret_and_a_token_in_files_are_read_again(
    servers: Servers, opened: AsyncExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who renews them copies a file; one that lies open, or is no token, leaves what was there before."""
    file = tmp_path / "token"
    file.write_text("t1\n", encoding="utf-8")
    clock = FakeClock()
    portal = _portal(servers, opened, clock, TOKEN_FILE=file)
    endings = []
    for text, mode in (("t1", 0o600), ("no token", 0o600), ("t2", 0o622), ("t2", 0o600)):
        file.unlink()
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        servers.token = text if text != "no token" else servers.token
        endings.append(_endings(await _send(portal)))

    assert [{Ending.ACCEPTED}, {Ending.ACCEPTED}, {Ending.HELD}, {Ending.ACCEPTED}] == endings
    assert "no token" not in caplog.text


@pytest.fixture
def authority() -> Authority:
    """Return who signs both sides."""
    return made_authority()


def _demanding(authority: Authority, folder: Path) -> ssl.SSLContext:
    """Return how a server listens that lets in whom the authority knows, and nobody else."""
    (folder / "server.pem").write_bytes(authority.signed("127.0.0.1", ["127.0.0.1"]))
    (folder / "ca.pem").write_bytes(authority.pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_the_portal_knows_us_by_our_certificate(
    authority: Authority, opened: AsyncExitStack, tmp_path: Path
) -> None:
    """Token and messages go to who is proved, and come from who is proved; without a secret by that alone."""
    ours = tmp_path / "ours.pem"
    ours.write_bytes(authority.signed("heraut"))
    known = {"CERT": ours, "KEY": ours, "CA": tmp_path / "ca.pem", "OAUTH_SECRET": ""}
    async with _serving(Servers(), _demanding(authority, tmp_path)) as servers:
        first = await _send(_by_oauth(servers, opened, SystemClock(), **known), 10)
        form = dict(servers.asked[0])

        stranger = tmp_path / "stranger.pem"
        stranger.write_bytes(made_authority().signed("heraut"))
        unknown = _by_oauth(servers, opened, SystemClock(), **known | {"CERT": stranger, "KEY": stranger})
        refused = await _send(unknown, 10)
        stranger.write_bytes(authority.signed("heraut"))  # its renewal needs no restart
        await unknown.hand_over(some_work(1, Channel.PORTAL), lambda: True)

    assert {"grant_type": "client_credentials", "client_id": "heraut:1"} == form
    assert {Ending.ACCEPTED} == _endings(first)
    assert ({Ending.NOT_SENT}, True) == (_endings(refused), refused.outage is not None)
    assert 10 == len(servers.messages)


async def test_a_message_to_who_does_not_prove_it_is_the_portal_is_not_sent(
    authority: Authority, opened: AsyncExitStack, tmp_path: Path
) -> None:
    """Neither it nor a token, whatever name the other's certificate has; a client unknown there is an outage."""
    (tmp_path / "token").write_text("t1", encoding="utf-8")
    tls = _demanding(authority, tmp_path)
    (tmp_path / "other.pem").write_bytes(made_authority().pem)
    async with _serving(Servers(), tls) as servers:
        impostor = _portal(servers, opened, SystemClock(), TOKEN_FILE=tmp_path / "token", CA=tmp_path / "other.pem")
        unproved = await _send(impostor)
        nobody = _portal(servers, opened, SystemClock(), TOKEN_FILE=tmp_path / "token", CA=tmp_path / "ca.pem")
        unknown = await _send(nobody)

    assert ({Ending.NOT_SENT}, []) == (_endings(unproved), servers.messages)
    assert Ending.REFUSED not in _endings(unknown)
    assert unknown.outage


def test_a_certificate_that_cannot_be_used_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """Before anything is sent; a key that lies open is one too."""
    pair = tmp_path / "pair.pem"
    pair.write_bytes(made_authority().signed("heraut"))
    given: dict[str, str] = {"HERAUT_PORTAL_URL": "https://portal.example", "HERAUT_PORTAL_CERT": str(pair)}
    pair.chmod(0o622)
    with pytest.raises(ConfigError, match="open to others: chmod 600"):
        load(PortalConfig, given | {"HERAUT_PORTAL_KEY": str(pair)})
    config = load(PortalConfig, given | {"HERAUT_PORTAL_KEY": str(tmp_path / "none.pem")})
    with pytest.raises(ConfigError, match="HERAUT_PORTAL_CERT, HERAUT_PORTAL_KEY: No such file"):
        open_provider(Channel.PORTAL, config, SystemClock())
    config = load(PortalConfig, {"HERAUT_PORTAL_URL": "https://p.example", "HERAUT_PORTAL_CA": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match="HERAUT_PORTAL_CA: No such file"):
        open_provider(Channel.PORTAL, config, SystemClock())
