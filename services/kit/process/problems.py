"""Answers of kind `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

__all__ = ["PROBLEM_TYPE", "Problem", "problem_response"]

PROBLEM_TYPE = "application/problem+json"


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
