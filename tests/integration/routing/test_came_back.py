"""Nobody is told at an address that a letter came back from: later notices wait for a newer one. In PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest
from notification import topics
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.notices import FLAG_MAYBE_TOLD, Notices
from services.kit.eventlog.port import Output, Record
from services.kit.postgres import Connection, Pool
from services.kit.testing import FakeClock
from services.routing.handlers import RoutingHandler
from services.routing.metrics import RoutingMetrics
from services.wire.notices import notices_from_wire, notices_to_wire
from services.wire.recalls import Recall, decode_stopped, encode_recalled
from services.wire.testing import FakeIncidents
from tests.conftest import RoomPool
from tests.unit.routing.memory import KEEP
from tests.unit.routing.test_handlers import an_incident
from tests.unit.routing.test_readdressing import readdressed

LETTER, EMAIL, PORTAL = Channel.LETTER, Channel.EMAIL, Channel.PORTAL
FIRST, SUPPLEMENT, CORRECTION = (bytes([number]) * 16 for number in (1, 2, 3))
SHE, OTHER_RECORD = b"s" * 16, b"o" * 16  # two members of one person


def a_notice(
    notice: bytes,
    *,
    member: bytes = SHE,
    version: int = 1,
    since: int | None = None,
    channels: int = LETTER,
    attempt: int = 0,
    tried: int = 0,
    flags: int = 0,
) -> Notices:
    """Return a block of one notice; `since`: which version brought the contact data, as deduplication says it."""
    return Notices(
        "lab", 1, [notice], [member], [version], [version], [member], [1], [b""], [1], [1], [0], [0], [channels],
        [flags], ["nl"], ["c"], [5], [attempt], [tried], [("c",)], {(member, version): since} if since else {},
    )  # fmt: skip


def released(*notices: Notices) -> list[Record]:
    """Return blocks as deduplication sends them."""
    blocks = [deduplication_pb2.NoticesReleased(notices=notices_to_wire(one)).SerializeToString() for one in notices]
    return [Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, block) for block in blocks]


def back(notices: Notices, why: str, channel: int = 0) -> Record:
    """Return a block as dispatch gives it back; `channel`: on which it came back."""
    notices.tried = [tried | channel for tried in notices.tried]
    block = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices), reason=why, channel=channel)
    return Record(topics.DELIVERIES_REFUSED, 0, 0, "dispatch", 1, 0, block.SerializeToString())


Went = tuple[str, bytes, int, int]


@dataclass
class Room:
    """Routing on a database, without the stage around it."""

    pool: Pool
    handler: RoutingHandler

    async def takes(self, *records: Record) -> list[Went]:
        """Apply blocks in one transaction; return of each notice where it went or why not, attempt and version."""
        return [went for output in await self.gives(*records) for went in _went(output)]

    async def gives(self, *records: Record) -> Sequence[Output]:
        """Apply blocks in one transaction; return what goes out."""
        work = [self.handler.decode(record) for record in records]
        await self.handler.ready(work)
        async with self.pool.acquire() as connection, connection.transaction():
            return await self.handler.apply(cast("Connection", connection), work)


def _went(output: Output) -> list[Went]:
    block = routing_pb2.NoticesExhausted.FromString(output.value or b"")
    notices = notices_from_wire(block.notices)
    way = block.reason or output.topic.removeprefix("heraut.notices.").removesuffix(".v1")
    return [(way, *one) for one in zip(notices.ids, notices.attempts, notices.versions, strict=True)]


def a_handler() -> RoutingHandler:
    """Return routing as it starts."""
    incident = an_incident(1, Channel.PORTAL, Channel.EMAIL, Channel.LETTER)
    return RoutingHandler(FakeIncidents(incident), RoutingMetrics(CollectorRegistry()), FakeClock(), KEEP)


@pytest.fixture
async def room(room_pool: RoomPool) -> Room:
    """Return routing on an empty database."""
    return Room(await room_pool("routing"), a_handler())


def came_back(why: str = "returned:moved", *, version: int = 1, channels: int = LETTER) -> Record:
    """Return the first notice, of which the letter came back."""
    return back(a_notice(FIRST, attempt=1, version=version, channels=channels), why, LETTER)


@pytest.mark.parametrize("why", ["returned:moved", "returned:not-at-address", "returned:bad-address", "returned"])
async def test_no_supplement_goes_where_a_letter_came_back_from(room: Room, why: str) -> None:
    """It is given up for the same reason, so that its source is asked; also where only other facts were corrected."""
    first = await room.takes(came_back(why))
    supplement = await room.takes(*released(a_notice(SUPPLEMENT, since=1)))
    correction = await room.takes(*released(a_notice(CORRECTION, version=2, since=1)))

    assert ([(why, FIRST, 1, 1)], [(why, SUPPLEMENT, 0, 1)]) == (first, supplement)
    assert [(why, CORRECTION, 0, 2)] == correction


async def test_the_other_channels_are_taken(room: Room) -> None:
    """Whose letter came back has an e-mail address too."""
    await room.takes(came_back(channels=LETTER | EMAIL))

    found = await room.takes(*released(a_notice(SUPPLEMENT, since=1, channels=LETTER | EMAIL)))

    assert [("routed.email", SUPPLEMENT, 1, 1)] == found


async def test_newer_contact_data_is_taken_and_that_of_another_record(room: Room) -> None:
    """What came back says nothing of either: it was another address, or is another source's own word."""
    await room.takes(came_back())

    newer = await room.takes(*released(a_notice(SUPPLEMENT, version=3, since=2)))
    other = await room.takes(*released(a_notice(CORRECTION, member=OTHER_RECORD, since=1)))

    assert [("routed.letter", SUPPLEMENT, 1, 3)] == newer
    assert [("routed.letter", CORRECTION, 1, 1)] == other


