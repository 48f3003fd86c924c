"""The HTTP face of every process: liveness, readiness, metrics, and the rules of all routes."""

import asyncio
import logging
import math
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qs

import orjson
from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry, generate_latest

from services.core.access import Act, Caller
from services.core.helpdesk import Helpdesk
from services.core.rooms import STAGES
from services.kit.errors import RetryableError
from services.kit.postgres import is_retryable
from services.kit.principals import Authenticator
from services.kit.process.guard import (
    REQUEST_ID,
    TRACE,
    GuardedHandler,
    Handler,
    OpenRoute,
    Route,
    guarded,
    new_request_id,
)
from services.kit.process.health import Health
from services.kit.process.listening import Limits, runner_of
from services.kit.process.openapi import BASE, described, with_helpdesk
from services.kit.process.problems import HEADERS, Problem, problem_response
from services.kit.process.requests import RequestMetrics
from services.kit.tracing import NOT_TRACED, Tracing

__all__ = ["figures_app", "json_response", "read_body", "read_form", "read_json", "serve_http", "web_app"]

logger = logging.getLogger(__name__)

_LIMITS: Final = web.AppKey("limits", Limits)
_FIELDS = 20  # of a form: more than any of ours has
_RETRY_AFTER = 5.0  # seconds: a database restarts or fails over in about so long


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")


async def read_json(request: web.Request) -> Any:
    """Return the body of a request, read whole: a megabyte at most, and within its time.

    Raises Problem, and what aiohttp raises where the body is too large.
    """
    try:
        return orjson.loads(await read_body(request))
    except orjson.JSONDecodeError:
        raise Problem(400, "The body is not JSON") from None


async def read_form(request: web.Request) -> dict[str, str]:
    """Return what a browser sends of a form, by field; bounds and faults are those of `read_json`."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(415, "The body is not a form")
    try:
        fields = parse_qs((await read_body(request)).decode(), max_num_fields=_FIELDS)
    except ValueError:  # bytes that are no text are one, too
        raise Problem(400, "The body is not a form") from None
    return {name: values[0] for name, values in fields.items()}


async def read_body(request: web.Request) -> bytes:
    """Return the bytes of a body; bounds and faults are those of `read_json`."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem(415, "Only members may come compressed")
    try:
        async with asyncio.timeout(request.app[_LIMITS].body_within):
            return await request.read()
    except TimeoutError:
        raise Problem(408, "The body did not come in time") from None
    except (ClientError, HttpProcessingError, ConnectionError):
        raise Problem(400, "The body broke off") from None


def web_app(
    health: Health,
    registry: CollectorRegistry,
    authenticator: Authenticator,
    *,
    openapi: Mapping[str, Any] | None = None,
    helpdesk: Helpdesk | None = None,
    routes: Sequence[Route] = (),
    open_routes: Sequence[OpenRoute] = (),
    tracing: Tracing = NOT_TRACED,
) -> web.Application:
    """Build the application: the open paths, the metrics, and `routes`, each behind its guard.

    `client_max_size` stays small: uploads are streamed and never go through it.
    """
    requests = RequestMetrics(STAGES.get(health.name, health.name), registry)
    app = _probed_app(health, requests)
    document = openapi or described(f"Heraut {health.name}", "How it is, and its figures.", {}, {})
    description = _openapi(with_helpdesk(document, helpdesk))
    for path in ("/openapi.json", f"{BASE}/openapi.json"):
        app.router.add_get(path, description)
    closed = (Route("GET", "/metrics", Act.METRICS_READ, _metrics(registry)), *routes)
    for route in closed:
        requests.expect(route.method, route.path)
    behind = [OpenRoute(one.method, one.path, guarded(one, authenticator, tracing)) for one in closed]
    for method, path, handler in (*open_routes, *behind):
        # With GET comes HEAD.
        add = app.router.add_get if method == "GET" else partial(app.router.add_route, method)
        add(path, handler)
    return app


def figures_app(health: Health, registry: CollectorRegistry) -> web.Application:
    """Build the application of a bind of its own: the probes, and the metrics without a guard."""

    async def metrics(_: web.Request) -> web.StreamResponse:
        return _figures(registry)

    app = _probed_app(health)
    app.router.add_get("/metrics", metrics)
    return app


def _probed_app(health: Health, requests: RequestMetrics | None = None) -> web.Application:
    """Return an application with the rules of all routes, and the probes.

    That the process answers is what being alive means: its loop turns. A restart mends no outage of anything else.
    """
    counted = [requests.middleware] if requests else []
    app = web.Application(middlewares=[*counted, _request_ids, _headers, _problems])
    app.router.add_get("/livez", _answer(list))
    app.router.add_get("/readyz", _answer(lambda: [*health.unready(), *health.late()]))
    return app


@asynccontextmanager
async def serve_http(
    app: web.Application,
    host: str,
    port: int,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    *,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """Listen while the context lasts; give the base URL, with the real port where 0 was asked for."""
    app[_LIMITS] = limits
    runner = runner_of(app, limits)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, reuse_address=True, ssl_context=tls)
        await site.start()
        bound_host, bound_port = runner.addresses[0][:2]
        shown = f"[{bound_host}]" if ":" in bound_host else bound_host
        yield f"http{'s' if tls else ''}://{'127.0.0.1' if shown in {'0.0.0.0', '[::]'} else shown}:{bound_port}"  # noqa: S104
    finally:
        await runner.cleanup()


def _answer(faults: Callable[[], list[str]]) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        if found := faults():
            raise Problem(503, "Not ready", f"It waits for {', '.join(found)}.", ok=False, waitingFor=found)
        return json_response({"ok": True, "waitingFor": []})

    return answer


def _metrics(registry: CollectorRegistry) -> GuardedHandler:
    async def metrics(_: web.Request, _caller: Caller) -> web.StreamResponse:
        return _figures(registry)

    return metrics


def _figures(registry: CollectorRegistry) -> web.Response:
    return web.Response(
        body=generate_latest(registry),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


def _openapi(document: Mapping[str, Any]) -> Handler:
    body = orjson.dumps(document)

    async def openapi(_: web.Request) -> web.StreamResponse:
        headers = {"Access-Control-Allow-Origin": "*"}  # what it says is no secret, and tools in browsers read it
        return web.Response(body=body, content_type="application/json", headers=headers)

    return openapi


@web.middleware
async def _headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    headers = HEADERS | {"X-Request-Id": request[REQUEST_ID]}
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
    except Exception as error:
        if is_retryable(error):
            told = {**_ids(request), "error_class": type(error).__name__}
            logger.warning("a request met an outage", extra=told)
            return problem_response(_outage(error), request[REQUEST_ID])
        logger.exception("a request failed", extra=_ids(request))
        return problem_response(Problem(500, "That went wrong here"), request[REQUEST_ID])


def _ids(request: web.Request) -> dict[str, str]:
    """Return the fields of a log line that say which request it is about, and in which trace."""
    return {"request_id": request[REQUEST_ID], **request.get(TRACE, {})}


def _outage(error: Exception) -> Problem:
    """Return the answer to who asked while something of ours was away."""
    ours = isinstance(error, RetryableError)
    after = (error.after if isinstance(error, RetryableError) else None) or _RETRY_AFTER
    detail = str(error) if ours else "The database does not answer. Ask again in a moment."
    return Problem(503, "Not now", detail, headers={"Retry-After": str(math.ceil(after))})
