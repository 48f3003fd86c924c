"""Who was given up is attempted again at a new address: once, whatever comes first, never after it was accepted."""

from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from notification import topics
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import ALL_CHANNELS, Channel
from services.core.incident import Controller, Incident
from services.core.notices import FLAG_MAYBE_TOLD, FLAG_SECRET_ADDRESS, LIES_UNREAD, Notices
from services.core.status import CHANNEL_CLOSED
from services.kit.eventlog.port import Output, Record
from services.kit.postgres import Connection
from services.kit.testing import FakeClock
from services.routing.handlers import RoutingHandler
from services.routing.metrics import RoutingMetrics
from services.wire.notices import notices_from_wire, notices_to_wire
from services.wire.recalls import Recall, decode_stopped, encode_recalled
from services.wire.testing import FakeIncidents
from tests.unit.routing.memory import KEEP, MemoryStore

T = TypeVar("T")
PORTAL, EMAIL, LETTER = Channel.PORTAL, Channel.EMAIL, Channel.LETTER
UNUSED = cast("Connection", None)
ROUTED = {
    topics.NOTICES_ROUTED_PORTAL: PORTAL,
    topics.NOTICES_ROUTED_EMAIL: EMAIL,
    topics.NOTICES_ROUTED_LETTER: LETTER,
}
NOTICES = [bytes([n]) * 16 for n in range(3)]


def a_handler() -> RoutingHandler:
    """Return routing as it starts, with one incident version known."""
    return RoutingHandler(
        FakeIncidents(an_incident(1)), RoutingMetrics(CollectorRegistry()), FakeClock(), KEEP, MemoryStore()
    )


def an_incident(version: int, *compromised: Channel) -> Incident:
    """Return an incident version of which only the channels matter."""
    at, closed = datetime(2025, 8, 6, tzinfo=UTC), frozenset(compromised)
    controller = Controller("", (), "", "")
    return Incident(
        "lab", version, {"nl": ""}, at, None, controller, ("nl",), (PORTAL, EMAIL, LETTER), closed, (), {}
    )  # fmt: skip


def a_notice(
    notice: bytes, *, channels: int, version: int = 1, attempt: int = 0, tried: int = 0, flags: int = 0
) -> Notices:
    """Return a block of one notice."""
    return Notices(
        "lab", 1, [notice], [notice], [version], [version], [notice], [1], [b""], [1], [1], [0], [0], [channels],
        [flags], ["nl"], ["c"], [5], [attempt], [tried],
    )  # fmt: skip


def released(notices: Notices) -> Record:
    """Return a block as deduplication sends it."""
    value = deduplication_pb2.NoticesReleased(notices=notices_to_wire(notices)).SerializeToString()
    return Record(topics.NOTICES_RELEASED, 0, 0, "deduplication", 1, 0, value)


def refused(notices: Notices, reason: str = "no") -> Record:
    """Return a block as dispatch gives it back."""
    value = dispatch_pb2.DeliveriesRefused(notices=notices_to_wire(notices), reason=reason).SerializeToString()
    return Record(topics.DELIVERIES_REFUSED, 0, 0, "dispatch-email", 1, 0, value)


def readdressed(notice: bytes, version: int, *, since: int, channels: int = LETTER, flags: int = 0) -> Record:
    """Return a block that says that a notice's bearer has other contact data; its slot is its version."""
    block = deduplication_pb2.NoticesReaddressed(
        incident_id="lab", ids=notice, versions=[version], since=[since], slots=[version], channels=bytes([channels]),
        flags=bytes([flags]), language_names=["en"], languages=[0],
    )  # fmt: skip
    return Record(topics.NOTICES_READDRESSED, 0, 0, "deduplication", 1, 0, block.SerializeToString())


def done(made: Coroutine[Any, Any, T]) -> T:
    """Run what never waits, as nothing here is a server."""
    try:
        made.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    raise AssertionError("it waits")


def take(handler: RoutingHandler, *records: Record) -> list[tuple[str, Notices]]:
    """Let routing take a batch; returns topic and block of each notice that comes out."""
    work = [handler.decode(record) for record in records]
    done(handler.ready(work))
    return [(output.topic, one) for output in done(handler.apply(UNUSED, work)) for one in singles(output)]


def singles(output: Output) -> list[Notices]:
    """Return the notices of a block one by one."""
    block = notices_from_wire(routing_pb2.NoticesRouted.FromString(output.value or b"").notices)
    return [block.pick([row]) for row in range(len(block))]


def told(out: Sequence[tuple[str, Notices]]) -> list[tuple[str, int, int]]:
    """Return what came out: the topic's last words, attempt, the bearer's version."""
    return [
        (topic.removeprefix("heraut.notices.").removesuffix(".v1"), n.attempts[0], n.versions[0]) for topic, n in out
    ]


