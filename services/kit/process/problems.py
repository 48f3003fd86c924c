"""Answers of kind `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

import orjson
from aiohttp import web

__all__ = ["DETAILS", "HEADERS", "PROBLEM_TYPE", "Problem", "problem_response", "raw_problem"]

PROBLEM_TYPE = "application/problem+json"
# Of every answer: API Design Rules (NL GOV) 2.2, transport security module.
HEADERS = {
    "API-Version": "1.0.0",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Server": "Heraut",  # and no versions of the libraries below
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# What is said of a status where nothing better is known.
DETAILS: Final[Mapping[int, str]] = MappingProxyType(
    {
        400: "The request is at fault; `problems` lists all faults that are known.",
        401: "A valid token is needed.",
        403: "The caller may not do this.",
        404: "There is nothing here under this name, or nothing that the caller sees.",
        405: "This path has other methods: `Allow` lists them.",
        408: "The body did not come in time.",
        409: "It goes against what stands; sent again, it does so again.",
        412: "It was changed meanwhile: read it again first.",
        413: "The body is larger than this path takes.",
        415: "The body is of a kind that this path does not take.",
        429: "Too often, or too much at once.",
        500: "The fault is ours, and is in the log under this request id.",
        503: "It cannot be done now; ask again in a moment.",
    }
)
# The last word of a problem's type where the problem does not say its own.
_KINDS: Final = {
    400: "bad-request", 401: "unknown-caller", 403: "not-permitted", 404: "not-found", 405: "method-not-allowed",
    408: "too-slow", 409: "conflict", 412: "changed-meanwhile", 413: "too-large", 415: "unsupported-kind",
    429: "too-often", 500: "our-fault", 503: "not-now",
}  # fmt: skip
_AGAIN: Final = {408: "1", 429: "60", 503: "5"}  # seconds, where the same request may succeed later


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """What went wrong with a request; no text of it repeats personal data.

    `kind` is the last word of its type, `urn:heraut:problem:<kind>`; where it is not given, the status says it.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(title)
        known = status if status in DETAILS else 500 if status >= 500 else 400
        self.body = {
            "type": f"urn:heraut:problem:{kind or _KINDS[known]}",
            "status": status,
            "title": title,
            "detail": detail or DETAILS[known],
            **extra,
        }
        self.status = status
        self.headers = {**({"Retry-After": _AGAIN[status]} if status in _AGAIN else {}), **(headers or {})}


def problem_response(problem: Problem, request_id: str) -> web.Response:
    """Return a problem as the answer to a request."""
    body = orjson.dumps(problem.body | {"requestId": request_id})
    return web.Response(status=problem.status, body=body, content_type=PROBLEM_TYPE, headers=problem.headers)


def raw_problem(problem: Problem, request_id: str) -> bytes:
    """Return a problem as the bytes of an answer after which the connection ends (RFC 9112)."""
    body = orjson.dumps(problem.body | {"requestId": request_id})
    lines = {"Content-Type": PROBLEM_TYPE, "Content-Length": len(body), "Connection": "close"}
    headers = HEADERS | {"X-Request-Id": request_id} | dict(problem.headers) | lines
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n{head}\r\n".encode() + body
