"""Routing's handler: waits for incident versions, keeps partitions apart, counts, and decides the same again."""

from datetime import UTC, datetime
from typing import cast

import pytest
from notification import topics
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.incident import Controller, Incident
from services.core.notices import Notices
from services.core.status import CHANNEL_CLOSED
from services.kit.errors import InvalidMessage, RetryableError
from services.kit.eventlog.port import Output, Record
from services.kit.postgres import Connection
from services.kit.testing import FakeClock
from services.routing.codec import decode_work
from services.routing.handlers import RoutingHandler
from services.routing.metrics import RoutingMetrics
from services.wire.notices import notices_from_wire, notices_to_wire
from services.wire.testing import FakeIncidents
from tests.unit.routing.memory import KEEP, MemoryStore

UNUSED = cast("Connection", None)  # the tables are in memory


def an_incident(version: int, *channels: Channel) -> Incident:
    """Return an incident version of which only the channels matter."""
    at = datetime(2025, 8, 6, tzinfo=UTC)
    return Incident("lab", version, {}, at, None, Controller("", (), "", ""), ("nl",), channels, frozenset(), (), {})


def incidents() -> FakeIncidents:
    """Return an incident of which two versions are known."""
    return FakeIncidents(an_incident(1, Channel.EMAIL, Channel.LETTER), an_incident(2, Channel.LETTER, Channel.EMAIL))


def a_record(partition: int, version: int, *channels: int, topic: str = topics.DELIVERIES_REFUSED) -> Record:
    """Return a block of notices that can be written to over these channels."""
    count = len(channels)
    ids = [bytes([partition, version, n]) + bytes(13) for n in range(count)]
    notices = Notices(
        "lab", version, ids, ids, [1] * count, [0] * count, ids, [1] * count, [b""] * count, [1] * count, [1] * count,
        [0] * count, [0] * count, [*channels], [0] * count, ["nl"] * count, ["c"] * count, [5] * count, [0] * count,
        [0] * count, [("c",)] * count,
    )  # fmt: skip
    value = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices)).SerializeToString()
    return Record(topic, partition, 0, "dispatch-email", 1, 0, value)


def seen(outputs: list[Output]) -> list[tuple[str, int, int, list[bytes]]]:
    """Return where notices went: topic, partition, incident version, ids."""
    blocks = [notices_from_wire(routing_pb2.NoticesRouted.FromString(o.value).notices) for o in outputs]
    rows = [
        (o.topic, o.partition, b.incident_version, [i[:3] for i in b.ids]) for o, b in zip(outputs, blocks, strict=True)
    ]
    return sorted(rows)


async def test_blocks_are_packed_by_partition_channel_and_version() -> None:
    """What goes the same way shares a block; nothing changes partition or incident version."""
    registry = CollectorRegistry()
    handler = RoutingHandler(incidents(), RoutingMetrics(registry), FakeClock(), KEEP, MemoryStore())
    work = [
        handler.decode(r) for r in (a_record(0, 1, 2, 4), a_record(0, 1, 2), a_record(0, 2, 1, 4), a_record(5, 1, 2))
    ]
    await handler.ready(work)

    outputs = list(await handler.apply(UNUSED, work))

    assert [
        (topics.NOTICES_EXHAUSTED, 0, 2, [b"\0\2\0"]),
        (topics.NOTICES_ROUTED_EMAIL, 0, 1, [b"\0\1\0", b"\0\1\0"]),
        (topics.NOTICES_ROUTED_EMAIL, 5, 1, [b"\5\1\0"]),
        (topics.NOTICES_ROUTED_LETTER, 0, 1, [b"\0\1\1"]),
        (topics.NOTICES_ROUTED_LETTER, 0, 2, [b"\0\2\1"]),
    ] == seen(outputs)
    counted = [registry.get_sample_value("routing_notices_total", {"channel": c}) for c in ("email", "letter", "none")]
    assert [3, 2, 1] == counted


def a_release(*channels: int, **columns: list[int]) -> Record:
    """Return a block of more than a thousand notices, that can be written to over these channels in turn."""
    one = notices_from_wire(dispatch_pb2.DeliveriesRefused.FromString(a_record(0, 1, 0).value or b"").notices)
    notices = one.pick([0] * 1024)
    notices.ids, notices.channels = [n.to_bytes(16, "big") for n in range(1024)], (list(channels) * 1024)[:1024]
    for name, column in columns.items():
        setattr(notices, name, column)
    value = deduplication_pb2.NoticesReleased(notices=notices_to_wire(notices)).SerializeToString()
    return Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, value)


