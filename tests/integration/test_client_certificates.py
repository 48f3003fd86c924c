"""Callers who show a certificate (mutual TLS), at a service's own routes, with real certificates on real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import uvloop
from aiohttp import web
from click.testing import CliRunner

from deploy.certificates import Authority
from services.cli.client import trusting
from services.cli.commands.principal import principal
from services.core.access import Act, Caller, Principal, Role
from services.kit.certificate import OwnPair, listening
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError
from services.kit.principals import Account, PrincipalsFile, authenticator_of, changing, thumbprint_name
from services.kit.process import Route, json_response, main, serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.testing import FakeClock, make_principals
from tests.certificates import made_authority

ADA = Account(Principal("ada", frozenset({Role.AUDITOR})))


async def _name(_: web.Request, caller: Caller) -> web.StreamResponse:
    return json_response({"who": caller.principal.name})


class Place:
    """A folder with an authority, who serves under it, and the principals file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, FakeClock()
        self.authority = made_authority()
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.pem)
        self.server = self.signed("server", "127.0.0.1", ["127.0.0.1"])
        self.principals = folder / "principals.json"
        self.token = make_principals(self.principals, ADA)["ada"]

    def signed(self, file: str, name: str, hosts: list[str] | None = None, authority: Authority | None = None) -> Path:
        """Make a certificate with its key in a file of its own."""
        path = self.folder / f"{file}.pem"
        path.touch(mode=0o600)
        path.write_bytes((authority or self.authority).signed(name, hosts or []))
        return path

    def bind(self, name: str, *options: str) -> None:
        """Add a principal as an operator does."""
        arguments = ["add", name, "--role", "operator", "--no-token", *options, "--data", str(self.folder)]
        done = CliRunner().invoke(principal, arguments, catch_exceptions=False)
        assert 0 == done.exit_code, done.output

    @asynccontextmanager
    async def serving(self, **settings: str) -> AsyncIterator[str]:
        """Run a face of a service."""
        environ = {"HERAUT_TLS_CLIENT_CA": str(self.ca)} | settings
        authenticator = authenticator_of(
            load(ServiceConfig, environ), PrincipalsFile(self.principals, self.clock), self.clock
        )
        app = web_app(
            Health("tracking", self.clock), new_registry(), authenticator,
            routes=[Route("GET", "/figures", Act.LEDGER_SHOWN, _name)],
        )  # fmt: skip
        own = OwnPair(self.server, self.server, "HERAUT_TLS_*")
        async with serve_http(app, "127.0.0.1", 0, tls=listening(own, self.ca)) as url:
            yield url

    async def asked(
        self, url: str, path: str = "/figures", shown: Path | None = None, token: str | None = None
    ) -> tuple[int, str | None]:
        """Ask, and return the status and who it was, or why not."""
        context = trusting(self.server)
        if shown:
            context.load_cert_chain(shown)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession() as http, http.get(url + path, ssl=context, headers=headers) as answer:
            body: Mapping[str, str] = await answer.json(content_type=None)
            return answer.status, body.get("who") or body.get("detail")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return the place."""
    return Place(tmp_path)


_NO_TOKEN = (401, "A valid token is needed.")


async def test_a_caller_is_known_by_its_certificate(place: Place) -> None:
    """By this one alone, or by its subject, which a renewed one has too; a stranger of the authority's is nobody."""
    lab, other = place.signed("lab", "lab"), place.signed("other", "other")
    renewed = place.signed("renewed", "lab"), place.signed("renewed-other", "other")
    place.bind("lab", "--certificate", str(lab))
    place.bind("other", "--certificate-subject", "CN=other")
    async with place.serving() as url:
        found = [await place.asked(url, shown=shown) for shown in (lab, other, *renewed)]
        by_token = await place.asked(url, token=place.token)
        both = await place.asked(url, shown=lab, token=place.token)
        neither = await place.asked(url)

    assert [(200, "lab"), (200, "other"), _NO_TOKEN, (200, "other")] == found
    assert [(200, "ada"), (200, "ada"), _NO_TOKEN] == [by_token, both, neither]


