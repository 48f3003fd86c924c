"""Receipts on PostgreSQL: what came back goes back to routing, once; what nobody could know is settled."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from notification.topics import DELIVERIES_REFUSED
from notification.v1 import dispatch_pb2

from services.core.channel import Channel
from services.core.notices import Notices
from services.core.receipts import Consequence, ReceiptKind, ReceiptReason
from services.core.status import AttemptState
from services.dispatch.domain import Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.rounds import rounds_of
from services.kit.eventlog import Output, Record
from services.wire.receipts import encode_accepted
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, make_bench
from tests.unit.dispatch.people import TRAITS, some_notices

ACCEPTED, UNKNOWN, BOUNCED = AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.BOUNCED


@pytest.fixture
async def bench(room_pool: RoomPool, tmp_path: Path) -> Bench:
    """Return a workbench of the e-mail channel."""
    pool = await room_pool("dispatch")
    return make_bench(Channel.EMAIL, pool, pool, tmp_path)


async def ended(bench: Bench, notices: Notices, *states: AttemptState, partition: int = 3) -> None:
    """Queue attempts, and write down how they ended."""
    await bench.take(notices, partition)
    async with bench.pool.acquire() as connection, connection.transaction():
        queued = await bench.store.queue(connection, partition, datetime.max.replace(tzinfo=UTC), 1000)
        one: Round
        (one,) = rounds_of(TRAITS[Channel.EMAIL], partition, queued, datetime.now(UTC))
        await bench.store.intend(connection, [one], one.created_at)
        await bench.store.record(connection, one, [AttemptOutcome(state) for state in states], datetime.now(UTC))


async def hear(bench: Bench, *said: Consequence) -> list[tuple[str, int, Sequence[bytes], list[int]]]:
    """Apply a block in another partition; return what went back: why, where, notices, and channels tried."""
    handler = bench.handler()
    records = [Record(one.topic, 0, 0, "tracking", 1, 0, one.value) for one in encode_accepted(0, said)]
    async with bench.pool.acquire() as connection, connection.transaction():
        outputs = await handler.apply(connection, [handler.decode(record) for record in records])
    return [back(one) for one in outputs if one.topic == DELIVERIES_REFUSED]


def back(output: Output) -> tuple[str, int, Sequence[bytes], list[int]]:
    """Read a block that goes back to routing."""
    block = dispatch_pb2.DeliveriesRefused.FromString(output.value)
    ids = [block.notices.ids[at : at + 16] for at in range(0, len(block.notices.ids), 16)]
    return block.reason, output.partition, ids, list(block.notices.tried)


def said(notice: bytes, kind: ReceiptKind, reason: int = 0, *, channel: Channel = Channel.EMAIL) -> Consequence:
    """Return what follows for the first attempt of a notice."""
    return Consequence(notice, channel, 1, kind, reason)


async def test_what_came_back_goes_back_to_routing_once(bench: Bench) -> None:
    """With why, where the person is at home, and its channel among those tried; others of its batch stay accepted."""
    notices = some_notices(5)
    await ended(bench, notices, ACCEPTED, ACCEPTED, ACCEPTED, UNKNOWN, ACCEPTED)
    ids = notices.ids
    bounced = [
        said(ids[0], ReceiptKind.BOUNCED, ReceiptReason.HARD),
        said(ids[3], ReceiptKind.BOUNCED, ReceiptReason.HARD),
        said(ids[1], ReceiptKind.RETURNED, ReceiptReason.MOVED, channel=Channel.LETTER),
        said(b"?" * 16, ReceiptKind.BOUNCED),
    ]
    first = await hear(bench, *bounced)
    again = await hear(bench, *bounced)

    assert [("bounced:hard", 3, [ids[0]], [2]), ("bounced:hard", 3, [ids[3]], [2])] == first
    assert [] == again
    assert {ACCEPTED: 3, BOUNCED: 2} == await bench.states()


async def test_what_nobody_could_know_is_settled_and_goes_nowhere(bench: Bench) -> None:
    """A mail that arrived after all is accepted, and its person is not written to again when the time is over."""
    notices = some_notices(2)
    await ended(bench, notices, UNKNOWN, UNKNOWN)

    assert [] == await hear(bench, said(notices.ids[0], ReceiptKind.ACCEPTED))
    assert {ACCEPTED: 1, UNKNOWN: 1} == await bench.states()


async def test_what_nobody_read_goes_on_once(bench: Bench) -> None:
    """The person is told on the next channel as well; one that had come back before is on its way already."""
    notices = some_notices(2)
    await ended(bench, notices, ACCEPTED, ACCEPTED)
    await hear(bench, said(notices.ids[1], ReceiptKind.BOUNCED))
    unread = [said(notice, ReceiptKind.UNREAD) for notice in notices.ids]

    assert [("unread", 3, [notices.ids[0]], [2])] == await hear(bench, *unread)
    assert [] == await hear(bench, *unread)
    assert {AttemptState.UNREAD: 1, BOUNCED: 1} == await bench.states()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (ReceiptKind.REFUSED, ReceiptReason.PROVIDER),
        (ReceiptKind.REFUSED, ReceiptReason.NOT_SAID),
        (ReceiptKind.BOUNCED, ReceiptReason.CONTENT),
        (ReceiptKind.BOUNCED, ReceiptReason.PROVIDER),
    ],
)
async def test_what_is_no_recipients_fault_goes_nowhere(bench: Bench, kind: ReceiptKind, reason: ReceiptReason) -> None:
    """It is held and waits for an operator, on every channel; one that nobody could know the end of as well."""
    notices = some_notices(3)
    await ended(bench, notices, ACCEPTED, UNKNOWN, ACCEPTED)
    heard = [said(notice, kind, reason) for notice in notices.ids[:2]]
    went = [await hear(bench, *heard), await hear(bench, *heard)]

    assert [[], []] == went
    assert {ACCEPTED: 1, AttemptState.UNPRINTED: 2} == await bench.states()


async def test_a_recipients_fault_that_is_heard_later_goes_on(bench: Bench) -> None:
    """What its provider rejected first, and then says of the mailbox that there is none."""
    notices = some_notices(1)
    await ended(bench, notices, ACCEPTED)
    await hear(bench, said(notices.ids[0], ReceiptKind.REFUSED, ReceiptReason.PROVIDER))
    went = await hear(bench, said(notices.ids[0], ReceiptKind.BOUNCED, ReceiptReason.HARD))

    assert [("bounced:hard", 3, notices.ids, [2])] == went
    assert {BOUNCED: 1} == await bench.states()
