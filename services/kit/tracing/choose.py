"""Who traces: nobody, unless HERAUT_OTLP_URL says where spans go."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from prometheus_client import CollectorRegistry

from services.kit.certificate import calling
from services.kit.errors import ConfigError
from services.kit.tracing.metrics import SpanMetrics
from services.kit.tracing.port import NOT_TRACED, Tracing

__all__ = ["fault_of", "open_tracing"]

# What the extra brings, each by a module of it.
_NEEDED = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def fault_of(url: str | None) -> str | None:
    """Return why spans cannot be sent there with what is installed, None where they can, or nobody asked for it."""
    if not url or all(map(_is_there, _NEEDED)):
        return None
    return "HERAUT_OTLP_URL: the extra `otel` is not installed: pip install 'heraut[otel]', or unset it"


def open_tracing(
    url: str | None, stage: str, room: str, registry: CollectorRegistry, authorities: Path | None = None
) -> Tracing:
    """Return what traces a process of this stage; it is closed by its user. Its counters are there in any case, at 0.

    `authorities` signed the collector's certificate; None = those whom this machine trusts. Raises ConfigError where
    they cannot be read, the extra is missing, or a variable of OpenTelemetry's own (OTEL_*) is wrong.
    """
    metrics = SpanMetrics(room, registry)
    if not url:
        return NOT_TRACED
    if fault := fault_of(url):
        raise ConfigError(fault)
    if authorities is not None:
        calling(authorities, "HERAUT_OTLP_CA")
    adapter: ModuleType = import_module("services.kit.tracing.otel")
    try:
        tracing: Tracing = adapter.OtelTracing(url, stage, room, metrics, authorities)
    except ValueError as error:
        raise ConfigError(f"OTEL_* settings: {error}") from None
    return tracing


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # no parent of it is there
        return False