async def a_handler(known: FakeIncidents, registry: CollectorRegistry | None = None) -> RoutingHandler:
    """Return a handler that knows the incident's first version already, as it does from its first block on."""
    handler = RoutingHandler(known, RoutingMetrics(registry or CollectorRegistry()), FakeClock(), KEEP, MemoryStore())
    await handler.ready([handler.decode(a_record(0, 1, 2))])
    return handler


async def test_a_block_that_goes_one_way_is_passed_on_as_what_it_would_be_read_as() -> None:
    """Every column is there, its attempts are counted; a transaction that is tried again says the same."""
    registry = CollectorRegistry()
    handler, record = await a_handler(incidents(), registry), a_release(2, 6, 7, attempts=[0, 1, 2, 3] * 256)
    work, as_read = handler.decode(record), decode_work(record)

    outputs, again = [list(await handler.apply(UNUSED, [one])) for one in (work, work)]

    assert (None, None) == (work.notices, as_read.whole)
    assert outputs == again
    assert [topics.NOTICES_ROUTED_EMAIL] == [one.topic for one in outputs]
    assert 2048 == registry.get_sample_value("routing_notices_total", {"channel": "email"})
    (expected,) = await handler.apply(UNUSED, [as_read])
    passed, read = (
        notices_from_wire(routing_pb2.NoticesRouted.FromString(one.value or b"").notices)
        for one in (outputs[0], expected)
    )
    assert passed == read


@pytest.mark.parametrize("channels", [(2, 4), (2, 0), (1,)], ids=["they part", "one has none left", "none has"])
async def test_a_block_that_parts_is_read(channels: tuple[int, ...]) -> None:
    """Each notice goes its own way."""
    handler = await a_handler(incidents())

    assert handler.decode(a_release(*channels)).whole is None


async def test_a_few_notices_are_read_to_be_packed_with_others() -> None:
    """What is paid per block is paid by every room after this one."""
    handler, notices = await a_handler(incidents()), a_record(0, 1, 2)
    block = dispatch_pb2.DeliveriesRefused.FromString(notices.value or b"").notices
    value = deduplication_pb2.NoticesReleased(notices=block).SerializeToString()

    assert handler.decode(Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, value)).whole is None


async def test_a_channel_that_is_closed_after_a_block_was_read_lets_none_of_it_through() -> None:
    """It is read again, and then each takes its next channel."""
    known = incidents()
    handler, record = await a_handler(known), a_release(6)
    work = handler.decode(record)
    known.put(an_incident(3, Channel.LETTER))

    with pytest.raises(RetryableError):
        await handler.apply(UNUSED, [work])
    outputs = await handler.apply(UNUSED, [handler.decode(record)])
    assert [topics.NOTICES_ROUTED_LETTER] == [one.topic for one in outputs]


@pytest.mark.parametrize(
    "column", ["ids", "members", "versions", "pseudonyms", "channels", "flags", "tried", "cohorts"]
)
async def test_a_large_block_that_lost_a_part_is_a_dead_letter(column: str) -> None:
    """As a small one is."""
    handler = await a_handler(incidents())
    block = deduplication_pb2.NoticesReleased.FromString(a_release(2).value or b"")
    packed = getattr(block.notices, column)
    if isinstance(packed, bytes):
        setattr(block.notices, column, packed[:-1])
    else:
        packed.pop()
    with pytest.raises(InvalidMessage, match="column-length"):
        handler.decode(Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, block.SerializeToString()))


