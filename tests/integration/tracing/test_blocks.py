"""A span a block: what it follows from, how it ended, and that nobody waits for whoever takes spans."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from services.kit.errors import ConfigError
from services.kit.eventlog import decode_headers
from services.kit.eventlog.outbox import append_outputs
from services.kit.eventlog.port import Output
from services.kit.tracing import Causes, Kind, TraceParent, Tracing, causes_of, open_tracing
from tests.certificates import made_certificates
from tests.integration.stage.conftest import embedded_world, stage_database, stage_databases
from tests.integration.stage.room import INPUT, OUTPUT, SOURCE, STAGE, Breaking, Copying, World
from tests.integration.tracing.collector import Collected, Collector
from tests.waiting import until

__all__ = ["embedded_world", "stage_database", "stage_databases"]  # fixtures

A, B = (TraceParent(digit * 32, digit * 16, sampled=True) for digit in "ab")
UNSAMPLED = A._replace(sampled=False)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Return the figures of the process."""
    return CollectorRegistry()


@pytest.fixture
async def tracing(collector: Collector, registry: CollectorRegistry) -> AsyncIterator[Tracing]:
    """Return what traces the room."""
    opened = open_tracing(collector.url, STAGE, STAGE, registry)
    yield opened
    collector.open.set()
    await opened.close()


async def _feed(world: World, *blocks: tuple[bytes, int, Causes]) -> None:
    outputs = [Output(INPUT, partition, block).caused_by(causes) for block, partition, causes in blocks]
    async with world.upstream.acquire() as connection, connection.transaction():
        await append_outputs(connection, SOURCE, outputs)


async def _causes_of_what_came_out(world: World, topic: str = OUTPUT) -> dict[bytes, Causes]:
    rows = await world.pool.fetch("select block, headers from log.log where topic = $1", topic)
    return {row["block"]: causes_of(decode_headers(row["headers"])) for row in rows}


def _at_least(count: int) -> Callable[[Sequence[Collected]], bool]:
    return lambda spans: len(spans) >= count


def _at(spans: Sequence[Collected], partition: int, seq: int) -> Collected:
    """Return the span of one block."""
    place = str(partition), seq
    told = ((one.about["messaging.destination.partition.id"], one.about["heraut.seq"], one) for one in spans)
    return next(one for *at, one in told if tuple(at) == place)


def _lost(registry: CollectorRegistry) -> dict[str, float]:
    reasons = ("queue-full", "not-taken")
    found = {reason: registry.get_sample_value(f"{STAGE}_spans_lost_total", {"reason": reason}) for reason in reasons}
    return {reason: value or 0.0 for reason, value in found.items()}


async def test_a_block_follows_from_all_blocks_of_its_partition(
    embedded_world: World, tracing: Tracing, collector: Collector
) -> None:
    """The first is its parent, the others are links; a block without any begins a trace of its own."""
    await _feed(embedded_world, (b"1@1", 1, (A,)), (b"2@1", 1, (B, A)), (b"3@2", 2, ()))
    async with (await embedded_world.replica(tracing=tracing)).running():
        await embedded_world.all_through([b"1@1", b"2@1", b"3@2"])
        spans = await collector.until(_at_least(3))
    first, second, alone = (_at(spans, partition, seq) for partition, seq in ((1, 1), (1, 2), (2, 1)))
    found = await _causes_of_what_came_out(embedded_world)

    assert (A.trace_id, A.span_id, ()) == (first.trace_id, first.parent, first.links)
    assert (B.trace_id, B.span_id, (A.span_id,)) == (second.trace_id, second.parent, second.links)
    assert ("", ()) == (alone.parent, alone.links)
    assert [first.span_id, second.span_id] == [cause.span_id for cause in found[b"1@1"]]
    assert found[b"1@1"] == found[b"2@1"]
    assert [(alone.trace_id, alone.span_id)] == [(cause.trace_id, cause.span_id) for cause in found[b"3@2"]]
    assert {"done"} == {one.about["heraut.outcome"] for one in spans}


async def test_a_trace_that_its_caller_does_not_keep_is_passed_on_and_not_sent(
    embedded_world: World, tracing: Tracing, collector: Collector
) -> None:
    """Or each room would begin a trace that begins in the middle."""
    await _feed(embedded_world, (b"1@1", 1, (UNSAMPLED,)), (b"2@2", 2, (B,)))
    async with (await embedded_world.replica(tracing=tracing)).running():
        await embedded_world.all_through([b"1@1", b"2@2"])
        spans = await collector.until(_at_least(1))
    (passed_on,) = (await _causes_of_what_came_out(embedded_world))[b"1@1"]

    assert [B.trace_id] == [one.trace_id for one in spans]
    assert (A.trace_id, False) == (passed_on.trace_id, passed_on.sampled)