def test_who_was_given_up_is_attempted_at_a_new_address() -> None:
    """The same notice, its next number, the new version's data; tracking hears that it is in flight again."""
    handler = a_handler()
    one = a_notice(NOTICES[0], channels=EMAIL, attempt=4, tried=EMAIL, flags=FLAG_MAYBE_TOLD)
    first = take(handler, refused(one))

    again = take(handler, readdressed(NOTICES[0], 2, since=2, channels=EMAIL | LETTER, flags=FLAG_SECRET_ADDRESS))

    assert [("exhausted", 4, 1)] == told(first)
    (_, notice), _ = again

    assert [("routed.email", 5, 2), ("reattempted", 5, 2)] == told(again)
    expected = (NOTICES[0], 2, EMAIL | LETTER, FLAG_SECRET_ADDRESS | FLAG_MAYBE_TOLD, "en", 0, 1)
    assert expected == (
        notice.ids[0], notice.slots[0], notice.channels[0], notice.flags[0], notice.languages[0], notice.tried[0],
        notice.incident_version,
    )  # fmt: skip


def test_what_cannot_be_printed_is_held_until_its_contact_data_is_another() -> None:
    """It takes no other channel, and is said with its fields; a correction of other facts does not move it."""
    handler = a_handler()
    one = a_notice(NOTICES[0], channels=EMAIL | LETTER, attempt=1, tried=LETTER)
    work = [handler.decode(refused(one, "unprintable:city"))]
    done(handler.ready(work))
    (held,) = done(handler.apply(UNUSED, work))

    wire = routing_pb2.NoticesExhausted.FromString(held.value or b"")
    assert (topics.NOTICES_EXHAUSTED, "unprintable:city") == (held.topic, wire.reason)
    assert [] == take(handler, refused(one, "unprintable:city"))
    assert [] == take(handler, readdressed(NOTICES[0], 2, since=1))
    again = take(handler, readdressed(NOTICES[0], 3, since=3))
    assert [("routed.letter", 2, 3), ("reattempted", 2, 3)] == told(again)


def test_a_message_that_lies_unread_gets_none_beside_it() -> None:
    """The letter after it was called back, or came back: at a new address a letter goes, and no second message."""
    for reason in ("called-back", "returned:moved"):
        handler, tried = a_handler(), PORTAL | LETTER | LIES_UNREAD
        one = a_notice(NOTICES[0], channels=PORTAL | LETTER, attempt=2, tried=tried)
        gone = take(handler, refused(one, reason))
        nowhere = take(handler, readdressed(NOTICES[0], 2, since=2, channels=PORTAL))
        (topic, again), _ = take(handler, readdressed(NOTICES[0], 3, since=3, channels=PORTAL | LETTER))

        assert ([("exhausted", 2, 1)], []) == (told(gone), nowhere)
        assert (topics.NOTICES_ROUTED_LETTER, [3], [int(PORTAL)]) == (topic, again.attempts, again.tried)


@pytest.mark.parametrize(("tried", "flags"), [(EMAIL, FLAG_MAYBE_TOLD), (EMAIL | LIES_UNREAD, 0)])
def test_what_may_have_told_somebody_is_not_answered_as_stopped(tried: int, flags: int) -> None:
    """No channel was left for it: it had begun, and other contact data is tried all the same."""
    handler = a_handler()
    take(handler, refused(a_notice(NOTICES[0], channels=EMAIL, attempt=4, tried=tried, flags=flags)))
    (asked,) = encode_recalled([Recall(0, NOTICES[0], NOTICES[0], "lab")], over=False)
    work = [handler.decode(Record(asked.topic, 0, 0, "deduplication", 1, 0, asked.value))]
    (answer,) = done(handler.apply(UNUSED, work))

    assert [False] == decode_stopped(Record(answer.topic, 0, 0, "routing", 1, 0, answer.value)).stopped
    assert [("routed.letter", 5, 2), ("reattempted", 5, 2)] == told(
        take(handler, readdressed(NOTICES[0], 2, since=2, channels=LETTER))
    )


def test_a_new_address_waits_for_the_case_that_it_is_needed() -> None:
    """While a notice is on its way nothing happens; it is attempted again once no channel is left."""
    handler = a_handler()

    early = take(handler, readdressed(NOTICES[0], 2, since=2))
    late = take(handler, refused(a_notice(NOTICES[0], channels=LETTER, attempt=1, tried=LETTER)))

    assert [] == early
    assert [("exhausted", 1, 1), ("routed.letter", 2, 2), ("reattempted", 2, 2)] == told(late)


def test_the_same_contact_data_is_not_tried_again() -> None:
    """A correction of something else says since when the data stands: what was refused with it stays refused."""
    handler = a_handler()
    take(handler, refused(a_notice(NOTICES[0], channels=LETTER, version=2, attempt=1, tried=LETTER)))

    assert [] == take(handler, readdressed(NOTICES[0], 3, since=2))
    assert [] == take(handler, readdressed(NOTICES[0], 2, since=2))


def test_an_address_that_cannot_be_written_to_leaves_it_given_up() -> None:
    """It is answered by the next address that can."""
    handler = a_handler()
    take(handler, refused(a_notice(NOTICES[0], channels=LETTER, attempt=1, tried=LETTER)))

    assert [] == take(handler, readdressed(NOTICES[0], 2, since=2, channels=0))
    assert [("routed.letter", 2, 3), ("reattempted", 2, 3)] == told(take(handler, readdressed(NOTICES[0], 3, since=3)))


