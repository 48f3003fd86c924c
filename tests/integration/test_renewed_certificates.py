"""Certificates are read again when they change: of each peer a real server, which goes over to another authority.

Every part is made once, on the loop that services run on, and sees three times: whom it trusts answers; the server has
gone over and is refused; we have gone over too, and it answers, with nothing restarted.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import uvloop
import yaml
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.certificates import Authority
from deploy.postgres.server import PostgresUnavailable, Server, running
from services.core.channel import Channel
from services.dispatch.channels import ADAPTERS, open_provider
from services.kit.certificate import OwnPair, calling, listening
from services.kit.clock import SystemClock
from services.kit.config import load
from services.kit.errors import RetryableError
from services.kit.eventlog.kafka.client import KafkaSettings, connected_admin
from services.kit.postgres.pool import connect_pool
from services.kit.process import serve_http
from tests.certificates import made_authority
from tests.kafka_fixtures import USERS, EnforcingBroker
from tests.unit.dispatch.people import some_work

ROOT = Path(__file__).parents[2]
Reaches = Callable[[], Awaitable[bool]]


class Files:
    """What the server shows, and whom the client trusts; a real authority signs."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second = made_authority(), made_authority()
        self.shown, self.trusted = folder / "shown.pem", folder / "trusted.pem"
        for path in (self.shown, self.trusted):
            path.touch(mode=0o600)
        self.show(self.first)
        self.trust(self.first)

    def show(self, authority: Authority) -> None:
        """Write what the server shows."""
        self.shown.write_bytes(authority.signed("127.0.0.1", ["127.0.0.1"]))

    def trust(self, authority: Authority) -> None:
        """Write whom the client trusts."""
        self.trusted.write_bytes(authority.pem)

    @property
    def pair(self) -> OwnPair:
        """The server's files."""
        return OwnPair(self.shown, self.shown, "HERAUT_TLS_*")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return the files."""
    return Files(tmp_path)


async def _nothing() -> None:
    """Do nothing: the server looks for itself."""


def _on_uvloop(work: Coroutine[Any, Any, list[bool]]) -> list[bool]:
    async def to_its_end() -> list[bool]:
        try:
            return await work
        finally:
            # A connection that was refused closes in its own time; nothing tells when, and uvloop warns of open ones.
            await asyncio.sleep(0.3)

    return uvloop.run(to_its_end())


async def _seen(files: Files, reaches: Reaches, changed: Callable[[], Awaitable[None]] = _nothing) -> list[bool]:
    """Go over to another authority, the server first, and return whether it was reached at each step."""
    seen = [await reaches()]
    files.show(files.second)
    await changed()
    seen.append(await reaches())
    files.trust(files.second)
    return [*seen, await reaches()]


def _goes_over(opened: Callable[[], "AsyncIterator[Reaches]"], files: Files) -> list[bool]:
    async def run() -> list[bool]:
        async with asynccontextmanager(opened)() as reaches:
            return await _seen(files, reaches)

    return _on_uvloop(run())


async def _answer(_: web.Request) -> web.StreamResponse:
    return web.Response(headers={"Connection": "close"})


def _app(method: str, path: str) -> web.Application:
    app = web.Application()
    app.router.add_route(method, path, _answer)
    return app


async def _asks(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def test_our_own_http_shows_what_lies_there_now(files: Files) -> None:
    """Certificate and key."""

    async def opened() -> AsyncIterator[Reaches]:
        connector = aiohttp.TCPConnector(ssl=calling(files.trusted, "CA"), force_close=True)
        async with (
            serve_http(_app("GET", "/"), "127.0.0.1", 0, tls=listening(files.pair)) as url,
            aiohttp.ClientSession(connector=connector) as http,
        ):
            yield lambda: _asks(http, url)

    assert [True, False, True] == _goes_over(opened, files)


def test_our_own_http_trusts_the_callers_authority_of_now(files: Files, tmp_path: Path) -> None:
    """Here the client is the one that has gone over first; who is not trusted any more does not get in."""
    (tmp_path / "served").mkdir()
    served = Files(tmp_path / "served")

    async def opened() -> AsyncIterator[Reaches]:
        app = web.Application()
        app.router.add_get("/", _shown)
        tls = listening(served.pair, files.trusted)
        connector = aiohttp.TCPConnector(ssl=calling(served.trusted, "CA", files.pair), force_close=True)
        async with (
            serve_http(app, "127.0.0.1", 0, tls=tls) as url,
            aiohttp.ClientSession(connector=connector) as http,
        ):
            yield lambda: _asks(http, url)

    assert [True, False, True] == _goes_over(opened, files)


async def _shown(request: web.Request) -> web.StreamResponse:
    connection = request.get_extra_info("ssl_object")
    return web.Response(status=200 if connection.getpeercert() else 401)


def test_the_portal_is_believed_by_the_authority_of_now(files: Files) -> None:
    """Messages wait meanwhile."""

    async def opened() -> AsyncIterator[Reaches]:
        async with serve_http(_app("POST", "/messages"), "127.0.0.1", 0, tls=listening(files.pair)) as url:
            settings = {"HERAUT_PORTAL_URL": url, "HERAUT_PORTAL_CA": str(files.trusted)}
            async with _provider(Channel.PORTAL, settings) as hands_over:
                yield hands_over

    assert [True, False, True] == _goes_over(opened, files)


class _Catcher:
    """A mail server that closes the connection once it has a mail, so that the next one begins anew."""

    taken = 0

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take it."""
        self.taken += 1
        return "421 come back"


