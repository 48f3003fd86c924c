"""The server below the routes: what is no request, who sends nothing, who is one too many, over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiohttp import web

from services.core.access import Act, Caller, Principal, Role
from services.kit.config import ServiceConfig, load
from services.kit.errors import RetryableError
from services.kit.principals import PrincipalsFile, authenticator_of
from services.kit.process import Limits, Route, json_response, read_json, serve_http, web_app
from services.kit.process.health import Health
from services.kit.process.metrics import new_registry
from services.kit.testing import FakeClock, make_principals

Asked = tuple[str, dict[str, str], Any]


async def _lost(_: web.Request, _caller: Caller) -> web.StreamResponse:
    raise asyncpg.InternalClientError("got result for unknown protocol state 3: Jansen")


async def _later(_: web.Request, _caller: Caller) -> web.StreamResponse:
    raise RetryableError("the log is away", after=7.0)


async def _read(request: web.Request, _caller: Caller) -> web.StreamResponse:
    return json_response({"read": len(orjson.dumps(await read_json(request)))})


class Server:
    """A running server, and a client that writes bytes of its own choice."""

    def __init__(self, url: str, token: str, stack: AsyncExitStack) -> None:
        self.port = int(url.rsplit(":", 1)[1])
        self.token, self._stack = token, stack

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; the connection is closed at the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._stack.callback(writer.close)
        return reader, writer

    async def ask(self, path: str, *headers: str, body: bytes = b"", token: bytes | None = None) -> Asked:
        """Ask for something that is there, with the operator's token or another; returns status, headers and body."""
        reader, writer = await self.connect()
        shown = b"Authorization: Bearer " + (self.token.encode() if token is None else token)
        lines = [f"{'POST' if body else 'GET'} {path} HTTP/1.1".encode(), b"Host: x", shown, *map(str.encode, headers)]
        if body:
            lines.append(f"Content-Length: {len(body)}".encode())
        writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
        return await answer(reader)


async def answer(reader: asyncio.StreamReader) -> Asked:
    """Read an answer; returns its status, headers and decoded body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return status.partition(" ")[2], headers, orjson.loads(body)


Serving = Callable[[Limits], Any]


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    """Return a function that starts a server within limits."""
    path, clock = tmp_path / "principals.json", FakeClock()
    tokens = make_principals(path, Principal("operator", frozenset({Role.OPERATOR})))
    authenticator = authenticator_of(
        load(ServiceConfig, {"HERAUT_PRINCIPALS_FILE": str(path)}), PrincipalsFile(path, clock), clock
    )
    routes = [
        Route("GET", "/lost", Act.LEDGER_SHOWN, _lost),
        Route("GET", "/later", Act.LEDGER_SHOWN, _later),
        Route("POST", "/read", Act.LEDGER_SHOWN, _read),
    ]
    async with AsyncExitStack() as stack:

        async def start(limits: Limits) -> Server:
            app = web_app(Health("x", clock), new_registry(), authenticator, routes=routes)
            url = await stack.enter_async_context(serve_http(app, "127.0.0.1", 0, limits))
            return Server(url, tokens["operator"], stack)

        yield start


@pytest.mark.parametrize(
    ("path", "after"),
    [("/lost", "5"), ("/later", "7")],
)
async def test_an_outage_of_ours_is_a_503(serving: Serving, path: str, after: str) -> None:
    """A database that dies in the middle of an answer is no fault of the request: it may be sent again."""
    server = await serving(Limits())
    status, headers, body = await server.ask(path)

    assert ("503 Service Unavailable", "application/problem+json", after) == (
        status,
        headers["content-type"],
        headers["retry-after"],
    )
    assert "Jansen" not in str(body)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 what is this\r\n\r\n", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nJansen\r\n\r\n", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: Jansen\r\n\r\n", "417 Expectation Failed"),
        (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404 Not Found"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "400 Bad Request"),
        (b"PUT /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "405 Method Not Allowed"),
    ],
)
async def test_every_error_is_a_problem(serving: Serving, sent: bytes, status: str) -> None:
    """Also of what never reaches a route: a problem, with the rules of all answers, that repeats nothing."""
    reader, writer = await (await serving(Limits())).connect()
    writer.write(sent)
    answered, headers, body = await answer(reader)

    assert (status, "application/problem+json", "Heraut") == (answered, headers["content-type"], headers["server"])
    assert int(status[:3]) == body["status"]
    assert body["requestId"] == headers["x-request-id"]
    assert "Jansen" not in str(body)


@pytest.mark.parametrize(
    "token",
    [
        b"\xe9",
        b"\xff\xfe.\xe9.\xe9",
        b"W1tb" * 1_900 + b".e30.AA",  # JSON with 5,700 brackets to open
        b"eyJhbGciOiJSUzI1NiIsImtpZCI6" + b"MTEx" * 1_800 + b"fQ.e30.AA",  # a number of 5,400 digits
    ],
)
async def test_no_credential_is_a_fault_of_ours(serving: Serving, token: bytes) -> None:
    """Bytes that are no text, and JSON that no parser likes, are nobody's token."""
    status, headers, _ = await (await serving(Limits())).ask("/later", token=token)

    assert ("401 Unauthorized", "application/problem+json") == (status, headers["content-type"])


