"""Blocks that were corrupted and can still be read: the rooms take them, or set them aside, and never break on them."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from notification import topics
from notification.v1 import common_pb2, deduplication_pb2, dispatch_pb2, intake_pb2, routing_pb2, tracking_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.deduplication.handlers import DeduplicationHandler
from services.kit.errors import InvalidMessage
from services.kit.eventlog.port import Record
from services.kit.stage.port import Handler
from services.kit.testing import FakeClock
from services.tracking.handlers import TrackingHandler
from services.tracking.metrics import TrackingMetrics
from services.tracking.receiving import Inbox, Receiving, Unread
from services.tracking.stopping import Stopping
from services.tracking.store import Store
from services.wire.testing import FakeIncidents
from tests.conftest import RoomPool
from tests.integration.deduplication.scene import PARTITIONS, Scene
from tests.integration.dispatch.bench import make_bench
from tests.keys import a_ring
from tests.unit.malformed.test_blocks import BLOCKS

_MESSAGES: dict[str, type[Message]] = {
    topics.MEMBERS_ACCEPTED: intake_pb2.MembersAccepted,
    topics.NOTICES_ROUTED_PORTAL: routing_pb2.NoticesRouted,
    topics.DELIVERIES_ATTEMPTED: dispatch_pb2.DeliveriesAttempted,
    topics.NOTICES_EXHAUSTED: routing_pb2.NoticesExhausted,
    topics.NOTICES_SUPERSEDED: deduplication_pb2.NoticesSuperseded,
    topics.NOTICES_RECALLED: deduplication_pb2.NoticesRecalled,
    topics.NOTICES_STOPPED: dispatch_pb2.NoticesStopped,
    topics.RECEIPTS_RECEIVED: dispatch_pb2.ReceiptsReceived,
    topics.RECEIPTS_ACCEPTED: tracking_pb2.ReceiptsAccepted,
    topics.PAUSES_OBSERVED: dispatch_pb2.PausesObserved,
    topics.TOTALS_CHANGED: common_pb2.TotalsChanged,
}
_ODD_TEXTS = ("", "\0", "a/b", "\u202e", "x" * 5_000)
_ROUNDS = 120


def _corrupted(topic: str, chance: random.Random) -> bytes:
    """Return a block with one or two of its values replaced by the oddest that its type can hold."""
    message = _MESSAGES[topic].FromString(chance.choice(BLOCKS[topic]))
    for _ in range(chance.randint(1, 2)):
        if said := list(_scalars(message)):  # a zero is not said: a block of one number may say nothing any more
            _corrupt(*chance.choice(said), chance)
    return message.SerializeToString()


def _scalars(message: Message) -> Iterator[tuple[Message, str]]:
    for field, value in message.ListFields():
        if field.message_type is None:
            yield message, field.name
        elif not field.message_type.GetOptions().map_entry:
            for one in value if field.is_repeated else [value]:
                yield from _scalars(one)


def _corrupt(holder: Message, name: str, chance: random.Random) -> None:
    field = holder.DESCRIPTOR.fields_by_name[name]
    value = getattr(holder, name)
    if field.type == field.TYPE_BYTES:
        setattr(holder, name, bytes(byte ^ chance.choice((0, 0x80, 0xFF)) for byte in value))
        return
    odd: Any = chance.choice(_ODD_TEXTS)
    if field.type != field.TYPE_STRING:
        bits = {field.TYPE_UINT32: 32, field.TYPE_UINT64: 64, field.TYPE_INT32: 31, field.TYPE_INT64: 63,
                field.TYPE_SINT64: 63, field.TYPE_FIXED64: 64}.get(field.type, 1)  # fmt: skip
        odd = chance.choice((0, 1, 2**bits - 1, 2 ** (bits - 1)))
    if field.is_repeated:
        value[chance.randrange(len(value))] = odd
    else:
        setattr(holder, name, odd)


async def _deduplication(room_pool: RoomPool, _folder: Path) -> tuple[Any, Handler[Any]]:
    pool = await room_pool("deduplication")
    scene = Scene(pool)
    known = scene.incidents.get(("incident", "lab-2025"))
    scene.incidents.get = lambda key: known if len(key) == 2 else None  # type: ignore[method-assign]
    return pool, DeduplicationHandler(scene.incidents, lambda _: None, PARTITIONS, scene.keys)


async def _tracking(room_pool: RoomPool, _folder: Path) -> tuple[Any, Handler[Any]]:
    pool, stopping, unread = await room_pool("tracking"), Stopping(Store(), FakeIncidents()), FakeIncidents()
    receiving = Receiving(Inbox(pool, Store(), a_ring()), Unread(Store(), unread), FakeClock())
    return pool, TrackingHandler(Store(), TrackingMetrics(CollectorRegistry()), stopping, receiving)


async def _dispatch(room_pool: RoomPool, folder: Path) -> tuple[Any, Handler[Any]]:
    bench = make_bench(Channel.PORTAL, await room_pool("dispatch"), await room_pool("intake"), folder)
    return bench.pool, bench.handler()


@pytest.mark.parametrize(
    ("topic", "room"),
    [
        (topics.MEMBERS_ACCEPTED, _deduplication),
        (topics.NOTICES_ROUTED_PORTAL, _dispatch),
        (topics.DELIVERIES_ATTEMPTED, _tracking),
        (topics.NOTICES_EXHAUSTED, _tracking),
        (topics.NOTICES_SUPERSEDED, _tracking),
        (topics.NOTICES_RECALLED, _dispatch),
        (topics.NOTICES_STOPPED, _deduplication),
        (topics.PAUSES_OBSERVED, _tracking),
        (topics.TOTALS_CHANGED, _tracking),
    ],
)
async def test_block_with_odd_values_breaks_no_room(room_pool: RoomPool, tmp_path: Path, topic: str, room: Any) -> None:
    """Numbers at the end of their range, texts that a database refuses: set aside, or taken, never an error of ours."""
    chance = random.Random(topic)  # noqa: S311 - made-up faults, the same every time
    pool, handler = await room(room_pool, tmp_path)
    broken: Counter[str] = Counter()
    async with pool.acquire() as db:
        for offset in range(1, _ROUNDS):
            record = Record(topic, 0, offset, "somebody", offset, 1_767_258_000_000, _corrupted(topic, chance))
            with suppress(InvalidMessage):
                work = handler.decode(record)
                try:
                    async with db.transaction():
                        await handler.apply(db, [work])
                except Exception as error:  # noqa: BLE001 - all kinds are counted
                    broken[f"{type(error).__name__}: {error}"[:150]] += 1

    assert {} == broken
