"""A real server that plays the identity provider, and what tests ask of a verifier."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from services.kit.principals import OidcVerifier, RefusedToken
from tests.unit.kit.principals.signers import AUDIENCE, NOW, SIGNERS, Claims

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"
HOUR = 3600.0

Trouble = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ProviderServer:
    """An identity provider: it says where its keys are, and shows them, unless a trouble is set."""

    def __init__(self) -> None:
        self.url = ""
        self.keys: list[dict[str, Any]] = [signer.jwk() for signer in SIGNERS.values()]
        self.configuration: dict[str, Any] = {}
        self.trouble: dict[str, Trouble] = {}  # by path
        self.asked: list[str] = []
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application()
        app.add_routes([web.get("/{path:.*}", self._answer)])
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.arrived.set()
        await self.open.wait()
        if trouble := self.trouble.get(request.path):
            return await trouble(request)
        if request.path == DISCOVERY:
            return web.json_response({"issuer": self.url, "jwks_uri": self.url + KEYS} | self.configuration)
        return web.json_response({"keys": self.keys})


def _answering(text: str, status: int = 200, **headers: str) -> Trouble:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers)

    return answer


async def _breaking_off(request: web.Request) -> web.StreamResponse:
    assert request.transport
    request.transport.close()
    return web.Response()


async def _hanging(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    return web.Response()


async def _endless(request: web.Request) -> web.StreamResponse:
    """Send a key set that never ends, in parts."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b'{"keys": [')
    while True:
        await response.write(b" " * 8192)


async def _blown_up(_: web.Request) -> web.StreamResponse:
    """Send a small body that is a large one once it is unpacked, which nobody asked for."""
    return web.Response(body=gzip.compress(b'{"keys": []}' + b" " * 2**25), headers={"Content-Encoding": "gzip"})


TROUBLES = {
    "500": _answering('{"keys": []}', 500),
    "404": _answering("", 404),
    "redirect": _answering("", 302, Location="/elsewhere"),
    "no JSON": _answering("<html>"),
    "no object": _answering("[]"),
    "deep": _answering("[" * 60_000),
    "not what was asked for": _answering("{}"),
    "too long": _answering('{"keys": []}' + " " * 65_536),
    "endless": _endless,
    "blown up": _blown_up,
    "breaks off": _breaking_off,
    "hangs": _hanging,
}


def closed_after(verifier: OidcVerifier, opened: AsyncExitStack) -> OidcVerifier:
    """Return the verifier, which is closed at the end of the test."""
    opened.push_async_callback(verifier.close)
    return verifier


def claims(provider: ProviderServer, **changed: Any) -> Claims:
    """Return good claims for two days: here it is the keys that age."""
    people = {"iss": provider.url, "sub": "5f2a", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 48 * int(HOUR)}
    return people | changed


async def refusal(verifier: OidcVerifier, token: str) -> str:
    """Return why a token is refused; the error says nothing else."""
    with pytest.raises(RefusedToken) as refused:
        await verifier.verify(token)
    assert (refused.value.reason, None) == (str(refused.value), refused.value.__cause__)
    return refused.value.reason


async def opens(verifier: OidcVerifier, token: str) -> bool:
    """Tell whether a token opens for whom `claims` is about."""
    return "5f2a" == (await verifier.verify(token)).subject
