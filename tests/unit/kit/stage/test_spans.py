"""What a block that goes out follows from, decided without I/O."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from services.kit.eventlog.port import Output, Record
from services.kit.process.metrics import new_registry
from services.kit.stage.context import StageContext
from services.kit.stage.metrics import StageMetrics
from services.kit.stage.plan import Read
from services.kit.stage.port import StagePolicy
from services.kit.stage.spans import batch_spans
from services.kit.testing import MemoryLog
from services.kit.tracing import NOT_TRACED, Causes, Kind, Span, TraceParent, Tracing, headers_of
from services.kit.tracing.port import Attributes

OWN, FOREIGN, OUT = "heraut.notices.released.v1", "heraut.cohort.v1", "heraut.members.accepted.v1"
HOP, ORIGIN = (TraceParent(digit * 32, digit * 16, sampled=True) for digit in "ab")


@dataclass
class _Written:
    """A span that only says what it was begun with, and how it ended."""

    causes: Causes
    led_to: Causes
    about: Attributes
    ended: list[Any] = field(default_factory=list)

    def here(self) -> AbstractContextManager[None]:
        return nullcontext()

    def end(self, about: Attributes, error: type[BaseException] | None = None) -> None:
        self.ended.append((about["heraut.outcome"], error))


@dataclass
class _Notebook:
    """Writes down the spans of a batch; the n-th is n."""

    is_on: bool = True
    spans: list[_Written] = field(default_factory=list)

    def begin(self, name: str, kind: Kind, causes: Causes, about: Attributes, since: int | None = None) -> Span:  # noqa: ARG002
        number = len(self.spans) + 1
        self.spans.append(_Written((TraceParent("c" * 32, f"{number:016x}", sampled=True),), causes, about))
        return self.spans[-1]

    async def close(self) -> None:
        return


def _context(tracing: Tracing) -> StageContext:
    return StageContext(
        stage="routing", topics=[OWN, FOREIGN], partitions=4, pool=cast("Any", None), log=MemoryLog(),
        handler=cast("Any", None), policy=StagePolicy(), metrics=StageMetrics("routing", new_registry()),
        tracing=tracing,
    )  # fmt: skip


def _read(topic: str, partition: int, causes: Causes = (), work: Any = None) -> Read:
    return Read(Record(topic, partition, 0, "", 0, 0, b"x", headers_of(causes)), work)


def _followed(reads: Sequence[Read], partition: int) -> list[int]:
    """Return the numbers of the blocks that one of a partition follows from."""
    with batch_spans(_context(_Notebook()), reads) as spans:
        (out,) = spans.marked([Output(OUT, partition, b"y")])
    return [int(cause.span_id, 16) for cause in out.causes]


def test_a_block_follows_from_those_of_its_partition() -> None:
    """One that none of its partition led to follows from all: deduplication moves people to other partitions."""
    reads = [_read(OWN, 1), _read(OWN, 2), _read(OWN, 1)]

    assert ([1, 3], [2], [1, 2, 3]) == (_followed(reads, 1), _followed(reads, 2), _followed(reads, 3))


def test_events_of_sources_may_lead_to_any_partition() -> None:
    """Their partitions are their sender's own, and say nothing of whose data is in them."""
    assert [1, 2] == _followed([_read(FOREIGN, 1), _read(FOREIGN, 2)], 2)


@dataclass(frozen=True)
class _Event:
    origin: TraceParent | None
    entries: int


@pytest.mark.parametrize(
    ("headers", "origin", "led_to"),
    [
        ((HOP,), ORIGIN, (HOP, ORIGIN)),
        ((), ORIGIN, (ORIGIN,)),
        ((HOP,), HOP, (HOP,)),
        ((HOP,), None, (HOP,)),
        ((), None, ()),
    ],
)
def test_what_an_event_says_of_its_origin_is_behind_its_last_hop(
    headers: Causes, origin: TraceParent | None, led_to: Causes
) -> None:
    """The header is the hop's (Trace Context), the extension the event's own (CloudEvents, distributed tracing)."""
    notebook = _Notebook()
    with batch_spans(_context(notebook), [_read(FOREIGN, 1, headers, _Event(origin, 7))]):
        pass

    assert (led_to, 7) == (notebook.spans[0].led_to, notebook.spans[0].about["heraut.entries"])
    assert [("done", None)] == notebook.spans[0].ended


def test_nothing_is_done_about_blocks_that_nobody_traces() -> None:
    """The very object for every batch, and the very blocks."""
    context, outputs = _context(NOT_TRACED), [Output(OUT, 1, b"y")]
    with batch_spans(context, [_read(OWN, 1, (HOP,))]) as spans:
        assert outputs is spans.marked(outputs)

    assert spans is batch_spans(context, [])