async def test_a_span_says_how_its_block_ended(
    embedded_world: World, tracing: Tracing, collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    """Set aside, tried again, or standing still; of an error its class, and the log line has the trace."""
    room = Copying(unreadable=[b"1@1"], poison=[b"2@2"])
    once = Breaking("batch: applied", ConnectionResetError("Jansen"))
    await _feed(embedded_world, (b"1@1", 1, (A,)))
    async with (await embedded_world.replica(room, tracing=tracing, failpoints=once)).running():
        await collector.until(_at_least(2))
        await _feed(embedded_world, (b"2@2", 2, (B,)))
        spans = await collector.until(_at_least(3))
    dead = await _causes_of_what_came_out(embedded_world, f"{INPUT}.{STAGE}.dlq")

    assert [
        ("retried", "ConnectionResetError", True),
        ("set-aside", "InvalidMessage", True),
        ("stopped", "ZeroDivisionError", True),
    ] == [(one.about["heraut.outcome"], one.about["error.type"], one.failed) for one in spans[:3]]
    assert [spans[1].span_id] == [cause.span_id for cause in dead[b"1@1"]]
    assert not any(b"Jansen" in body for body in collector.bodies)
    traced = {line.message: getattr(line, "trace_id", "") for line in caplog.records}
    assert A.trace_id == traced["set a block aside"]


async def test_a_tick_that_gives_something_out_is_a_span(
    embedded_world: World, tracing: Tracing, collector: Collector
) -> None:
    """Or go on with that of what a room says led to it. Those that give nothing are no spans."""
    room = Copying(due=[Output(OUTPUT, 1, b"due@1"), Output(OUTPUT, 2, b"known@2").caused_by((A,))])
    async with (await embedded_world.replica(room, tracing=tracing)).running():
        await embedded_world.all_through([b"due@1", b"known@2"])
        spans = await collector.until(_at_least(2))
    found = await _causes_of_what_came_out(embedded_world)

    by_parent = {one.parent: one for one in spans}
    assert {"": f"tick {STAGE}", A.span_id: f"tick {STAGE}"} == {parent: one.name for parent, one in by_parent.items()}
    assert {b"due@1": [by_parent[""].span_id], b"known@2": [by_parent[A.span_id].span_id]} == {
        block: [cause.span_id for cause in causes] for block, causes in found.items()
    }


async def test_what_is_not_traced_has_no_header(embedded_world: World) -> None:
    """Nor does a process that is not asked to trace pass on what others traced."""
    await _feed(embedded_world, (b"1@1", 1, (A,)))
    async with (await embedded_world.replica()).running():
        await embedded_world.all_through([b"1@1"])

    assert {b"1@1": ()} == await _causes_of_what_came_out(embedded_world)


@pytest.mark.parametrize("status", [500, 400])
async def test_spans_that_a_collector_refuses_are_counted_and_harm_nobody(
    embedded_world: World,
    collector: Collector,
    registry: CollectorRegistry,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All blocks come out all the same, and the log says it once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    collector.status = status
    tracing = open_tracing(collector.url, STAGE, STAGE, registry)
    await _feed(embedded_world, (b"1@1", 1, (A,)))
    async with (await embedded_world.replica(tracing=tracing)).running():
        await embedded_world.assert_once([b"1@1"])
        await until(lambda: _is_so(_lost(registry)["not-taken"] >= 1))
    await tracing.close()

    assert 1 == [line.message for line in caplog.records].count("the collector takes no traces")
    assert not any(line.name.startswith("opentelemetry") for line in caplog.records)


async def test_a_collector_that_hangs_costs_spans_and_nothing_else(
    embedded_world: World, collector: Collector, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is bounded, what finds no room in it is counted, and closing waits a few seconds at most."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    collector.open.clear()
    tracing = open_tracing(collector.url, STAGE, STAGE, registry)
    blocks = [f"{number}@1".encode() for number in range(40)]
    await _feed(embedded_world, *((block, 1, (A,)) for block in blocks))
    async with (await embedded_world.replica(tracing=tracing)).running():
        await embedded_world.assert_once(blocks)
    began = time.monotonic()
    await asyncio.wait_for(tracing.close(), 20.0)

    assert collector.asked >= 1
    assert 40 - 8 - 4 <= _lost(registry)["queue-full"] <= 40 - 8
    assert time.monotonic() - began < 10.0


async def test_a_collector_proves_who_it_is(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the authority that is named; where it is another one, it is given nothing."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    made = made_certificates(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.certificate)
    async with Collector().serve(tls) as secured:
        for authority in (None, made.authority):
            registry = CollectorRegistry()
            opened = open_tracing(secured.url, STAGE, STAGE, registry, authority)
            opened.begin("x", Kind.INTERNAL, (), {}).end({})
            await opened.close()
            told = (len(secured.spans), _lost(registry)["not-taken"])
            assert told == ((0, 1) if authority is None else (1, 0))
    with pytest.raises(ConfigError, match="HERAUT_OTLP_CA"):
        open_tracing(collector.url, STAGE, STAGE, CollectorRegistry(), tmp_path / "none")


async def _is_so(holds: bool) -> bool:  # noqa: FBT001 - it is what is waited for
    return holds