def test_the_mail_server_is_believed_by_the_authority_of_now(files: Files) -> None:
    """No mail goes to who has another one."""

    async def opened() -> AsyncIterator[Reaches]:
        catcher = _Catcher()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(catcher, hostname="mail"), "127.0.0.1", 0, ssl=listening(files.pair)
        )
        port = server.sockets[0].getsockname()[1]
        settings = {"HERAUT_SMTP_URL": f"smtps://127.0.0.1:{port}", "HERAUT_SMTP_CA": str(files.trusted)}
        async with server, _provider(Channel.EMAIL, settings) as hands_over:

            async def reaches() -> bool:
                before = catcher.taken
                await hands_over()
                return catcher.taken > before

            yield reaches

    assert [True, False, True] == _goes_over(opened, files)


@asynccontextmanager
async def _provider(channel: Channel, settings: dict[str, str]) -> AsyncIterator[Reaches]:
    provider = open_provider(channel, load(ADAPTERS[channel].config, settings), SystemClock())

    async def hands_over() -> bool:
        return (await provider.hand_over(some_work(1, channel), lambda: True)).outage is None

    yield hands_over
    await provider.close()


@pytest.mark.kafka
def test_the_brokers_are_believed_by_the_authority_of_now(enforcing_broker: EnforcingBroker, tmp_path: Path) -> None:
    """A broker is restarted for another certificate, so here it is we who go over, and come back."""
    trusted = tmp_path / "trusted.pem"
    settings = KafkaSettings(
        bootstrap_servers=enforcing_broker.bootstrap, security_protocol="SASL_SSL", ssl_cafile=str(trusted),
        sasl_mechanism="PLAIN", sasl_username="heraut", sasl_password=USERS["heraut"],
    )  # fmt: skip
    ours, other = enforcing_broker.certificates.authority.read_bytes(), made_authority().pem

    async def reaches(authority: bytes) -> bool:
        await asyncio.to_thread(trusted.write_bytes, authority)
        try:
            async with connected_admin(settings):
                return True
        except RetryableError:
            return False

    async def run() -> list[bool]:
        return [await reaches(authority) for authority in (ours, other, ours)]

    assert [True, False, True] == _on_uvloop(run())


def _as_in_compose(files: Files) -> tuple[dict[str, bytes], list[str]]:
    """Return what the server of docker-compose.yml reads, and its settings; its files lie in its own folder here."""
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["postgres"][
        "command"
    ]
    options = [option.replace("/run/secrets", "{folder}").replace("/etc/heraut", "{folder}") for option in command[1:]]
    rules = (ROOT / "deploy" / "compose" / "pg_hba.conf").read_bytes()
    return {"certificate_postgres": files.shown.read_bytes(), "pg_hba.conf": rules}, options


@pytest.fixture
def compose_postgres(files: Files) -> Iterator[Server]:
    """Run a PostgreSQL by the settings of docker-compose.yml."""
    made, options = _as_in_compose(files)
    try:
        with running(made, options, "secret") as server:
            yield server
    except PostgresUnavailable as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no PostgreSQL in CI: {error}")
        pytest.skip(str(error))


async def _connects(url: str) -> bool:
    try:
        await (await asyncpg.connect(url)).close()
    except OSError:
        return False
    return True


def test_the_database_is_believed_by_the_authority_of_now(files: Files, compose_postgres: Server) -> None:
    """A pool's next connection; who comes in the open does not get in, with the right password."""
    place = f"postgresql://heraut:secret@127.0.0.1:{compose_postgres.port}/heraut"
    url = f"{place}?sslmode=verify-full&sslrootcert={files.trusted}"

    async def changed() -> None:
        compose_postgres.give("certificate_postgres", files.shown.read_bytes())
        compose_postgres.reload()
        other = files.trusted.with_name("other.pem")
        other.write_bytes(files.second.pem)
        async with asyncio.timeout(30):
            while not await _connects(f"{place}?sslmode=verify-full&sslrootcert={other}"):  # noqa: ASYNC110 - nobody says when it has read them
                await asyncio.sleep(0.05)

    async def run() -> list[bool]:
        owner = await asyncpg.connect(url)
        await owner.execute("create role heraut_routing")
        await owner.close()
        pool = await connect_pool(url, "routing")

        async def reaches() -> bool:
            await pool.expire_connections()
            try:
                async with pool.acquire() as connection:
                    return bool(await connection.fetchval("select true"))
            except OSError:
                return False

        seen = await _seen(files, reaches, changed)
        pool.terminate()
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no pg_hba"):
            await asyncpg.connect(f"{place}?sslmode=disable")
        return seen

    assert [True, False, True] == _on_uvloop(run())


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _halve(path: Path) -> None:
    path.write_bytes(b"half a certificate")


def test_files_with_a_fault_change_nothing_and_the_log_says_it_once(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever writes them does so in two steps; a key that lies open is a fault as well."""

    async def opened() -> AsyncIterator[Reaches]:
        connector = aiohttp.TCPConnector(ssl=calling(files.trusted, "HERAUT_X_CA"), force_close=True)
        async with (
            serve_http(_app("GET", "/"), "127.0.0.1", 0, tls=listening(files.pair)) as url,
            aiohttp.ClientSession(connector=connector) as http,
        ):
            yield lambda: _asks(http, url)

    async def run() -> list[bool]:
        seen = []
        async with asynccontextmanager(opened)() as reaches:
            for spoil in (_empty, _halve, Path.unlink):
                for path in (files.shown, files.trusted):
                    await asyncio.to_thread(spoil, path)
                seen += [await reaches(), await reaches()]
        return seen

    with caplog.at_level(logging.ERROR, "services.kit.certificate"):
        assert [True] * 6 == _on_uvloop(run())
    assert 6 == len(caplog.records)
    assert {"HERAUT_TLS_*", "HERAUT_X_CA"} == {record.getMessage().split(": ")[1] for record in caplog.records}
