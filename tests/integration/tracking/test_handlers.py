"""Tracking on a real PostgreSQL: rows and counts depend on what was heard, not on when or how often."""

import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import blake2b

import pytest
from notification import topics
from notification.v1 import common_pb2, deduplication_pb2, dispatch_pb2, routing_pb2
from prometheus_client import CollectorRegistry

from services.cli.recount import Recount, recount
from services.core.channel import Channel
from services.core.ledger import COUNTERS
from services.core.receipts import Consequence, Receipt, ReceiptKind
from services.kit.errors import InvalidMessage
from services.kit.eventlog.port import Record
from services.kit.postgres import Pool
from services.kit.stage.totals import TotalsRow
from services.kit.testing import FakeClock
from services.tracking.domain import Finding, State
from services.tracking.handlers import TrackingHandler
from services.tracking.metrics import TrackingMetrics
from services.tracking.receiving import Inbox, Receiving, Unread
from services.tracking.stopping import Stopping
from services.tracking.store import Store
from services.wire.receipts import decode_accepted, encode_received
from services.wire.testing import FakeIncidents
from services.wire.totals import encode_totals
from tests.keys import a_ring

RoomPool = Callable[[str], Awaitable[Pool]]
ACCEPTED, REFUSED, UNKNOWN = 2, 3, 4
_offsets = itertools.count()


def notice(number: int) -> bytes:
    """Return a notice's id: spread like all ids, and of few notices the last byte says which."""
    return blake2b(number.to_bytes(8, "big"), digest_size=15).digest() + bytes([number % 256])


def a_record(topic: str, value: bytes, partition: int = 0) -> Record:
    """Return a record as the log gives it."""
    offset = next(_offsets)
    return Record(topic, partition, offset, "somebody", offset, 1_767_258_000_000, value)


def attempted(
    outcomes: Mapping[int, int], *, attempt: int = 1, channel: str = "letter", cohort: str = "c", partition: int = 0
) -> Record:
    """Return a block of outcomes of hand-overs, by number of the notice."""
    block = dispatch_pb2.DeliveriesAttempted(
        incident_id="lab",
        channel=channel,
        provider="print",
        ids=b"".join(map(notice, outcomes)),
        members=b"".join(map(notice, outcomes)),
        revisions=[1] * len(outcomes),
        attempts=[attempt] * len(outcomes),
        outcomes=bytes(outcomes.values()),
        cohort_ids=[cohort],
        cohorts=[0] * len(outcomes),
        at=1_767_258_120_000 + attempt,
    )
    return a_record(topics.DELIVERIES_ATTEMPTED, block.SerializeToString(), partition)


def exhausted(numbers: Sequence[int], *, attempt: int = 3, reason: str = "") -> Record:
    """Return a block of notices that no channel is left for."""
    count = len(numbers)
    ids = b"".join(map(notice, numbers))
    notices = common_pb2.Notices(
        incident_id="lab", incident_version=1, ids=ids, members=ids, pseudonyms=ids, versions=[1] * count,
        revisions=[1] * count, exposed=[1] * count, confirmed=[1] * count, channels=bytes(count), flags=bytes(count),
        language_names=["nl"], languages=[0] * count, cohort_ids=["c"], cohorts=[0] * count,
        accepted_at=[0] * count, attempts=[attempt] * count, tried=bytes(count),
    )  # fmt: skip
    return a_record(
        topics.NOTICES_EXHAUSTED, routing_pb2.NoticesExhausted(notices=notices, reason=reason).SerializeToString()
    )


def superseded(numbers: Sequence[int], *, marks: Sequence[int] = ()) -> Record:
    """Return a block of notices that no longer count, or count again."""
    block = deduplication_pb2.NoticesSuperseded(
        incident_id="lab", ids=b"".join(map(notice, numbers)), cohort_ids=["c"], cohorts=[0] * len(numbers), marks=marks
    )
    return a_record(topics.NOTICES_SUPERSEDED, block.SerializeToString())


def received(
    numbers: Sequence[int], kind: ReceiptKind, *, attempt: int = 1, channel: Channel = Channel.EMAIL, partition: int = 0
) -> Record:
    """Return a block of receipts."""
    at = 1_767_258_200_000
    (block,) = encode_received(partition, [Receipt(notice(n), channel, attempt, kind, at + n) for n in numbers])
    return a_record(block.topic, block.value, partition)


def totals_changed(*rows: TotalsRow) -> Record:
    """Return a block of other stages' totals."""
    return a_record(topics.TOTALS_CHANGED, encode_totals(rows))


