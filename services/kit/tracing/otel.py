"""Traces by OpenTelemetry, sent as OTLP over HTTP. Nothing else loads it, and `choose.py` this only where it is wanted.

What OpenTelemetry reads from the environment holds: OTEL_TRACES_SAMPLER, OTEL_BSP_*, OTEL_RESOURCE_ATTRIBUTES,
OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT and their like, but for the address, which is HERAUT_OTLP_URL. Spans
are sent by a thread, from a queue with a bound: a collector that is slow or away costs spans, and nothing else.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Thread
from types import MappingProxyType

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from requests import Session

from services.core.version import this_version
from services.kit.tracing.context import Causes, TraceParent, standing_at
from services.kit.tracing.metrics import SpanMetrics
from services.kit.tracing.port import Attributes, Kind

__all__ = ["OtelTracing"]

logger = logging.getLogger(__name__)

_KINDS: Mapping[Kind, SpanKind] = MappingProxyType({kind: SpanKind[kind.name] for kind in Kind})
# A collector that is there answers within one: nobody waits for one that is not, when a process is to end.
_CLOSE_SECONDS = 3.0
_CA = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE")
_QUEUE = 2048  # spans, as OTEL_BSP_MAX_QUEUE_SIZE has it by default: some megabytes


class OtelTracing:
    """Traces one process."""

    is_on = True

    def __init__(self, url: str, stage: str, room: str, metrics: SpanMetrics, authorities: Path | None) -> None:
        """Make it; `url` is the collector's base address. Raises ValueError for OTEL_* settings that are wrong."""
        # They repeat what a collector answers, once for each batch: `_Sent` says what matters.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        limit = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or _QUEUE)
        to, trusted = f"{url.rstrip('/')}/v1/traces", _trusted(authorities)
        queue = _Queue(OTLPSpanExporter(to, trusted, session=_session()), limit, metrics)
        about = {"service.namespace": "heraut", "service.name": stage, "service.version": this_version()}
        about["heraut.room"] = room
        given = Resource.create()  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over what is ours
        named = {key: value for key, value in given.attributes.items() if not str(value).startswith("unknown_service")}
        self._provider = TracerProvider(resource=Resource({**about, **named}), shutdown_on_exit=False)
        self._provider.add_span_processor(queue)
        self._tracer = self._provider.get_tracer("heraut", this_version())

    def begin(self, name: str, kind: Kind, causes: Causes, about: Attributes, since: int | None = None) -> "_OtelSpan":
        """Begin a span that follows from these: a child of the first, with links to the others."""
        # A context of its own: whatever stands in the current one is nobody's parent.
        context = set_span_in_context(NonRecordingSpan(_theirs(causes[0])), Context()) if causes else Context()
        links = [Link(_theirs(cause)) for cause in causes[1:]]
        return _OtelSpan(self._tracer.start_span(name, context, _KINDS[kind], dict(about), links, since))

    async def close(self) -> None:
        """Send what is left, for some seconds at most."""
        done, loop = asyncio.Event(), asyncio.get_running_loop()

        def shut() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop did not wait so long
                loop.call_soon_threadsafe(done.set)

        # Not a thread of the loop's own pool: the loop would wait for it in the end.
        Thread(target=shut, name="close traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await done.wait()


class _OtelSpan:
    """A span of OpenTelemetry."""

    def __init__(self, span: Span) -> None:
        self._span = span
        at = span.get_span_context()
        own = TraceParent(f"{at.trace_id:032x}", f"{at.span_id:016x}", at.trace_flags.sampled)
        self.causes: Causes = (own,) if at.is_valid else ()

    def here(self) -> AbstractContextManager[None]:
        """Let what is done meanwhile follow from this span."""
        return standing_at(self.causes)

    def end(self, about: Attributes, error: type[BaseException] | None = None) -> None:
        """Say how it ended."""
        self._span.set_attributes(dict(about))
        if error is not None:
            self._span.set_attribute("error.type", error.__qualname__)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class _Queue(SpanProcessor):
    """Lets spans into the queue as long as there is room, and counts those that are lost.

    The queue behind it has the same bound, so it never drops one unseen.
    """

    def __init__(self, exporter: SpanExporter, limit: int, metrics: SpanMetrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._sent = _Sent(exporter, self._metrics)
        self._in = 0  # counted by the loop's thread alone, as what left is by the sender's
        self._behind = BatchSpanProcessor(self._sent, max_queue_size=limit)

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Nothing is kept of a span that has not ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span that is to be kept."""
        if not (span.context and span.context.trace_flags.sampled):
            return
        if self._in - self._sent.out >= self._limit:
            self._metrics.queue_full.inc()
            return
        self._in += 1
        self._behind.on_end(span)

    def shutdown(self) -> None:
        """Send what is left."""
        self._behind.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int | None = 30_000) -> bool:
        """Send what is there."""
        return self._behind.force_flush(timeout_millis)


class _Sent(SpanExporter):
    """Sends spans on, counts those that were not taken, and says so once for each time that the collector is away."""

    def __init__(self, exporter: SpanExporter, metrics: SpanMetrics) -> None:
        self._exporter = exporter
        self._metrics = metrics
        self._away = False
        self.out = 0  # spans that left the queue

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        self.out += len(spans)
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - whatever it is, these spans are lost, and nothing else may be
            result = SpanExportResult.FAILURE
        taken = result is SpanExportResult.SUCCESS
        (self._metrics.sent if taken else self._metrics.not_taken).inc(len(spans))
        if taken == self._away:
            self._away = not taken
            logger.warning("the collector takes traces again" if taken else "the collector takes no traces")
        return result

    def shutdown(self) -> None:
        """Let go of connections."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Nothing is kept here."""
        return True


def _session() -> Session:
    """Return a session that asks no proxy of the environment, and no file of passwords there."""
    session = Session()
    session.trust_env = False
    return session


def _trusted(authorities: Path | None) -> str | None:
    """Return the file of those whose certificates count: without it the client would go by a list of its own.

    None: as OpenTelemetry's own variable says.
    """
    if authorities is None and any(os.environ.get(name) for name in _CA):
        return None
    return str(authorities) if authorities else ssl.get_default_verify_paths().cafile


def _theirs(cause: TraceParent) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if cause.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(cause.trace_id, 16), int(cause.span_id, 16), is_remote=True, trace_flags=flags)
