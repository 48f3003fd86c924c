"""A person who comes through the identity provider, at a service's own routes."""

from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from aiohttp import web

from services.core.access import Act, Caller, Principal, Role
from services.kit.config import ServiceConfig, load
from services.kit.principals import Account, PrincipalsFile, authenticator_of
from services.kit.process import Route, json_response, serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.testing import FakeClock, make_principals
from tests.integration.identity_provider.server import DISCOVERY, ProviderServer, claims
from tests.unit.kit.principals.signers import AUDIENCE, OURS, STRANGER

ADA = Account(Principal("ada", frozenset({Role.AUDITOR})), subject="5f2a")


async def _name(_: web.Request, caller: Caller) -> web.StreamResponse:
    return json_response({"who": caller.principal.name})


async def _out_of_order(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def _face(provider: ProviderServer, path: Path, opened: AsyncExitStack) -> tuple[aiohttp.ClientSession, str]:
    """Return a client of a service, and a token of ours."""
    clock = FakeClock()
    token = make_principals(path, ADA)["ada"]
    settings = {"HERAUT_AUTH_OIDC_ISSUER": provider.url, "HERAUT_AUTH_AUDIENCE": AUDIENCE}
    authenticator = authenticator_of(load(ServiceConfig, settings), PrincipalsFile(path, clock), clock)
    opened.push_async_callback(authenticator.close)
    routes = [Route("GET", "/figures", Act.LEDGER_SHOWN, _name), Route("POST", "/release", Act.COHORT_RELEASED, _name)]
    app = web_app(Health("tracking", clock), new_registry(), authenticator, routes=routes)
    url = await opened.enter_async_context(serve_http(app, "127.0.0.1", 0))
    return await opened.enter_async_context(aiohttp.ClientSession(url)), token


async def test_a_person_has_the_roles_of_the_principals_file(
    provider: ProviderServer, tmp_path: Path, opened: AsyncExitStack
) -> None:
    """The provider says who it is, and the file what they may do: no claim opens anything, and a stranger is nobody."""
    session, _ = await _face(provider, tmp_path / "p.json", opened)
    tokens = [
        OURS.sign(claims(provider, roles=["operator"])),
        OURS.sign(claims(provider, sub="unknown")),
        STRANGER.sign(claims(provider)),
    ]
    found = []
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get("/figures", headers=headers) as shown, session.post("/release", headers=headers) as done:
            found.append((shown.status, done.status))

    assert [(200, 403), (401, 401), (401, 401)] == found


async def test_a_provider_that_is_away_is_a_passing_fault(
    provider: ProviderServer, tmp_path: Path, opened: AsyncExitStack
) -> None:
    """Who cannot be recognised now is told to come again, and those with tokens of ours are let in."""
    session, ours = await _face(provider, tmp_path / "p.json", opened)
    provider.trouble[DISCOVERY] = _out_of_order
    token = OURS.sign(claims(provider))
    async with session.get("/figures", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert (503, True) == (answer.status, "Retry-After" in answer.headers)
    async with session.get("/figures", headers={"Authorization": f"Bearer {ours}"}) as answer:
        assert 200 == answer.status
