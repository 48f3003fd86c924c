"""The server below the routes: how many may be connected, how long they may take, and its own word to them.

aiohttp bounds neither, and answers text/plain, with what was sent in it, where a request does not reach a route.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from aiohttp import web

from services.kit.process.guard import new_request_id
from services.kit.process.problems import HEADERS, Problem, problem_response, raw_problem

__all__ = ["Limits", "runner_of"]

logger = logging.getLogger(__name__)

_Handler = Callable[[Any], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process gives its callers. All times in seconds."""

    # Sources, operators and a few proxies; far below the 1,024 files that a process may have open by default.
    connections: int = 512
    headers_within: float = 20.0  # RFC 9112 has no figure; a slow modem sends 8 KB in two
    body_within: float = 30.0  # of what a route reads whole, so one megabyte at most
    kept_alive: float = 75.0  # longer than proxies keep an idle connection, so that they are the ones to close it


def runner_of(app: web.Application, limits: Limits) -> web.AppRunner:
    """Return what runs an application within limits."""
    return _Runner(app, limits)


class _Runner(web.AppRunner):
    """Runs an application within limits."""

    def __init__(self, app: web.Application, limits: Limits) -> None:
        # Two seconds for open answers at the end: a scrape or a last upload chunk, not a whole upload.
        # A compressed body is handed on as it was sent: the route bounds its size and checks that it is whole.
        self._settings: dict[str, Any] = {"keepalive_timeout": limits.kept_alive, "lingering_time": 5.0}
        self._settings |= {"auto_decompress": False, "access_log": None}
        self._limits = limits
        super().__init__(app, shutdown_timeout=2.0, **self._settings)

    async def _make_server(self) -> web.Server:
        """Put our connections in the place of aiohttp's, which offers no public way; a test notices if this ends."""
        made = await super()._make_server()
        handler: _Handler = made.request_handler
        return _Server(self._limits, _answering(handler), request_factory=made.request_factory, **self._settings)


class _Server(web.Server):
    """Makes a connection's protocol, and room for it."""

    def __init__(self, limits: Limits, handler: _Handler, **settings: Any) -> None:
        super().__init__(handler, **settings)
        self.limits = limits

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)

    def has_room(self) -> bool:
        """Tell whether one more may be connected; the oldest connection that waits for a request goes for it."""
        connections = self.connections
        if len(connections) < self.limits.connections:
            return True
        idle = next((one for one in connections if isinstance(one, _Connection) and one.is_idle), None)
        if idle is not None:
            idle.force_close()
        return idle is not None


class _Connection(web.RequestHandler):
    """One connection."""

    __slots__ = ("_headers_due", "_server")

    def __init__(self, server: _Server, **settings: Any) -> None:
        super().__init__(server, **settings)
        self._server = server
        self._headers_due: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request: none is whole, about to be answered, or being answered."""
        # Between a request's taking and its route's first step lies a turn of the loop, in which its body may come.
        return self.transport is not None and self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or say that there are too many."""
        if self._server.has_room():
            super().connection_made(transport)
            self._expect_headers()
            return
        self.close()
        problem = Problem(503, "Too many are connected", "Come back in a moment.", headers={"Retry-After": "5"})
        stream = cast("asyncio.Transport", transport)  # uvloop's under TLS is none by its class
        stream.write(raw_problem(problem, new_request_id()))
        stream.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._expect_nothing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that begin a request are to be followed soon by the rest of its headers."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._expect_nothing()
        elif self._headers_due is None and self.is_idle:
            self._expect_headers()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it has what was sent
    ) -> web.StreamResponse:
        """Answer what is no request, or a fault that no route told of; the connection ends."""
        if status >= 500:
            logger.error("a request failed below its route", extra={"error_class": type(exc).__name__})
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun")
        detail = "That is no HTTP request that can be read." if status == 400 else None
        response = _problem(Problem(status, HTTPStatus(status).phrase, detail))
        response.force_close()
        return response

    def _expect_headers(self) -> None:
        self._headers_due = self._loop.call_later(self._server.limits.headers_within, self.force_close)

    def _expect_nothing(self) -> None:
        if self._headers_due:
            self._headers_due.cancel()
            self._headers_due = None


def _answering(handler: _Handler) -> _Handler:
    """Return the handler that answers with a problem where aiohttp ends a request before any middleware runs."""

    async def answering(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return _problem(Problem(error.status, error.reason))

    return answering


def _problem(problem: Problem) -> web.Response:
    request_id = new_request_id()
    response = problem_response(problem, request_id)
    response.headers.update(HEADERS | {"X-Request-Id": request_id})
    return response
