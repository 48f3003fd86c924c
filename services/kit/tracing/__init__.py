"""Traces of blocks and acts, for who asks for them: what followed from what, and where the time went.

Off unless HERAUT_OTLP_URL is set; then it needs the extra `heraut[otel]`, and without the setting nothing of that is
loaded. A span is of a block in a room, of an act of a caller, or of a hand-over to a provider: never of a person. What
led to a block travels as its header `traceparent` (W3C Trace Context), with further causes in `tracelinks`.
"""

from services.kit.tracing.choose import fault_of, open_tracing
from services.kit.tracing.context import (
    MOST_CAUSES,
    Causes,
    TraceParent,
    causes_of,
    current_causes,
    current_trace,
    headers_of,
    merged,
    read_causes,
    read_traceparent,
    text_of,
    without_causes,
)
from services.kit.tracing.port import NOT_TRACED, Kind, NotTraced, Span, Tracing

__all__ = [
    "MOST_CAUSES",
    "NOT_TRACED",
    "Causes",
    "Kind",
    "NotTraced",
    "Span",
    "TraceParent",
    "Tracing",
    "causes_of",
    "current_causes",
    "current_trace",
    "fault_of",
    "headers_of",
    "merged",
    "open_tracing",
    "read_causes",
    "read_traceparent",
    "text_of",
    "without_causes",
]