class Readdressing(RuleBasedStateMachine):
    """Deduplication, routing and dispatch as they meet: any order, repeats and replays."""

    def __init__(self) -> None:
        super().__init__()
        self.handler = a_handler()
        self.versions = dict.fromkeys(NOTICES, 1)
        self.since = dict.fromkeys(NOTICES, 1)
        self.heard: list[Record] = []
        self.attempts: dict[tuple[bytes, int], tuple[str, int]] = {}  # dispatch's wall: key -> topic, version
        self.open: list[tuple[str, Notices]] = []
        self.accepted: set[bytes] = set()
        self.given_up: dict[bytes, int] = {}
        self.reattempted: dict[bytes, int] = {}
        self.newest, self.closed, self.ever_closed = 1, set[Channel](), 0
        self.left: set[tuple[bytes, int, Channel]] = (
            set()
        )  # notice, its bearer's version, channel that it moved on from

    def _take(self, *records: Record) -> None:
        self.heard += records
        for topic, one in take(self.handler, *records):
            key = one.ids[0], one.attempts[0]
            if topic == topics.NOTICES_EXHAUSTED:
                assert self.given_up.get(key[0], -1) < key[1], "given up twice at one attempt"
                self.given_up[key[0]] = key[1]
            elif topic == topics.NOTICES_REATTEMPTED:
                assert self.reattempted.get(key[0], 0) < key[1], "answered twice"
                self.reattempted[key[0]] = key[1]
            elif key in self.attempts:
                # A replay may know of other closed channels than the first time did: dispatch's wall takes neither.
                same = self.attempts[key] == (topic, one.versions[0])
                assert same or self.newest > 1, "a number that stands for two attempts"
            else:
                assert key[0] not in self.accepted, "handed over after it was accepted"
                channel, version = ROUTED[topic], one.versions[0]
                assert channel not in self.closed, "handed over on a closed channel"
                assert (key[0], version, channel) not in self.left, "brought back to a channel that it had left"
                before = [other for other in sorted(self.closed) if other < channel and other & one.channels[0]]
                self.left.update((key[0], version, other) for other in before)
                self.attempts[key] = topic, one.versions[0]
                self.open.append((topic, one))

    @rule(notice=st.sampled_from(NOTICES), channels=st.integers(0, ALL_CHANNELS))
    def release(self, notice: bytes, channels: int) -> None:
        """Let a notice go out, once."""
        if not any(key == notice for key, _ in self.attempts) and notice not in self.given_up:
            self._take(released(a_notice(notice, channels=channels)))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), accepted=st.booleans())
    def end_an_attempt(self, data: st.DataObject, *, accepted: bool) -> None:
        """Have a provider take it, or refuse it for good."""
        topic, one = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if accepted:
            self.accepted.add(one.ids[0])
        else:
            one.tried = [one.tried[0] | ROUTED[topic]]
            self._take(refused(one))

    @rule(channels=st.sets(st.sampled_from([PORTAL, EMAIL, LETTER])))
    def close(self, channels: set[Channel]) -> None:
        """Put a version that closes these channels, and opens all others."""
        self.newest, self.closed, self.ever_closed = self.newest + 1, channels, self.ever_closed | sum(channels)
        cast("FakeIncidents", self.handler._incidents).put(an_incident(self.newest, *channels))

    @rule()
    def move_on(self) -> None:
        """Have dispatch give back what waits for a channel that is closed."""
        waiting = [(topic, one) for topic, one in self.open if ROUTED[topic] in self.closed]
        self.open = [(topic, one) for topic, one in self.open if ROUTED[topic] not in self.closed]
        for topic, one in waiting:
            self.left.add((one.ids[0], one.versions[0], ROUTED[topic]))
            one.tried = [one.tried[0] | ROUTED[topic]]
            self._take(refused(one, CHANNEL_CLOSED))

    @rule(notice=st.sampled_from(NOTICES), channels=st.integers(0, ALL_CHANNELS), moved=st.booleans())
    def correct(self, notice: bytes, channels: int, *, moved: bool) -> None:
        """Give the bearer's record its next version, with other contact data or not."""
        version = self.versions[notice] = self.versions[notice] + 1
        self.since[notice] = version if moved else self.since[notice]
        self._take(readdressed(notice, version, since=self.since[notice], channels=channels))

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """Send blocks once more, together, in any order."""
        self._take(*data.draw(st.lists(st.sampled_from(self.heard), min_size=1, max_size=4)))

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Whoever was given up and has newer data that can be written to was attempted again.

        A channel that was closed once may have been closed as the data came: opened again, it brings nobody back.
        """
        store = cast("MemoryStore", self.handler._store)
        for notice, attempt in self.given_up.items():
            address, one = store.moved.get(notice), store.given_up[notice]
            newer = address is not None and address.since > one.version and address.channels & ~self.ever_closed
            if newer and notice not in self.accepted:
                assert self.reattempted[notice] == attempt + 1


Readdressing.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestReaddressing = Readdressing.TestCase