async def test_who_is_revoked_is_nobody_a_second_later(place: Place) -> None:
    """On a connection that stands, too: the principals file says who is known, and the certificate only who it is."""
    lab = place.signed("lab", "lab")
    place.bind("lab", "--certificate", str(lab))
    async with place.serving() as url:
        before = await place.asked(url, shown=lab)
        with changing(place.principals) as change:
            change.accounts = change.accounts.without("lab")
        place.clock.advance(1)
        after = await place.asked(url, shown=lab)

    assert [(200, "lab"), _NO_TOKEN] == [before, after]


async def test_a_certificate_can_be_required_of_everybody(place: Place) -> None:
    """A stolen token opens nothing then without one; probes come without."""
    lab = place.signed("lab", "lab")
    async with place.serving(HERAUT_TLS_CLIENTS="required") as url:
        alone = await place.asked(url, token=place.token)
        both = await place.asked(url, shown=lab, token=place.token)
        probe = await place.asked(url, "/livez")

    assert [(401, "A certificate is needed."), (200, "ada"), (200, None)] == [alone, both, probe]


async def test_who_is_signed_by_somebody_else_is_not_even_heard(place: Place) -> None:
    """Whatever name it has: the connection ends in TLS."""
    place.bind("lab", "--certificate-subject", "CN=lab")
    forged = place.signed("forged", "lab", authority=made_authority())
    async with place.serving() as url:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await place.asked(url, shown=forged)


def test_the_loop_of_services_tells_certificates_too(place: Place) -> None:
    """Its connections are of its own kind."""
    lab = place.signed("lab", "lab")
    place.bind("lab", "--certificate", str(lab))

    async def ask() -> tuple[int, str | None]:
        async with place.serving() as url:
            return await place.asked(url, shown=lab)

    assert (200, "lab") == uvloop.run(ask())


def test_two_principals_share_no_certificate_and_no_slip_is_taken(place: Place) -> None:
    """What would leave open who it is is refused when it is written."""
    lab = place.signed("lab", "lab")
    place.bind("lab", "--certificate", str(lab))
    arguments = ["add", "x", "--role", "operator", "--no-token", "--data", str(place.folder)]
    said = [
        CliRunner().invoke(principal, [*arguments, *options]).output
        for options in (
            ("--certificate", str(lab)),
            ("--certificate", str(place.principals)),
            ("--certificate-subject", "lab"),
            ("--certificate-subject", "O=lab"),
        )
    ]
    expected = ("two principals have it", "no certificate in PEM", "--certificate-subject", "needs a common name")

    assert [] == [(word, one) for word, one in zip(expected, said, strict=True) if word not in one]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"HERAUT_TLS_CLIENTS": "required"}, "HERAUT_TLS_CLIENTS=required needs HERAUT_TLS_CLIENT_CA"),
        ({"HERAUT_TLS_CLIENT_CA": "/ca.pem"}, "HERAUT_TLS_CLIENT_CA: needs HERAUT_TLS_CERT"),
    ],
)
def test_settings_that_would_ask_nobody_are_refused(
    settings: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service does not start as if it were closed."""

    async def run(_config: ServiceConfig, _stop: asyncio.Event, _file: Path | None) -> None:
        raise AssertionError

    assert 2 == main("tracking", ServiceConfig, run, [], settings)
    assert said in capsys.readouterr().err


def test_check_config_says_whose_certificates_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside how callers come in."""
    files = {"HERAUT_TLS_CERT": "/c.pem", "HERAUT_TLS_KEY": "/k.pem", "HERAUT_TLS_CLIENT_CA": "/ca.pem"}

    async def run(_config: ServiceConfig, _stop: asyncio.Event, _file: Path | None) -> None:
        raise AssertionError

    status = main("tracking", ServiceConfig, run, ["--check-config"], files | {"HERAUT_TLS_CLIENTS": "required"})
    assert 0 == status
    assert "HERAUT_HTTP_HOST: TLS, verified; their certificates are required" in capsys.readouterr().out


def test_an_authority_that_cannot_be_read_is_a_fault_of_the_settings(place: Place) -> None:
    """In words."""
    with pytest.raises(ConfigError, match="HERAUT_TLS_CLIENT_CA: No such file"):
        listening(OwnPair(place.server, place.server, "HERAUT_TLS_*"), place.folder / "none.pem")
    assert thumbprint_name(b"").startswith("sha256:e3b0c442")
