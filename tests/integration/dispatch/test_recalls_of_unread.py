"""Recalls where nobody read the portal message: what follows it is stopped, and yet somebody may have been told."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from notification.topics import DELIVERIES_REFUSED
from notification.v1 import dispatch_pb2

from services.core.channel import Channel
from services.core.notices import LIES_UNREAD, Notices
from services.core.receipts import Consequence, ReceiptKind
from services.core.status import AttemptState
from services.kit.eventlog import Record
from services.wire.receipts import encode_accepted
from tests.conftest import RoomPool
from tests.integration.dispatch.bench import Bench, make_bench
from tests.integration.dispatch.test_recalls import answers, asked, begin, routed, settle
from tests.unit.dispatch.people import some_notices

UNREAD, STOPPED = AttemptState.UNREAD, AttemptState.STOPPED


@dataclass
class Both:
    """The portal's process and that for letters, on one database."""

    portal: Bench
    letters: Bench

    async def told(self) -> Notices:
        """Hand three messages over, which nobody reads; the letters after them wait."""
        notices = some_notices(3)
        await hear(self.portal, routed(notices))
        await settle(self.portal, await begin(self.portal), *[AttemptState.ACCEPTED] * 3)
        await hear(self.portal, *lies(notices))
        after = some_notices(3, attempts=[2] * 3, tried=[Channel.PORTAL | LIES_UNREAD] * 3)
        await hear(self.letters, routed(after))
        return after


@pytest.fixture
async def both(room_pool: RoomPool, tmp_path: Path) -> Both:
    """Return both."""
    pool = await room_pool("dispatch")
    for_each = (make_bench(one, pool, pool, tmp_path / one.label) for one in (Channel.PORTAL, Channel.LETTER))
    return Both(*for_each)


def lies(notices: Notices, kind: ReceiptKind = ReceiptKind.UNREAD) -> list[Record]:
    """Return what follows from messages that nobody read."""
    said = [Consequence(notice, Channel.PORTAL, 1, kind) for notice in notices.ids]
    return [Record(one.topic, 0, 0, "tracking", 1, 0, one.value) for one in encode_accepted(0, said)]


async def hear(bench: Bench, *records: Record) -> tuple[dict[bytes, bool], list[tuple[str, Sequence[int]]]]:
    """Apply blocks in one transaction; return the answers, and what went back to routing: why, and channels tried."""
    handler = bench.handler()
    async with bench.pool.acquire() as connection, connection.transaction():
        outputs = await handler.apply(connection, [handler.decode(record) for record in records])
    blocks = [
        dispatch_pb2.DeliveriesRefused.FromString(one.value) for one in outputs if one.topic == DELIVERIES_REFUSED
    ]
    return answers(outputs), [(block.reason, list(block.notices.tried)) for block in blocks]


async def test_what_follows_an_unread_message_is_stopped_and_answered_to_have_begun(both: Both) -> None:
    """Somebody may have read it, or reads it yet; routing has the letter back, for a new address."""
    after = await both.told()
    stopped = await hear(both.letters, asked(after, range(2)))

    back = [("called-back", [Channel.PORTAL | LIES_UNREAD] * 2)]
    assert (dict.fromkeys(after.ids[:2], False), back) == stopped
    assert (dict.fromkeys(after.ids[:2], False), []) == await hear(both.portal, asked(after, range(2)))
    assert {STOPPED: 2, AttemptState.TAKEN: 1} == await both.letters.states()
    assert {UNREAD: 3} == await both.portal.states()


async def test_what_follows_a_message_that_came_back_told_nobody(both: Both) -> None:
    """The portal did not keep it after all: then stopped is the answer, and nothing goes back a second time."""
    after = await both.told()
    assert ({}, []) == await hear(both.portal, *lies(after, ReceiptKind.BOUNCED))

    assert (dict.fromkeys(after.ids, True), []) == await hear(both.letters, asked(after, range(3)))


async def test_what_was_unread_is_held_for_no_operator(both: Both) -> None:
    """Its letter is on the way when the portal says that it had failed: handed over again, it would tell twice."""
    after = await both.told()

    assert ({}, []) == await hear(both.portal, *lies(after, ReceiptKind.REFUSED))
    assert ({}, []) == await hear(both.portal, *lies(after))
    assert {AttemptState.BOUNCED: 3} == await both.portal.states()


async def test_an_answer_waits_for_the_other_channel(both: Both) -> None:
    """A hand-over there may tell somebody yet: how it ended says what is answered."""
    notices = some_notices(2)
    await hear(both.portal, routed(notices))
    one = await begin(both.portal)
    after = some_notices(2, attempts=[2] * 2)
    waits = await hear(both.letters, routed(after), asked(after, range(2)))
    await settle(both.portal, one, AttemptState.ACCEPTED, AttemptState.REFUSED)
    handler = both.letters.handler()
    async with both.letters.pool.acquire() as connection, connection.transaction():
        ended = answers(await handler.tick(connection, [0]))

    assert ({}, []) == waits
    assert dict(zip(notices.ids, (False, True), strict=True)) == ended


async def test_what_comes_after_its_recall_was_answered_is_stopped(both: Both) -> None:
    """The portal had answered, and the recall was over, while the letter was on its way; at a new address it goes."""
    notices = some_notices(2)
    await hear(both.portal, routed(notices))
    await settle(both.portal, await begin(both.portal), *[AttemptState.ACCEPTED] * 2)
    await hear(both.portal, *lies(notices))
    await hear(both.letters, asked(notices, range(2)), asked(notices, range(2), over=True))
    after = some_notices(2, attempts=[2] * 2, tried=[Channel.PORTAL | LIES_UNREAD, Channel.PORTAL])
    come = await hear(both.letters, routed(after))

    assert ({notices.ids[0]: False}, [("called-back", [Channel.PORTAL | LIES_UNREAD])]) == come
    assert {STOPPED: 1, AttemptState.TAKEN: 1} == await both.letters.states()
