"""The HTTP face of every process: liveness by progress, readiness, metrics, and the rules of all routes."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from services.core.access import Act, Caller
from services.kit.principals import Authenticator
from services.kit.process.guard import REQUEST_ID, GuardedHandler, Handler, Route, guarded, new_request_id
from services.kit.process.health import Health
from services.kit.process.problems import Problem, problem_response

__all__ = ["json_response", "serve_http", "web_app"]

logger = logging.getLogger(__name__)

_EVERY_PROCESS = ("/livez", "/readyz", "/metrics", "/openapi.json")
# API Design Rules (NL GOV) 2.2, transport security module.
_HEADERS = {
    "API-Version": "1.0.0",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Server": "Heraut",  # and no versions of the libraries below
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def web_app(
    health: Health,
    registry: CollectorRegistry,
    authenticator: Authenticator,
    *,
    openapi: Mapping[str, Any] | None = None,
    routes: Sequence[Route] = (),
) -> web.Application:
    """Build the application: three open paths, the metrics, and `routes`, each behind its guard.

    `client_max_size` stays small: uploads are streamed and never go through it.
    """
    app = web.Application(middlewares=[_request_ids, _headers, _problems])
    app.add_routes(
        [
            web.get("/livez", _answer(health.late)),
            web.get("/readyz", _answer(health.unready)),
            web.get("/openapi.json", _openapi(openapi or _minimal_openapi(health.name))),
        ]
    )
    for route in (Route("GET", "/metrics", Act.METRICS_READ, _metrics(registry)), *routes):
        # With GET comes HEAD.
        add = app.router.add_get if route.method == "GET" else partial(app.router.add_route, route.method)
        add(route.path, guarded(route, authenticator))
    return app


@asynccontextmanager
async def serve_http(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Listen while the context lasts; give the base URL, with the real port where 0 was asked for."""
    # Two seconds for open answers at the end: a scrape or a last upload chunk, not a whole upload.
    # A compressed body is handed on as it was sent: the route bounds its size and checks that it is whole.
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, auto_decompress=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=True)
        await site.start()
        bound_host, bound_port = runner.addresses[0][:2]
        shown = f"[{bound_host}]" if ":" in bound_host else bound_host
        yield f"http://{'127.0.0.1' if shown in {'0.0.0.0', '[::]'} else shown}:{bound_port}"  # noqa: S104
    finally:
        await runner.cleanup()


def _answer(faults: Callable[[], list[str]]) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        found = faults()
        return json_response({"ok": not found, "waitingFor": found}, 503 if found else 200)

    return answer


def _metrics(registry: CollectorRegistry) -> GuardedHandler:
    async def metrics(_: web.Request, _caller: Caller) -> web.StreamResponse:
        return web.Response(
            body=generate_latest(registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    return metrics


def _openapi(document: Mapping[str, Any]) -> Handler:
    body = orjson.dumps(document)

    async def openapi(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return openapi


def _minimal_openapi(name: str) -> dict[str, Any]:
    answer = {"responses": {"200": {"description": "OK"}, "503": {"description": "Not now"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Heraut {name}", "version": "1.0.0"},
        "paths": {path: {"get": answer} for path in _EVERY_PROCESS},
    }


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    headers = _HEADERS | {"X-Request-Id": request[REQUEST_ID]}
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(headers)
        raise
    if not response.prepared:
        for name, value in headers.items():
            response.headers.setdefault(name, value)
    return response


@web.middleware
async def _request_ids(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request an id, which its answer and its lines in the log carry."""
    request[REQUEST_ID] = new_request_id()
    return await handler(request)


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever handlers raise into problems. A bug is told in the log; its answer says only that there is one."""
    try:
        return await handler(request)
    except Problem as error:
        return problem_response(error, request[REQUEST_ID])
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: value for name, value in error.headers.items() if name == "Allow"}
        return problem_response(Problem(error.status, error.reason, headers=kept), request[REQUEST_ID])
    except Exception:
        logger.exception("a request failed", extra={"request_id": request[REQUEST_ID]})
        return problem_response(Problem(500, "That went wrong here"), request[REQUEST_ID])