async def test_a_channel_that_a_newer_version_closed_is_taken_by_nobody() -> None:
    """Released while it was open: they pass over it, are counted, and named where they are given up."""
    registry, known = CollectorRegistry(), incidents()
    handler = RoutingHandler(known, RoutingMetrics(registry), FakeClock(), KEEP, MemoryStore())
    work = [handler.decode(a_record(0, 1, 2, 6)), handler.decode(a_record(3, 1, 4, 1))]
    await handler.ready(work)
    known.put(an_incident(3, Channel.LETTER))

    outputs = list(await handler.apply(UNUSED, work))

    assert [
        (topics.NOTICES_EXHAUSTED, 0, 1, [b"\0\1\0"]),
        (topics.NOTICES_EXHAUSTED, 3, 1, [b"\3\1\1"]),
        (topics.NOTICES_ROUTED_LETTER, 0, 1, [b"\0\1\1"]),
        (topics.NOTICES_ROUTED_LETTER, 3, 1, [b"\3\1\0"]),
    ] == seen(outputs)
    given_up = [o for o in outputs if o.topic == topics.NOTICES_EXHAUSTED]
    reasons = {o.partition: routing_pb2.NoticesExhausted.FromString(o.value or b"").reason for o in given_up}
    assert {0: CHANNEL_CLOSED, 3: ""} == reasons
    assert 2 == registry.get_sample_value("routing_passed_over_total", {"channel": "email"})


async def test_a_channel_that_dispatch_says_is_closed_is_named_before_it_is_known_here() -> None:
    """Dispatch may know a newer version first: who has no other channel is given up for its reason."""
    handler = RoutingHandler(incidents(), RoutingMetrics(CollectorRegistry()), FakeClock(), KEEP, MemoryStore())
    notices = notices_from_wire(dispatch_pb2.DeliveriesRefused.FromString(a_record(0, 1, 2, 6).value or b"").notices)
    notices.tried, notices.attempts = [2, 2], [1, 1]
    back = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices), reason=CHANNEL_CLOSED)
    record = Record(topics.DELIVERIES_REFUSED, 0, 0, "dispatch-email", 1, 0, back.SerializeToString())
    work = [handler.decode(record)]
    await handler.ready(work)

    letters, given_up = sorted(await handler.apply(UNUSED, work), key=lambda o: o.topic, reverse=True)

    assert (topics.NOTICES_ROUTED_LETTER, topics.NOTICES_EXHAUSTED) == (letters.topic, given_up.topic)
    assert CHANNEL_CLOSED == routing_pb2.NoticesExhausted.FromString(given_up.value or b"").reason


async def test_the_same_blocks_give_the_same_outputs() -> None:
    """A replay, or a transaction that is tried again, decides what was decided before."""
    handler = RoutingHandler(incidents(), RoutingMetrics(CollectorRegistry()), FakeClock(), KEEP, MemoryStore())
    work = [handler.decode(a_record(0, 1, 2, 4, 6)), handler.decode(a_record(0, 1, 4))]
    await handler.ready(work)

    assert await handler.apply(UNUSED, work) == await handler.apply(UNUSED, work)


async def test_an_incident_version_is_waited_for_once() -> None:
    """A version never changes, so what follows from it is worked out once; each is asked for by its own key."""
    known = incidents()
    handler = RoutingHandler(known, RoutingMetrics(CollectorRegistry()), FakeClock(), KEEP, MemoryStore())
    work = [handler.decode(a_record(0, 1, 2)), handler.decode(a_record(1, 2, 2)), handler.decode(a_record(2, 1, 2))]

    await handler.ready(work)
    await handler.ready(work)

    assert [(("incident", "lab", "1"), 1), (("incident", "lab", "2"), 1)] == known.waited


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (a_record(0, 1), "empty-block"),
        (a_record(0, 1, 2, topic=topics.MEMBERS_ACCEPTED), "unexpected-topic"),
        (Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, b"\xff"), "undecodable"),
        (Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, None), "tombstone"),
    ],
)
def test_a_block_that_cannot_be_understood_is_a_dead_letter(record: Record, reason: str) -> None:
    """What cannot be read is routed nowhere."""
    handler = RoutingHandler(incidents(), RoutingMetrics(CollectorRegistry()), FakeClock(), KEEP, MemoryStore())

    with pytest.raises(InvalidMessage, match=reason):
        handler.decode(record)


async def test_a_tick_forgets_and_sends_nothing() -> None:
    """Nothing in routing waits for a time but what is kept against repeats, which is looked for seldom."""
    store, clock = MemoryStore(), FakeClock()
    handler = RoutingHandler(incidents(), RoutingMetrics(CollectorRegistry()), clock, KEEP, store)
    assert () == await handler.tick(UNUSED, [0, 1])
    first = clock.now()
    clock.advance(1)
    assert () == await handler.tick(UNUSED, [0, 1])

    assert first - KEEP == store.forgot_before
