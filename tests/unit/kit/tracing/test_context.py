"""What names a span travels whole, and nothing malformed goes with it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.eventlog import Output
from services.kit.tracing import (
    MOST_CAUSES,
    TraceParent,
    causes_of,
    current_causes,
    current_trace,
    headers_of,
    merged,
    read_causes,
    read_traceparent,
    text_of,
)
from services.kit.tracing.context import standing_at

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ONE = TraceParent(TRACE, SPAN, sampled=True)
OTHER = TraceParent("1" * 32, "2" * 16, sampled=False)
_IDS = st.builds(
    TraceParent,
    st.integers(1, 2**128 - 1).map("{:032x}".format),
    st.integers(1, 2**64 - 1).map("{:016x}".format),
    st.booleans(),
)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"00-{TRACE}-{SPAN}-01", ONE),
        (f" 00-{TRACE}-{SPAN}-01\t", ONE),
        (f"00-{TRACE}-{SPAN}-00", ONE._replace(sampled=False)),
        (f"00-{TRACE}-{SPAN}-03", ONE),  # a flag that is not known here
        (f"cc-{TRACE}-{SPAN}-01", ONE),  # a later version, and one with more in it
        (f"cc-{TRACE}-{SPAN}-01-what-else", ONE),
        (f"00-{TRACE}-{SPAN}-01-what-else", None),
        (f"cc-{TRACE}-{SPAN}-01.what-else", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-0१", None),  # a digit, and none of theirs
        ("Jansen", None),
        ("", None),
        (None, None),
        (17, None),
    ],
)
def test_a_traceparent_is_read_as_its_standard_says(text: object, read: TraceParent | None) -> None:
    """What is malformed is none, and no error: a new trace begins."""
    assert read == read_traceparent(text)


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    """Whatever a caller sends."""
    found = read_traceparent(text)

    assert found is None or found == read_traceparent(str(found))


@given(st.lists(_IDS, max_size=5, unique=True).map(tuple))
def test_what_a_block_follows_from_travels_in_its_headers_and_in_rows(causes: tuple[TraceParent, ...]) -> None:
    """One, several in their order, or none."""
    assert causes == causes_of(headers_of(causes)) == read_causes(text_of(causes))


def test_other_headers_are_nothing_to_it() -> None:
    """Those of a record of other systems may hold anything, malformed ones beside a good one too."""
    junk = (("traceparent", b"\xff"), ("tracelinks", b"Jansen"), ("content-type", b"application/json"))
    mixed = (("Traceparent", str(ONE).encode()), ("tracelinks", f"{OTHER},Jansen,{OTHER}".encode()))

    assert () == causes_of(junk)
    assert (ONE, OTHER) == causes_of(mixed)


def test_causes_are_put_together_each_once_and_bounded() -> None:
    """A block of thousands of causes stays as small as its topic takes."""
    many = [(TraceParent(f"{n:032x}", SPAN, sampled=True),) for n in range(1, 1000)]

    assert (ONE, OTHER) == merged([(ONE,), (OTHER, ONE)])
    assert MOST_CAUSES == len(merged(many))
    assert sum(len(name) + len(value) for name, value in headers_of(merged(many))) < 8_000


def test_a_block_says_what_it_follows_from_beside_its_other_headers() -> None:
    """What was said before goes; without causes nothing is added: no header, no byte."""
    block = Output("heraut.notices.released.v1", 3, b"x", (("reason", b"y"),))
    marked = block.caused_by((OTHER, ONE)).caused_by((ONE,))

    assert block is block.caused_by(())
    assert ((), (ONE,)) == (block.causes, marked.causes)
    assert (("reason", b"y"), ("traceparent", f"00-{TRACE}-{SPAN}-01".encode())) == marked.headers


async def test_tasks_stand_where_they_were_begun() -> None:
    """A request's own tasks follow from it, others do not."""
    with standing_at((ONE,)):
        inside = asyncio.create_task(asyncio.to_thread(current_trace))
    outside = asyncio.create_task(asyncio.to_thread(current_causes))

    assert {"trace_id": TRACE, "span_id": SPAN} == await inside
    assert () == await outside
