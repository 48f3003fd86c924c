"""The guard of every route: who calls, may they do this, and the audit line that says what came of it."""

import base64
import binascii
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiohttp import web

from services.core.access import PERMITTED, RECORDED, Act, Caller, Principal
from services.kit.errors import RetryableError
from services.kit.postgres import is_retryable
from services.kit.principals import Authenticator, UnknownCaller
from services.kit.process.log import AUDIT
from services.kit.process.problems import Problem
from services.kit.tracing import Kind, Tracing, current_trace, read_traceparent

__all__ = ["REQUEST_ID", "TRACE", "GuardedHandler", "Handler", "OpenRoute", "Route", "guarded", "new_request_id"]

_audit = logging.getLogger(AUDIT)

REQUEST_ID: Final = web.RequestKey("request_id", str)  # of a request, set before any handler runs
TRACE: Final = web.RequestKey("trace", dict[str, str])  # of a request that is traced: what its log lines say of that
_REALM: Final = 'realm="Heraut"'

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
GuardedHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """A route that is open to who may do `act`.

    `browser`: people open it in a browser, which knows HTTP Basic (RFC 7617) and no bearer tokens: the token is the
    password then, and the user name may be anything.
    """

    method: str
    path: str
    act: Act
    handler: GuardedHandler
    browser: bool = False


class OpenRoute(NamedTuple):
    """A route for people whom nobody knows. What it tells, everybody may know, and it bounds how often it is asked."""

    method: str
    path: str
    handler: Handler


def new_request_id() -> str:
    """Return an id for a request. One that a caller sends is not taken over: it could hold anything."""
    return secrets.token_hex(8)


def guarded(route: Route, authenticator: Authenticator, tracing: Tracing) -> Handler:
    """Return the handler that lets through who may do the route's act, and writes the audit line.

    What has an audit line each time has a span, where somebody asked for traces: of callers who are known alone.
    """
    is_traced = tracing.is_on and route.act in RECORDED

    async def handler(request: web.Request) -> web.StreamResponse:
        trail = _Trail(route.act, request[REQUEST_ID])
        caller = Caller(await _recognise(request, route, authenticator, trail), trail.request_id)
        trail.caller = caller
        with _span(tracing, route, request, trail) if is_traced else nullcontext(), trail.written():
            if not caller.principal.may(route.act):
                raise _forbidden(route.act)
            response = await route.handler(request, caller)
            trail.status = response.status
            return response

    return handler


@contextmanager
def _span(tracing: Tracing, route: Route, request: web.Request, trail: "_Trail") -> Iterator[None]:
    """Trace a request: what is done meanwhile follows from it. Its path and its caller stay out: they name people."""
    given = [read_traceparent(text) for text in request.headers.getall("traceparent", ())]
    about = {"http.request.method": route.method, "http.route": route.path, "heraut.request_id": trail.request_id}
    causes = tuple(one for one in given if one) if len(given) == 1 else ()
    span = tracing.begin(f"{route.method} {route.path}", Kind.SERVER, causes, about)
    failed: type[BaseException] | None = None
    try:
        with span.here():
            request[TRACE] = current_trace()
            yield
    except Exception as error:
        failed = type(error) if trail.status >= 500 else None
        raise
    finally:
        span.end(trail.traced(), failed)


async def _recognise(request: web.Request, route: Route, authenticator: Authenticator, trail: "_Trail") -> Principal:
    try:
        credential = _credential(request.headers.get("Authorization", ""), route)
        return await authenticator.recognise(credential, _certificate(request))
    except UnknownCaller as error:
        trail.refuse(error.reason)
        challenge = f'Basic {_REALM}, charset="UTF-8"' if route.browser else f"Bearer {_REALM}"
        detail = "A certificate is needed." if error.reason == "no-certificate" else "A valid token is needed."
        raise Problem(401, "Who asks?", detail, headers={"WWW-Authenticate": challenge}) from None
    except RetryableError:
        trail.refuse("identity-provider-down")
        raise Problem(
            503, "Nobody can be recognised now", "The identity provider does not answer.", headers={"Retry-After": "5"}
        ) from None


def _certificate(request: web.Request) -> bytes | None:
    """Return the certificate that the caller showed, which TLS has verified; None where there is none."""
    connection = request.get_extra_info("ssl_object")
    return connection.getpeercert(binary_form=True) if connection else None


def _credential(header: str, route: Route) -> str:
    """Return what a caller shows, empty where it is nothing that this route takes."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() == "basic" and route.browser:
        try:
            return base64.b64decode(given, validate=True).partition(b":")[2].decode()
        except (binascii.Error, ValueError):
            return ""
    return ""


def _forbidden(act: Act) -> Problem:
    roles = ", ".join(sorted(PERMITTED[act]))
    return Problem(403, "Not permitted", f"{act.value} is for the roles: {roles}.")


@dataclass(slots=True)
class _Trail:
    """What an audit line says."""

    act: Act
    request_id: str
    caller: Caller | None = None
    status: int = 499  # as it stays where the caller went away before the answer

    def traced(self) -> dict[str, str | int]:
        """Return what a span says at its end."""
        about = {f"heraut.{key}": value for key, value in self._about.items()}
        return {"heraut.act": self._done.value, "http.response.status_code": self.status, **about}

    def refuse(self, reason: str) -> None:
        """Write the line of a caller who was not recognised."""
        _audit.warning("refused", extra={"act": self.act.value, "request_id": self.request_id, "reason": reason})

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write the line at the end, with the status that an error comes to."""
        started = time.monotonic()
        try:
            yield
        except Problem as error:
            self.status = error.status
            raise
        except web.HTTPException as error:
            self.status = error.status
            raise
        except Exception as error:
            self.status = 503 if is_retryable(error) else 500
            raise
        finally:
            if self.act in RECORDED or self.status == 403:
                self._write(time.monotonic() - started)

    def _write(self, seconds: float) -> None:
        assert self.caller is not None  # noqa: S101 - `written` comes after it was recognised
        _audit.info(
            "done" if self.status < 400 else "refused",
            extra={
                "act": self._done.value,
                "principal": self.caller.principal.name,
                "request_id": self.request_id,
                "status": self.status,
                "seconds": round(seconds, 3),
                **self._about,
            },
        )

    @property
    def _done(self) -> Act:
        return (self.caller.act if self.caller else None) or self.act

    @property
    def _about(self) -> dict[str, str]:
        """What it was about, as far as that is known."""
        if self.caller is None:
            return {}
        about = {"incident_id": self.caller.incident_id, "cohort_id": self.caller.cohort_id}
        return {key: value for key, value in about.items() if value is not None}
