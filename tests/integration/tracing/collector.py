"""A collector of traces, as a backend would be: OTLP over HTTP, decoded by the contract's own code."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

__all__ = ["Collected", "Collector"]


@dataclass(frozen=True)
class Collected:
    """A span as it arrived. `links` are the spans that it is linked to."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent: str
    links: tuple[str, ...]
    about: Mapping[str, Any]
    failed: bool
    nanoseconds: int
    events: int


@dataclass
class Collector:
    """Takes spans. `status` is what it answers; it answers once `open` is set."""

    status: int = 200
    open: asyncio.Event = field(default_factory=asyncio.Event)
    spans: list[Collected] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    asked: int = 0
    url: str = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def serve(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Collector"]:
        """Listen as long as the context lasts; it answers at once."""
        self.open.set()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._take)
        server = TestServer(app, scheme="https" if tls else "http")
        await server.start_server(ssl=tls)
        async with server:
            self.url = str(server.make_url("")).rstrip("/")
            yield self
            self.open.set()

    async def until(self, holds: Callable[[list[Collected]], bool], seconds: float = 60.0) -> list[Collected]:
        """Wait until the spans are as they are to be; returns them."""
        async with asyncio.timeout(seconds):
            while not holds(self.spans):
                self._news.clear()
                await self._news.wait()
        return self.spans

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        self._news.set()
        body = await request.read()
        await self.open.wait()
        if self.status == 200:
            self.bodies.append(body)
            self.spans += _read(ExportTraceServiceRequest.FromString(body))
        self._news.set()
        return web.Response(status=self.status, content_type="application/x-protobuf")


def _read(request: ExportTraceServiceRequest) -> Iterator[Collected]:
    for resource in request.resource_spans:
        service = str(_values(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            yield from (_collected(service, span) for span in scope.spans)


def _collected(service: str, span: Span) -> Collected:
    return Collected(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple(link.span_id.hex() for link in span.links),
        _values(span.attributes),
        span.status.code == 2,
        span.end_time_unix_nano - span.start_time_unix_nano,
        len(span.events),
    )


def _values(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}
