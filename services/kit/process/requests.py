"""How many requests came to which route, how they ended, and how long they took: those that were refused, too."""

import time
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["RequestMetrics"]

# From a health check to an upload of a million records.
_BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_NO_ROUTE: Final = "none"  # whatever was asked for: a path could hold anything, and there is no end of paths
_GONE: Final = "499"  # the caller went away before the answer
# Counted from 0 on, so that the first is seen: who is not known, what we did wrong, an outage of ours.
_SEEN_AT_ONCE: Final = ("401", "500", "503")


class RequestMetrics:
    """Counts by the route's pattern, never by a path: labels are as many as there are routes."""

    def __init__(self, room: str, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            f"{room}_http_requests_total",
            "Requests by the pattern of their route and by their answer; 499: the caller went away.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            f"{room}_http_request_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def expect(self, method: str, route: str) -> None:
        """Count from 0 on what goes wrong at a route."""
        for status in _SEEN_AT_ONCE:
            self._requests.labels(method, route, status)

    @property
    def middleware(self) -> Middleware:
        """Return what counts, to stand outside all other middlewares."""

        @web.middleware
        async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
            began, status = time.monotonic(), _GONE
            try:
                response = await handler(request)
            except web.HTTPException as error:
                status = str(error.status)
                raise
            else:
                status = str(response.status)
                return response
            finally:
                self._count(request, status, time.monotonic() - began)

        return counted

    def _count(self, request: web.Request, status: str, seconds: float) -> None:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else _NO_ROUTE
        self._requests.labels(request.method if resource else _NO_ROUTE, route, status).inc()
        self._seconds.labels(route).observe(seconds)