@pytest.mark.parametrize("begun", [b"", b"GET /livez HTTP/1.1\r\nHost:"])
@pytest.mark.parametrize("before", [0, 1])
async def test_headers_come_soon_or_the_connection_ends(serving: Serving, begun: bytes, before: int) -> None:
    """Who connects and says nothing, or half of a request, also after a whole one, is let go of."""
    limits = Limits(headers_within=0.05, kept_alive=0.05 if not begun else 75.0)
    reader, writer = await (await serving(limits)).connect()
    for _ in range(before):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        await answer(reader)
    writer.write(begun)

    assert b"" == await asyncio.wait_for(reader.read(), 5)


async def test_a_body_may_come_longer_than_headers(serving: Serving) -> None:
    """Bytes of a body that come before its route began are no begun headers: the upload is not cut off after those."""
    server, length = await serving(Limits(headers_within=0.05)), 500_000
    reader, writer = await server.connect()
    writer.write(f"POST /read HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n".encode())
    writer.write(f"Connection: close\r\nContent-Length: {length}\r\n\r\n".encode())
    loop = asyncio.get_running_loop()
    until, sent = loop.time() + 0.2, 0
    while loop.time() < until and sent < length - 2:
        writer.write(b" ")  # one in each turn of the loop, so one in the turn before the route begins
        sent += 1
        await asyncio.sleep(0)
    writer.write(b"[]".rjust(length - sent))
    status, _, _ = await asyncio.wait_for(answer(reader), 5)

    assert "200 OK" == status


async def test_a_body_comes_soon_as_well(serving: Serving) -> None:
    """What a route reads whole has its time; who is slower is told so."""
    server = await serving(Limits(body_within=0.05))
    reader, writer = await server.connect()
    writer.write(f"POST /read HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n".encode())
    writer.write(b"Connection: close\r\nContent-Length: 100\r\n\r\n{")
    status, headers, _ = await asyncio.wait_for(answer(reader), 5)

    assert ("408 Request Timeout", "application/problem+json") == (status, headers["content-type"])


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"[" * 2_000 + b"]" * 2_000, "identity", "400 Bad Request"),
        (b"\xff", "identity", "400 Bad Request"),
        (b"[1e999]", "identity", "400 Bad Request"),
        (b'"' + b"a" * 2**20 + b'"', "identity", "413 Request Entity Too Large"),
        (b"{}", "gzip", "415 Unsupported Media Type"),
        (b"[]", "identity", "200 OK"),
    ],
)
async def test_a_body_is_bounded(serving: Serving, body: bytes, encoding: str, status: str) -> None:
    """In size and depth: what is beyond is the sender's fault."""
    answered, _, _ = await (await serving(Limits())).ask("/read", f"Content-Encoding: {encoding}", body=body)

    assert status == answered


async def test_who_asks_nothing_makes_room(serving: Serving) -> None:
    """Where all connections are taken, the oldest that waits for a request ends, and the newest is served."""
    server = await serving(Limits(connections=2))
    idle, _ = await server.connect()
    await server.connect()
    assert "200 OK" == (await server.ask("/livez"))[0]
    assert b"" == await asyncio.wait_for(idle.read(), 5)


async def test_one_too_many_is_told_to_come_back(serving: Serving) -> None:
    """Where every connection is busy, a new one gets a 503 with the time to wait."""
    server = await serving(Limits(connections=1))
    sees, busy = await server.connect()
    busy.write(f"POST /read HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n".encode())
    busy.write(b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
    await sees.readuntil(b"\r\n\r\n")  # it is read by the route now
    reader, _ = await server.connect()
    status, headers, body = await asyncio.wait_for(answer(reader), 5)

    assert ("503 Service Unavailable", "5", 503) == (status, headers["retry-after"], body["status"])
