"""Where something stands in a trace, and how that travels: W3C Trace Context (w3.org/TR/trace-context). Pure.

`tracestate`, which may come beside it, is not taken over: a caller could write anything into it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple

__all__ = [
    "MOST_CAUSES",
    "Causes",
    "TraceParent",
    "causes_of",
    "current_causes",
    "current_trace",
    "headers_of",
    "merged",
    "read_causes",
    "read_traceparent",
    "standing_at",
    "text_of",
    "without_causes",
]

# OpenTelemetry keeps so many links of a span (OTEL_SPAN_LINK_COUNT_LIMIT); their header takes 7 KB, and topics take a
# block of the largest size with it.
MOST_CAUSES: Final = 128
_PARENT, _LINKS = "traceparent", "tracelinks"  # headers of a block
# Version 00 has nothing behind the flags; what later ones add is left out (4.3).
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 1


class TraceParent(NamedTuple):
    """A span, as what follows from it names it. `sampled`: whether whoever began the trace keeps it."""

    trace_id: str  # 32 hex digits
    span_id: str  # 16
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


# What something follows from: the foremost first, which is its parent; the others are links.
Causes = tuple[TraceParent, ...]


def read_traceparent(text: object) -> TraceParent | None:
    """Read a `traceparent`; None where it is none. Then a new trace begins, and nobody is told of an error (3.4)."""
    found = _FORM.fullmatch(text.strip(" \t")) if isinstance(text, str) else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "00" and more:
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def causes_of(headers: Sequence[tuple[str, bytes]]) -> Causes:
    """Return what a block follows from, by its headers. Nearly every block has none."""
    if not headers:
        return ()
    texts: dict[str, str] = {}
    for name, value in headers:
        if name.lower() in {_PARENT, _LINKS}:
            texts[name.lower()] = value.decode("ascii", errors="replace")
    parent = read_traceparent(texts.get(_PARENT))
    if parent is None:
        return ()
    return merged([(parent,), read_causes(texts.get(_LINKS))])


def headers_of(causes: Causes) -> tuple[tuple[str, bytes], ...]:
    """Return the headers of a block that follows from these."""
    if not causes:
        return ()
    parent = ((_PARENT, str(causes[0]).encode()),)
    return (*parent, (_LINKS, text_of(causes[1:]).encode())) if causes[1:] else parent


def without_causes(headers: Sequence[tuple[str, bytes]]) -> tuple[tuple[str, bytes], ...]:
    """Return headers without those that say what a block follows from."""
    return tuple(header for header in headers if header[0].lower() not in {_PARENT, _LINKS})


def text_of(causes: Causes) -> str:
    """Return causes as a row may keep them; empty where there are none."""
    return ",".join(map(str, causes))


def read_causes(text: str | None) -> Causes:
    """Read what `text_of` wrote; None stands for none."""
    found = map(read_traceparent, text.split(",")) if text else ()
    return tuple(cause for cause in found if cause is not None)


def merged(several: Iterable[Causes]) -> Causes:
    """Return the causes of what follows from all of these, each once, the first ones first, as many as are kept."""
    found = dict.fromkeys(cause for causes in several for cause in causes)
    return tuple(found)[:MOST_CAUSES]


_current: ContextVar[Causes] = ContextVar("causes", default=())


def current_causes() -> Causes:
    """Return what whatever is done now follows from: the span of the request that asked for it; nothing elsewhere."""
    return _current.get()


def current_trace() -> dict[str, str]:
    """Return the fields of a log line that say where in a trace it stands; none where nothing is traced."""
    causes = _current.get()
    return {"trace_id": causes[0].trace_id, "span_id": causes[0].span_id} if causes else {}


@contextmanager
def standing_at(causes: Causes) -> Iterator[None]:
    """Let what is done meanwhile follow from these, in tasks that are begun meanwhile too."""
    token = _current.set(causes)
    try:
        yield
    finally:
        _current.reset(token)