class Room:
    """Tracking's handler on a database, without the stage around it."""

    def __init__(self, pool: Pool, store: Store | None = None) -> None:
        self.pool, self.store = pool, store or Store()
        self.registry = CollectorRegistry()
        self.clock, self.incidents, store = FakeClock(), FakeIncidents(), self.store
        self.inbox = Inbox(pool, store, a_ring(1, 2))
        receiving = Receiving(self.inbox, Unread(store, self.incidents), self.clock)
        stopping = Stopping(store, self.incidents)
        self.handler = TrackingHandler(store, TrackingMetrics(self.registry), stopping, receiving)

    async def hear(self, *records: Record) -> list[Consequence]:
        """Take records in one transaction, as the stage does; return what follows from receipts."""
        work = [self.handler.decode(record) for record in records]
        async with self.pool.acquire() as connection, connection.transaction():
            outputs = await self.handler.apply(connection, work)
        return [one for output in outputs for one in decode_accepted(a_record(output.topic, output.value))]

    async def tick(self, *partitions: int) -> list[Consequence]:
        """Tick once; return what follows from receipts."""
        async with self.pool.acquire() as connection, connection.transaction():
            outputs = await self.handler.tick(connection, partitions or (0,))
        return [one for output in outputs for one in decode_accepted(a_record(output.topic, output.value))]

    async def rows(self) -> list[Finding]:
        """Return where all notices stand, by the last byte of their ids."""
        async with self.pool.acquire() as connection, connection.transaction():
            packed = b"".join(row[0] for row in await connection.fetch("select notices from blocks"))
            await self.store.catch_up(connection)
            ids = {packed[at : at + 16] for at in range(0, len(packed), 16)}
            histories, _ = await self.store.read_histories(connection, ids)
            return [histories[notice].finding for notice in sorted(histories, key=lambda one: one[-1])]

    async def counts(self) -> dict[tuple[str, str], dict[str, int]]:
        """Return tracking's own totals, by scope and source; what is none is left out."""
        rows = await self.pool.fetch("select scope, source, counts from totals where 0 < any (counts)")
        return {(row["scope"], row["source"]): _named(row["counts"]) for row in rows}

    async def figures(self) -> dict[str, int]:
        """Return tracking's own totals, all sources together: one may count what another takes back."""
        figures: Counter[str] = Counter()
        for row in await self.pool.fetch("select counts from totals"):
            figures.update(_named(row["counts"]))
        return {name: count for name, count in figures.items() if count}


def _named(counts: Sequence[int]) -> dict[str, int]:
    return {name: count for name, count in zip(COUNTERS["tracking"], counts, strict=True) if count}


@pytest.fixture
async def room(room_pool: RoomPool) -> Room:
    """Return tracking on a fresh database."""
    return Room(await room_pool("tracking"))


async def test_first_outcomes_become_rows_and_counts(room: Room) -> None:
    """Each notice has one row; refused ones have none, for they are on their way to the next channel."""
    await room.hear(
        attempted({1: ACCEPTED, 2: ACCEPTED, 3: REFUSED, 4: UNKNOWN}),
        attempted({5: ACCEPTED}, cohort="d", partition=6, channel="email", attempt=2),
        exhausted([6]),
    )

    scope = "lab/c"
    at, later = 1_767_258_120_001, 1_767_258_120_002
    assert [
        Finding(notice(1), scope, notice(1), 1, State.ACCEPTED, 1, at, 4),
        Finding(notice(2), scope, notice(2), 1, State.ACCEPTED, 1, at, 4),
        Finding(notice(4), scope, notice(4), 1, State.UNKNOWN, 1, at, 4),
        Finding(notice(5), "lab/d", notice(5), 1, State.ACCEPTED, 2, later, 2),
        Finding(notice(6), scope, notice(6), 1, State.EXHAUSTED, 3, 1_767_258_000_000, 0),
    ] == await room.rows()
    assert {
        ("lab/c", "0"): {
            "notified": 2,
            "exhausted": 1,
            "notices_settled": 3,
            "accepted_letter": 2,
            "refused_letter": 1,
        },
        ("lab/d", "6"): {"notified": 1, "notices_settled": 1, "accepted_email": 1},
    } == await room.counts()


async def test_a_replay_changes_nothing(room: Room) -> None:
    """The same events in other blocks, as after a database was set back, leave rows and counts as they are."""
    heard = [attempted(dict.fromkeys(range(50), ACCEPTED)), exhausted([60, 61]), superseded([3, 60, 99])]
    await room.hear(*heard)
    before = await room.rows(), await room.counts()

    await room.hear(*reversed(heard))
    await room.hear(attempted(dict.fromkeys(range(40, 60), ACCEPTED)))
    await room.hear(attempted(dict.fromkeys(range(50), ACCEPTED)))

    rows, counts = await room.rows(), await room.counts()
    assert before[0] == [row for row in rows if row.notice not in map(notice, range(50, 60))]
    assert {("lab/c", "0"): {"notified": 59, "exhausted": 1, "notices_settled": 62, "accepted_letter": 60}} == counts


