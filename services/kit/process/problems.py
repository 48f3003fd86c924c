"""Answers of kind `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

__all__ = ["HEADERS", "PROBLEM_TYPE", "Problem", "problem_response", "raw_problem"]

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


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """What went wrong with a request; no text of it repeats personal data."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(title)
        self.body = {"status": status, "title": title, **({"detail": detail} if detail else {}), **extra}
        self.status = status
        self.headers = headers or {}


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
