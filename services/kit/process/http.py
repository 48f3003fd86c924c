"""The HTTP face of every process: liveness by progress, readiness, metrics, and the rules of all routes."""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from services.kit.process.health import Health

__all__ = ["Problem", "json_response", "problem", "serve_http", "web_app"]

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_OPEN_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json"})
_PROBLEM = "application/problem+json"
# API Design Rules (NL GOV) 2.2, transport security module.
_HEADERS = {
    "API-Version": "1.0.0",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An answer of kind `application/problem+json` (RFC 9457); no text of it repeats personal data."""

    def __init__(self, status: int, title: str, detail: str | None = None, **extra: Any) -> None:
        super().__init__(title)
        self.body = {"status": status, "title": title, **({"detail": detail} if detail else {}), **extra}
        self.status = status


def problem(status: int, title: str, detail: str | None = None, **extra: Any) -> web.Response:
    """Return a problem as a response (RFC 9457)."""
    body = Problem(status, title, detail, **extra).body
    return web.Response(status=status, body=orjson.dumps(body), content_type=_PROBLEM)


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


def web_app(
    health: Health,
    registry: CollectorRegistry,
    *,
    token: str | None = None,
    openapi: Mapping[str, Any] | None = None,
    routes: Sequence[web.AbstractRouteDef] = (),
    public: frozenset[str] = frozenset(),
) -> web.Application:
    """Build the application: the four open paths, and `routes` behind the bearer `token`.

    `public` names further paths, whose routes check the caller themselves. `client_max_size` stays small: uploads
    are streamed and never go through it.
    """
    app = web.Application(middlewares=[_headers, _problems, _bearer(token, _OPEN_PATHS | public)])
    app.add_routes(
        [
            web.get("/livez", _answer(health.late)),
            web.get("/readyz", _answer(health.unready)),
            web.get("/metrics", _metrics(registry)),
            web.get("/openapi.json", _openapi(openapi or _minimal_openapi(health.name))),
            *routes,
        ]
    )
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


def _answer(faults: Callable[[], list[str]]) -> _Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        found = faults()
        return json_response({"ok": not found, "waitingFor": found}, 503 if found else 200)

    return answer


def _metrics(registry: CollectorRegistry) -> _Handler:
    async def metrics(_: web.Request) -> web.StreamResponse:
        return web.Response(
            body=generate_latest(registry),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    return metrics


def _openapi(document: Mapping[str, Any]) -> _Handler:
    body = orjson.dumps(document)

    async def openapi(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return openapi


def _minimal_openapi(name: str) -> dict[str, Any]:
    answer = {"responses": {"200": {"description": "OK"}, "503": {"description": "Not now"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Heraut {name}", "version": "1.0.0"},
        "paths": {path: {"get": answer} for path in sorted(_OPEN_PATHS)},
    }


@web.middleware
async def _headers(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(_HEADERS)
        raise
    if not response.prepared:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return response


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turn what handlers raise into problems; a bug still answers 500 and is logged by aiohttp's server log."""
    try:
        return await handler(request)
    except Problem as error:
        return web.Response(status=error.status, body=orjson.dumps(error.body), content_type=_PROBLEM)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = problem(error.status, error.reason)
        response.headers.update({k: v for k, v in error.headers.items() if k == "Allow"})
        return response


def _bearer(token: str | None, open_paths: frozenset[str]) -> Any:
    expected = f"Bearer {token}".encode() if token else None

    @web.middleware
    async def bearer(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.path not in open_paths:
            given = request.headers.get("Authorization", "").encode()
            # Without a token every request is refused: a forgotten setting must not open the service.
            if expected is None or not hmac.compare_digest(given, expected):
                response = problem(401, "Who asks?", "A valid bearer token is needed.")
                response.headers["WWW-Authenticate"] = "Bearer"
                return response
        return await handler(request)

    return bearer