async def test_any_order_gives_the_same_rows_and_counts(room: Room) -> None:
    """Late, early, repeated, one by one or all at once: rows and counts come out the same."""
    events = [
        attempted({1: ACCEPTED, 2: UNKNOWN, 3: REFUSED}),
        attempted({2: REFUSED}, attempt=1),
        attempted({2: ACCEPTED, 3: ACCEPTED}, attempt=2),
        attempted({1: ACCEPTED}, attempt=2, channel="email"),
        exhausted([4, 3]),
        superseded([1, 4, 5]),
        attempted({5: ACCEPTED}),
        superseded([2, 3], marks=[3, 3]),
        superseded([2], marks=[4]),
    ]
    for seed in range(20):
        await room.pool.execute(
            "delete from blocks; delete from notices; delete from steps; delete from refusals; delete from totals"
        )
        chance = random.Random(seed)  # noqa: S311 - shuffles a test
        mixed = chance.sample([*events, *chance.choices(events, k=3)], k=len(events) + 3)
        while mixed:
            size = chance.randint(1, 4)
            await room.hear(*mixed[:size])
            mixed = mixed[size:]

        found = {row.notice[-1]: (row.state, row.attempt, row.channel, row.counted) for row in await room.rows()}
        assert {
            1: (State.ACCEPTED, 1, 4, False),
            2: (State.ACCEPTED, 2, 4, True),
            3: (State.ACCEPTED, 2, 4, False),
            4: (State.EXHAUSTED, 3, 0, False),
            5: (State.ACCEPTED, 1, 4, False),
        } == found
        assert {
            ("lab/c", "0"): {
                "notified": 1, "notices_settled": 5, "accepted_letter": 4, "accepted_email": 1, "refused_letter": 2
            }
        } == await room.counts()  # fmt: skip


async def test_receipts_in_any_order_give_the_same_rows_figures_and_recount(room: Room, database_url: str) -> None:
    """Before the hand-over was heard of, after, again, from other partitions: the same set comes to the same.

    Notice 1 bounced and was told by letter; 2 bounced and no channel is left; 3 was unknown, and delivered; 4 bounced
    and is on its way; of 5 nothing but a receipt is heard.
    """
    email = {1: ACCEPTED, 2: ACCEPTED, 3: UNKNOWN, 4: ACCEPTED}
    events = [
        attempted(email, channel="email"),
        received([1, 2, 4, 5], ReceiptKind.BOUNCED),
        received([1, 4], ReceiptKind.DELIVERED, partition=2),
        received([3], ReceiptKind.DELIVERED, partition=1),
        received([1], ReceiptKind.COMPLAINED),
        attempted({1: ACCEPTED}, attempt=2),
        exhausted([2], attempt=1),
    ]
    for seed in range(12):
        await room.pool.execute(
            "delete from blocks; delete from notices; delete from steps; delete from receipts; delete from totals"
        )
        chance = random.Random(seed)  # noqa: S311 - shuffles a test
        mixed = chance.sample([*events, *chance.choices(events, k=3)], k=len(events) + 3)
        follows: list[Consequence] = []
        while mixed:
            size = chance.randint(1, 4)
            follows += await room.hear(*mixed[:size])
            mixed = mixed[size:]

        bounced = {Consequence(notice(n), Channel.EMAIL, 1, ReceiptKind.BOUNCED) for n in (1, 2, 4)}
        assert bounced == {one for one in follows if one.kind == ReceiptKind.BOUNCED}
        assert len(set(follows)) == len(follows)
        found = {row.notice[-1]: (row.state, row.attempt, row.scope) for row in await room.rows()}
        assert {
            1: (State.ACCEPTED, 2, "lab/c"),
            2: (State.EXHAUSTED, 1, "lab/c"),
            3: (State.ACCEPTED, 1, "lab/c"),
            4: (State.BOUNCED, 1, "lab/c"),
            5: (State.UNHEARD, 0, ""),
        } == found
        assert {
            "notified": 2, "exhausted": 1, "notices_settled": 3, "accepted_letter": 1, "accepted_email": 4,
            "bounced": 3, "complaints": 1,
        } == await room.figures()  # fmt: skip
        assert [] == [str(one) for one in await recount(database_url) if not one.agrees]


