"""Spans of a batch, where somebody asked for traces: one a block, from the transaction's begin to its end.

A block that goes out follows from the blocks of its partition that came in with its batch, and from those of other
systems, whose partitions are their own; where there are none, from the whole batch.
"""

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, Final, Protocol, Self

from services.kit.eventlog import Output, is_foreign
from services.kit.stage.context import StageContext
from services.kit.stage.faults import Remedy, remedy_for
from services.kit.stage.plan import Read
from services.kit.tracing import Causes, Kind, Span, causes_of, merged

__all__ = ["BatchSpans", "batch_spans", "traced_tick"]


class BatchSpans(Protocol):
    """The spans of a batch's blocks; they end with the context."""

    def __enter__(self) -> Self:
        """Begin; the spans have begun already."""
        ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the spans: the blocks are done, or come again."""
        ...

    def marked(self, outputs: list[Output]) -> list[Output]:
        """Return the blocks that go out, with what they follow from."""
        ...


def batch_spans(context: StageContext, taken: Sequence[Read]) -> BatchSpans:
    """Begin a span for each of these blocks, where blocks are traced."""
    return _Spans(context, taken) if context.tracing.is_on else _NO_SPANS


def traced_tick(context: StageContext, outputs: Sequence[Output], since: int) -> Sequence[Output]:
    """Return what a tick gives out, following from a span of the tick; `since`: when it began, in ns since 1970.

    There is a span for each thing that the blocks follow from, as the room says; what it says nothing of follows from
    all of that. A tick that gives out nothing is no span: there is one a second.
    """
    if not (context.tracing.is_on and outputs):
        return outputs
    everything = merged(output.causes for output in outputs)
    led_to = [output.causes or everything for output in outputs]
    spans = {causes: _of_tick(context, causes, since, led_to.count(causes)) for causes in dict.fromkeys(led_to)}
    return [output.caused_by(spans[causes]) for output, causes in zip(outputs, led_to, strict=True)]


def _of_tick(context: StageContext, led_to: Causes, since: int, blocks: int) -> Causes:
    """Make the span of a tick, which is over, and return what follows from it says."""
    about = {"messaging.batch.message_count": blocks}
    span = context.tracing.begin(f"tick {context.stage}", Kind.INTERNAL, led_to, about, since)
    span.end({})
    return span.causes


class _NoSpans:
    """Nothing is traced: one object for all batches."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def marked(self, outputs: list[Output]) -> list[Output]:
        """Return them as they are."""
        return outputs


_NO_SPANS: Final = _NoSpans()
_NOTHING: Mapping[str, str | int] = MappingProxyType({})


class _Spans:
    """A span for each block of a batch."""

    def __init__(self, context: StageContext, taken: Sequence[Read]) -> None:
        since = time.time_ns()
        self._spans = [(read, _begun(context, read, since)) for read in taken]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        for read, span in self._spans:
            if error is not None:
                span.end({"heraut.outcome": _outcome(error, alone=len(self._spans) == 1)}, kind)
            elif read.invalid is not None:
                span.end({"heraut.outcome": "set-aside"}, type(read.invalid))
            else:
                span.end({"heraut.outcome": "done"})

    def marked(self, outputs: list[Output]) -> list[Output]:
        """Return them with what they follow from."""
        causes = {partition: self._causes(partition) for partition in {output.partition for output in outputs}}
        return [output.caused_by(causes[output.partition]) for output in outputs]

    def _causes(self, partition: int) -> Causes:
        near = [span.causes for read, span in self._spans if _is_near(read, partition)]
        return merged(near or [span.causes for _, span in self._spans])


def _is_near(read: Read, partition: int) -> bool:
    return read.record.partition == partition or is_foreign(read.record.topic)


def _begun(context: StageContext, read: Read, since: int) -> Span:
    """Begin the span of a block; names are those of OpenTelemetry's conventions for messages, where it has them."""
    record = read.record
    about: dict[str, str | int] = {
        "messaging.system": "kafka" if context.log.outside_database else "postgresql",
        "messaging.operation.type": "process",
        "messaging.operation.name": context.stage,
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.message.body.size": len(record.value or b""),
        "heraut.source": record.source,
        "heraut.seq": record.seq,
        "heraut.waited_ms": max(0, since // 1_000_000 - record.at),
        **_told(read.work),
    }
    return context.tracing.begin(f"{context.stage} {record.topic}", Kind.CONSUMER, _led_to(read), about, since)


def _told(work: Any) -> Mapping[str, str | int]:
    """Return how many are in a block, where what the room made of it says so."""
    entries = getattr(work, "entries", None)
    return _NOTHING if entries is None else {"heraut.entries": entries}


def _led_to(read: Read) -> Causes:
    """Return what led to a block: its headers say so, or what it says itself of where it comes from (`origin`)."""
    origin = getattr(read.work, "origin", None)
    return merged([causes_of(read.record.headers), (origin,) if origin else ()])


def _outcome(error: BaseException, *, alone: bool) -> str:
    """Return what becomes of a block whose transaction failed: one that our code cannot digest stands still."""
    digestible = not isinstance(error, Exception) or remedy_for(error, 0) is not Remedy.CUT
    return "retried" if digestible or not alone else "stopped"