async def test_what_waits_goes_to_the_new_address_once(room: Room) -> None:
    """As the first would have; in whatever order the two are heard, and after a restart."""
    await room.takes(came_back())
    moved = readdressed(SUPPLEMENT, 2, since=2), readdressed(CORRECTION, 2, since=2)
    held = await room.takes(*released(a_notice(SUPPLEMENT, since=1)))
    room.handler = a_handler()
    late = await room.takes(moved[0]), await room.takes(moved[0])
    early = await room.takes(moved[1]), await room.takes(*released(a_notice(CORRECTION, since=1)))

    went = [("routed.letter", SUPPLEMENT, 1, 2), ("reattempted", SUPPLEMENT, 1, 2)]
    assert ([("returned:moved", SUPPLEMENT, 0, 1)], (went, [])) == (held, late)
    again = [("routed.letter", CORRECTION, 1, 2), ("reattempted", CORRECTION, 1, 2)]
    assert ([], [("returned:moved", CORRECTION, 0, 1), *again]) == early


async def test_an_address_that_came_back_for_a_later_notice_is_not_tried_for_an_earlier_one(room: Room) -> None:
    """The first was given up late: its new address is known by then, and that a letter came back from there too."""
    moved = await room.takes(readdressed(FIRST, 2, since=2))
    await room.takes(back(a_notice(SUPPLEMENT, version=2, attempt=1), "returned:moved", LETTER))

    assert ([], [("returned:moved", FIRST, 1, 1)]) == (moved, await room.takes(came_back()))


async def test_what_is_heard_together_counts_whatever_comes_first(room: Room) -> None:
    """One transaction brings the supplement and, behind it, the letter that came back."""
    found = await room.takes(*released(a_notice(SUPPLEMENT, since=1)), came_back())

    assert {("returned:moved", SUPPLEMENT, 0, 1), ("returned:moved", FIRST, 1, 1)} == {*found}


async def test_a_supplement_that_was_on_its_way_goes_nowhere_else_where_it_came_back(room: Room) -> None:
    """It was sent to the portal before the letter of the first came back, and the portal does not take it."""
    both = PORTAL | LETTER
    sent = await room.takes(*released(a_notice(SUPPLEMENT, since=1, channels=both)))
    await room.takes(came_back())
    refused = await room.takes(back(a_notice(SUPPLEMENT, channels=both, attempt=1, tried=PORTAL), "no-account"))

    assert [("routed.portal", SUPPLEMENT, 1, 1)] == sent
    assert [("returned:moved", SUPPLEMENT, 1, 1)] == refused


async def test_the_highest_version_that_came_back_holds(room: Room) -> None:
    """Receipts come in any order, and again."""
    newer, older = came_back(version=3), came_back("returned:bad-address", version=1)
    for record in (newer, older, newer):
        await room.takes(record)
    rows = await room.pool.fetch("select member, channels, version, reason from came_back")

    assert [(SHE, LETTER, 3, "returned:moved")] == [tuple(row) for row in rows]


async def test_what_waits_and_is_called_back_told_nobody(room: Room) -> None:
    """Whether its recall comes before it or after it: no attempt was made, whatever came back before it was."""
    await room.takes(came_back())
    recalls = [encode_recalled([Recall(0, one, SHE, "lab")], over=False) for one in (SUPPLEMENT, CORRECTION)]
    after, before = ([Record(one.topic, 0, 0, "deduplication", 1, 0, one.value) for one in asked] for asked in recalls)
    await room.takes(*released(a_notice(SUPPLEMENT, since=1)))
    answers = [*await room.gives(*after)]
    await room.gives(*before)
    answers += [
        one for one in await room.gives(*released(a_notice(CORRECTION, since=1))) if one.topic == topics.NOTICES_STOPPED
    ]

    read = [decode_stopped(Record(one.topic, 0, 0, "routing", 1, 0, one.value)) for one in answers]
    assert [([SUPPLEMENT], [True]), ([CORRECTION], [True])] == [([*one.notices], [*one.stopped]) for one in read]
    assert [] == await room.takes(readdressed(SUPPLEMENT, 2, since=2))


async def test_who_is_said_to_have_died_is_written_to_on_no_channel(room: Room) -> None:
    """By that record; a mail that may have told somebody is not made again either."""
    await room.takes(came_back("returned:deceased"))
    maybe = a_notice(CORRECTION, channels=EMAIL, attempt=1, tried=EMAIL, flags=FLAG_MAYBE_TOLD)

    supplement = await room.takes(*released(a_notice(SUPPLEMENT, since=1, channels=LETTER | EMAIL)))
    again = await room.takes(back(maybe, "no-mailbox"))

    assert [("returned:deceased", SUPPLEMENT, 0, 1)] == supplement
    assert [("exhausted", CORRECTION, 1, 1)] == again


@pytest.mark.parametrize("why", ["returned:not-collected", "refused:provider", "unread"])
async def test_what_does_not_say_that_the_person_is_elsewhere_closes_nothing(room: Room, why: str) -> None:
    """The next notice is tried there."""
    await room.takes(came_back(why))

    assert [("routed.letter", SUPPLEMENT, 1, 1)] == await room.takes(*released(a_notice(SUPPLEMENT, since=1)))


async def test_what_cannot_be_printed_keeps_its_reason(room: Room) -> None:
    """Its source is asked for that, whatever came back before."""
    await room.takes(came_back())

    found = await room.takes(back(a_notice(SUPPLEMENT, attempt=1, channels=LETTER | EMAIL), "unprintable:city"))

    assert [("unprintable:city", SUPPLEMENT, 1, 1)] == found