async def test_who_cannot_be_printed_is_held_until_attempted_again(room: Room, database_url: str) -> None:
    """Counted as held and not as exhausted, in any order; a later attempt takes it back, and rows agree with it."""
    held = exhausted([1, 2], reason="unprintable:city")
    await room.hear(held, held)
    before = await room.counts()
    await room.hear(attempted({1: ACCEPTED}, attempt=2))
    after = await room.counts()

    assert {("lab/c", "0"): {"held_unprintable": 2}} == before
    assert {("lab/c", "0"): {"notified": 1, "notices_settled": 1, "held_unprintable": 1, "accepted_letter": 1}} == after
    assert [] == [str(one) for one in await recount(database_url) if not one.agrees]


async def test_figures_agree_with_rows_and_what_was_bent_is_found(room: Room, database_url: str) -> None:
    """Each figure is what its rows come to; a row that is gone or a counter that moved alone is named."""
    await room.hear(attempted({1: ACCEPTED, 2: UNKNOWN, 3: REFUSED}), attempted({7: ACCEPTED}, cohort="d", partition=3))
    await room.hear(exhausted([4, 5]), superseded([1, 4, 9]), attempted({2: ACCEPTED}, attempt=2, partition=1))

    def differing(found: list[Recount]) -> list[str]:
        return [str(one) for one in found if not one.agrees]

    figures = await recount(database_url)
    assert [] == differing(figures)
    assert {"notified": 1, "exhausted": 1, "notices_settled": 4, "accepted_letter": 2, "refused_letter": 1} == {
        one.figure: one.rows for one in figures if one.scope == "lab/c" and one.rows
    }

    await room.pool.execute("update totals set counts[1] = counts[1] + 1 where source = '3'")
    await room.pool.execute("delete from blocks where notices = $1", notice(5))
    assert [
        "lab/c: tracking counted 1 exhausted, and has rows of 0",
        "lab/c: tracking counted 4 notices_settled, and has rows of 3",
        "lab/d: tracking counted 2 notified, and has rows of 1",
    ] == differing(await recount(database_url))


async def test_a_rolled_back_transaction_leaves_nothing_behind(room: Room) -> None:
    """What was taken in a transaction that did not commit is taken anew."""
    work = [room.handler.decode(attempted({1: ACCEPTED}))]
    async with room.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await room.handler.apply(connection, work)
        await transaction.rollback()

    await room.hear(attempted({1: ACCEPTED}))

    assert {("lab/c", "0"): {"notified": 1, "notices_settled": 1, "accepted_letter": 1}} == await room.counts()


async def test_the_highest_totals_of_a_source_hold(room: Room) -> None:
    """A total that comes late or again never takes a newer one's place, in one block or over several."""

    def row(sequence: int, released: int, source: str = "0") -> TotalsRow:
        return TotalsRow("deduplication", source, "lab/c", sequence, {"released": released}, 1_767_258_000_000)

    await room.hear(totals_changed(row(2, 20), row(3, 30)), totals_changed(row(1, 10), row(1, 5, "1")))
    await room.hear(totals_changed(row(2, 20)), totals_changed(row(1, 5, "1")))

    async with room.pool.acquire() as connection:
        found = await Store().read_totals(connection, "lab/")
    assert [("0", 30), ("1", 5)] == [(source, t.counts["released"]) for source, t in zip("01", found, strict=True)]


async def test_a_block_that_cannot_be_understood_is_a_dead_letter(room: Room) -> None:
    """What cannot be counted for certain is not counted."""
    for record, reason in (
        (attempted({1: 9}), "unknown-outcome"),
        (attempted({1: ACCEPTED}, channel="pigeon"), "unknown-channel"),
        (a_record(topics.DELIVERIES_ATTEMPTED, b"\xff"), "undecodable"),
        (a_record(topics.MEMBERS_ACCEPTED, b""), "unexpected-topic"),
        (a_record(topics.NOTICES_SUPERSEDED, b""), "no-incident"),
        (totals_changed(TotalsRow("deduplication", "0", "lab/c", 1, {"held_later": 1}, 5)), "unknown-counter"),
    ):
        with pytest.raises(InvalidMessage, match=reason):
            room.handler.decode(record)


async def test_events_are_counted_by_kind(room: Room) -> None:
    """The metric tells accepted from refused, unknown, exhausted, superseded and totals."""
    await room.hear(attempted({1: ACCEPTED, 2: REFUSED, 3: REFUSED}), exhausted([4]), superseded([1, 5]))

    kinds = ("accepted", "refused", "unknown", "exhausted", "superseded", "totals")
    found = [room.registry.get_sample_value("tracking_events_total", {"kind": kind}) for kind in kinds]
    assert [1, 2, 0, 1, 2, 0] == found
