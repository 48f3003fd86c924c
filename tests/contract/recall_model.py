"""The rooms as a model of recalls: each decides as it does, and messages are on their way between them."""

from collections import Counter, defaultdict, deque
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from notification.topics import DELIVERIES_REFUSED, NOTICES_EXHAUSTED, NOTICES_REATTEMPTED, NOTICES_STOPPED
from notification.v1 import routing_pb2
from prometheus_client import CollectorRegistry

from services.core.channel import CHANNELS, Channel
from services.core.notices import FLAG_MAYBE_TOLD, Notices
from services.core.receipts import Receipt, ReceiptKind, ReceiptReason
from services.core.status import AttemptState
from services.deduplication.batch import Effects
from services.deduplication.domain import COUNTED_AS, Course, Member, Outcome, Terms, is_withdrawn
from services.dispatch.codec import encode_refused
from services.dispatch.counting import Moved
from services.dispatch.recalls import Answering, Recalls
from services.kit.eventlog import Output, Record
from services.kit.testing import FakeClock
from services.routing.handlers import RoutingHandler, Work
from services.routing.metrics import RoutingMetrics
from services.routing.readdressing import Address
from services.tracking.domain import Deltas, Finding, State
from services.tracking.histories import History, history_of, moved
from services.wire.notices import notices_from_wire
from services.wire.recalls import Recall, Recalled, decode_stopped
from services.wire.testing import FakeIncidents
from tests.contract.recall_addresses import Addresses
from tests.contract.recall_tables import NOW, Attempt, Table
from tests.unit.deduplication.builders import INCIDENT, a_block, an_id, terms
from tests.unit.deduplication.memory import Tables
from tests.unit.dispatch.people import an_incident
from tests.unit.routing.memory import KEEP, MemoryStore

__all__ = ["NEXT", "NOBODYS", "PERSON", "World"]

PERSON = an_id("person")
NOBODYS: Any = None  # there is no database
T = TypeVar("T")
_CASCADE = [{"when": "bounced"}, {"when": "returned"}, {"when": "unread", "afterDays": 14}]


def done(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine comes to that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError


NEXT: Mapping[AttemptState, Sequence[AttemptState]] = {
    AttemptState.TAKEN: [AttemptState.INTENT],
    AttemptState.INTENT: [
        AttemptState.ACCEPTED, AttemptState.UNKNOWN, AttemptState.REFUSED_WAITING, AttemptState.TAKEN,
    ],
    AttemptState.REFUSED_WAITING: [AttemptState.REFUSED, AttemptState.TAKEN],
    AttemptState.UNKNOWN: [AttemptState.REFUSED],
    AttemptState.UNPRINTED: [AttemptState.REFUSED],  # an operator gives it up
}  # fmt: skip


class World:
    """One person's records, and everything that becomes of them, with the messages that are on their way."""

    ways = NEXT  # in which attempts go on by themselves

    def __init__(self) -> None:
        self.tables = Tables()
        self.terms = terms(released=())
        self.channels = {channel: Table() for channel in CHANNELS}
        for table in self.channels.values():
            table.others = [other for other in self.channels.values() if other is not table]
        self.routing_store = MemoryStore()
        incident = an_incident(INCIDENT, 7, policy={"cascade": _CASCADE})
        incidents = FakeIncidents(incident)
        metrics = RoutingMetrics(CollectorRegistry())
        self.routing = RoutingHandler(incidents, metrics, FakeClock(), KEEP, self.routing_store)
        self.queues: dict[tuple[str, Channel | None], deque[Any]] = defaultdict(deque)
        self.history: list[tuple[tuple[str, Channel | None], Any]] = []
        self.aside: list[tuple[tuple[str, Channel | None], Any]] = []  # what was set aside
        self.histories: dict[bytes, History] = {}
        self.deltas: Deltas = {}
        self.versions: Counter[str] = Counter()
        self.addresses = Addresses()

    # Deduplication

    def says(self, member: Member) -> None:
        """Let a record come."""
        self.sends(self.tables.take([a_block([(PERSON, member)])], self.terms))

    def rules(self, ruled: Terms) -> None:
        """Let an operator act."""
        self.terms = ruled
        self.sends(self.tables.look_again(ruled))

    def sends(self, effects: Effects) -> None:
        """Let what deduplication decided go out."""
        for notices in effects.notices.values():
            for row in range(len(notices)):
                self.put(("released", None), notices.pick([row]))
        for notice, person in (one for of_it in effects.recalled.values() for one in of_it):
            self._recall(notice, person, over=False)
        for rows in effects.readdressed.values():
            self.put(("readdressed", None), [Address(*row) for row in rows])
        for one in (one for of_it in effects.superseded.values() for one in of_it):
            self._find(Finding(one.notice, f"c{one.cohort}", None, 0, State.UNHEARD, 0, 0, 0, one.mark))

    def _recall(self, notice: bytes, person: bytes, *, over: bool) -> None:
        for reader in (*CHANNELS, None):
            self.put(("recalled", reader), Recalled([Recall(0, notice, person, INCIDENT)], over))

    def put(self, queue: tuple[str, Channel | None], message: Any) -> None:
        """Let a message be on its way."""
        self.queues[queue].append(message)

    # The others

    def sets_aside(self, number: int) -> None:
        """Let a message that cannot be read be stepped over, and be sent back some time later."""
        waiting = [key for key, queue in sorted(self.queues.items(), key=str) if queue]
        if waiting:
            key = waiting[number % len(waiting)]
            self.aside.append((key, self.queues[key].popleft()))

    def sends_back(self, number: int) -> bool:
        """Let a message that was set aside arrive; tells whether there was one."""
        if not self.aside:
            return False
        key, message = self.aside.pop(number % len(self.aside))
        self.history.append((key, message))
        self.takes_in(key, message)
        return True

    def forgets(self) -> None:
        """Let weeks pass: marks that are answered everywhere go, and no recall of those is anywhere any more."""
        marks = [{n: state for n, (_, state) in table.recalls.items()} for table in self.channels.values()]
        open_here = {n for of_it in marks for n, state in of_it.items() if state is not Answering.ANSWERED}
        open_here |= self.routing_store.recalls.keys() - self.routing_store.over
        open_here |= {n for key, m in self._on_the_way() if key[0] in {"recalled", "stopped"} for n in m.notices}
        gone = {n for of_it in marks for n in of_it} | self.routing_store.over
        gone -= open_here
        for table in self.channels.values():
            for notice in gone & table.recalls.keys():
                del table.recalls[notice]
        for notice in gone & self.routing_store.over:
            self.routing_store.over.discard(notice)
            self.routing_store.recalls.pop(notice, None)
        self.history = [
            (key, message) for key, message in self.history
            if key[0] != "recalled" or not gone.intersection(message.notices)
        ]  # fmt: skip

    def _on_the_way(self) -> list[tuple[tuple[str, Channel | None], Any]]:
        return [*self.aside, *((key, message) for key, queue in self.queues.items() for message in queue)]

    def deliver(self, number: int) -> bool:
        """Let the next message of some queue arrive; tells whether there was one."""
        waiting = [key for key, queue in sorted(self.queues.items(), key=str) if queue]
        if not waiting:
            return False
        key = waiting[number % len(waiting)]
        message = self.queues[key].popleft()
        self.history.append((key, message))
        self.takes_in(key, message)
        return True

    def arrives(self, key: tuple[str, Channel | None]) -> None:
        """Let the next message of one queue arrive."""
        message = self.queues[key].popleft()
        self.history.append((key, message))
        self.takes_in(key, message)

    def replay(self, number: int) -> None:
        """Let a message that arrived before arrive again."""
        if self.history:
            self.takes_in(*self.history[number % len(self.history)])

    def takes_in(self, key: tuple[str, Channel | None], message: Any) -> None:
        """Let the room that reads a queue take a message."""
        topic, channel = key
        if topic in {"released", "refused"}:
            self._routes(Work(0, message, released=topic == "released"))
        elif topic == "readdressed":
            self._routes(Work(0, addresses=message))
        elif topic == "given back":
            self.addresses.hear(work := self.routing.decode(message))
            self._routes(work)
        elif topic == "stopped":
            courses = {n: Course.STOPPED if s else Course.BEGUN for n, s in zip(message[2], message[4], strict=True)}
            self.sends(self.tables.hear(courses, self.terms))
            for notice in courses:
                self._recall(notice, PERSON, over=True)
        elif channel is None:
            self._routes(Work(0, recalled=message))
        else:
            table = self.channels[channel]
            recalls = Recalls(table)
            if topic == "routed":
                self.queue(table, message)
                done(recalls.follow(NOBODYS, [message], NOW))
                self.answers(done(recalls.arrived(NOBODYS, [0], message.ids, NOW, Moved())))
            else:
                self.answers(done(recalls.take(NOBODYS, [message], [], NOW, Moved())))

    def queue(self, table: Table, notices: Notices) -> None:
        """Queue an attempt, unless its number was taken on any channel."""
        key = notices.ids[0], notices.attempts[0]
        if not any(key in one.attempts for one in self.channels.values()):
            table.attempts[key] = Attempt(notices)

    def _routes(self, work: Work) -> None:
        done(self.routing.ready([work]))
        for output in done(self.routing.apply(NOBODYS, [work])):
            if output.topic == NOTICES_EXHAUSTED:
                message = notices_from_wire(routing_pb2.NoticesExhausted.FromString(output.value).notices)
                for row, notice in enumerate(message.ids):
                    scope, bearer, attempt = message.cohorts[row], message.members[row], message.attempts[row]
                    self._find(Finding(notice, scope, bearer, 1, State.EXHAUSTED, attempt, 0, 0))
            elif output.topic == NOTICES_STOPPED:
                self.answers([output])
            elif output.topic == NOTICES_REATTEMPTED:
                message = notices_from_wire(routing_pb2.NoticesReattempted.FromString(output.value).notices)
                scope, bearer, attempt = message.cohorts[0], message.members[0], message.attempts[0]
                self._find(Finding(message.ids[0], scope, bearer, 1, State.REATTEMPTED, attempt, 0, 0))
            else:
                way = next(channel for channel in CHANNELS if f".{channel.label}." in output.topic)
                routed = notices_from_wire(routing_pb2.NoticesRouted.FromString(output.value).notices)
                self.addresses.check(way, routed)
                self.put(("routed", way), routed)

    def answers(self, outputs: Sequence[Output]) -> None:
        """Let what a channel or routing says be on its way."""
        for output in outputs:
            record = Record(output.topic, 0, 0, "dispatch", 1, 0, output.value)
            if output.topic == DELIVERIES_REFUSED:
                self.put(("given back", None), record)
            else:
                self.put(("stopped", None), decode_stopped(record))

    def goes_on(self, number: int) -> bool:
        """Let one attempt go on in one of the ways that it can; tells whether there was one."""
        open_to = [
            (channel, attempt, state)
            for channel in CHANNELS
            for attempt in self.channels[channel].numbered()
            for state in self.ways.get(attempt.state, ())
            if attempt.state is not AttemptState.UNPRINTED
            or not self.channels[channel].is_looked_at(attempt.notice.ids[0])
        ]
        if not open_to:
            return False
        self.becomes(*open_to[number % len(open_to)])
        return True

    def becomes(self, channel: Channel, attempt: Attempt, state: AttemptState) -> None:
        """Let an attempt come to a state."""
        notices, before = attempt.notice, attempt.state
        given_up = attempt.state is AttemptState.UNKNOWN and state is AttemptState.REFUSED
        attempt.state = state
        attempt.began = attempt.began or state in {AttemptState.ACCEPTED, AttemptState.UNKNOWN}
        if state in {AttemptState.ACCEPTED, AttemptState.UNKNOWN}:
            found = State.ACCEPTED if state is AttemptState.ACCEPTED else State.UNKNOWN
            scope, bearer, number = notices.cohorts[0], notices.members[0], notices.attempts[0]
            self._find(Finding(notices.ids[0], scope, bearer, notices.revisions[0], found, number, 0, int(channel)))
        if state is AttemptState.REFUSED:
            part = notices.pick([0])
            part.tried = [part.tried[0] | channel]
            part.flags = [part.flags[0] | FLAG_MAYBE_TOLD] if given_up else part.flags
            if before is AttemptState.UNPRINTED:
                self._gives_back(part, "refused:provider")
            else:
                self.put(("refused", None), part)

    def _gives_back(self, notices: Notices, why: str, came_back_on: int = 0) -> None:
        self.answers([encode_refused(notices, why, 0, came_back_on)])

    def lies_unread(self, number: int) -> None:
        """Let days pass in which nobody reads a message of the portal."""
        table = self.channels[Channel.PORTAL]
        accepted = [attempt for attempt in table.numbered() if attempt.state is AttemptState.ACCEPTED]
        if not accepted:
            return
        attempt = accepted[number % len(accepted)]
        attempt.state, notices = AttemptState.UNREAD, attempt.notice
        at = notices.ids[0], int(Channel.PORTAL), notices.attempts[0]
        self._hear(notices.ids[0], Receipt(*at, ReceiptKind.UNREAD, 0))
        part = notices.pick([0])
        part.tried = [part.tried[0] | Channel.PORTAL]
        self._gives_back(part, "unread")

    def comes_back(self, number: int) -> None:
        """Let one that was accepted come back: through no fault of its recipient, or as the mailbox does not exist."""
        accepted = [
            (channel, attempt)
            for channel in CHANNELS
            for attempt in self.channels[channel].numbered()
            if attempt.state is AttemptState.ACCEPTED
        ]
        if not accepted:
            return
        channel, attempt = accepted[number % len(accepted)]
        notices, rejected = attempt.notice, bool(number % 2)
        attempt.state, attempt.began = AttemptState.UNPRINTED if rejected else AttemptState.BOUNCED, False
        kind, reason = (
            (ReceiptKind.REFUSED, ReceiptReason.PROVIDER) if rejected else (ReceiptKind.BOUNCED, ReceiptReason.HARD)
        )
        self._hear(notices.ids[0], Receipt(notices.ids[0], int(channel), notices.attempts[0], kind, 0, reason))
        if rejected:
            done(self.channels[channel].reopen_recalls(NOBODYS, notices.ids, NOW))
        else:
            part = notices.pick([0])
            part.tried = [part.tried[0] | channel]
            self._gives_back(part, "bounced:hard", channel)

    def ticks(self) -> None:
        """Let every channel tick."""
        for channel in CHANNELS:
            self.answers(done(Recalls(self.channels[channel]).look_again(NOBODYS, [0], NOW, Moved())))

    def _find(self, finding: Finding) -> None:
        self._join(history_of(finding))

    def _hear(self, notice: bytes, receipt: Receipt) -> None:
        self._join(History(notice, receipts=frozenset({receipt})))

    def _join(self, heard: History) -> None:
        before = self.histories.get(heard.notice)
        after = before.joined(heard) if before else heard
        moved(self.deltas, "0", before.standing() if before else None, after.standing())
        self.histories[heard.notice] = after

    # What holds

    def settle(self) -> None:
        """Let everything come to its end."""
        for turn in range(400):
            self.ticks()
            if not (self.deliver(turn) | self.goes_on(turn) | self.sends_back(turn) | self.decides(turn)):
                break

    def decides(self, number: int) -> bool:  # noqa: ARG002 - see `ways`
        """Let an operator act about a rejected attempt; tells whether there was one."""
        return False

    def figures(self) -> Counter[str]:
        """Return the ledger's figures, all cohorts together."""
        counts: Counter[str] = Counter()
        for (_, _, counter), count in self.tables.counts.items():
            counts[counter] += count
        for moves in self.deltas.get("0", {}).values():
            counts.update(moves)
        return counts

    def check(self) -> None:
        """Check what holds at every instant."""
        figures, claims = self.figures(), self.tables.dossiers[PERSON].claims if self.tables.dossiers else []
        dossier = self.tables.dossiers.get(PERSON)
        expected = Counter(COUNTED_AS[s.outcome] for s in dossier.standings.values()) if dossier else Counter()
        assert +expected == Counter({name: figures[name] for name in set(COUNTED_AS.values()) if figures[name]})
        void = {claim.notice for claim in claims if claim.course == Course.STOPPED}
        for table in self.channels.values():
            for attempt in table.numbered():
                # Nobody was told, or may be told any more, by what was stopped: only so can a new notice go out.
                assert attempt.notice.ids[0] not in void or (
                    not attempt.began and attempt.state not in {AttemptState.INTENT, AttemptState.ACCEPTED}
                )
        for claim in claims:
            accepted = [
                a for t in self.channels.values() for (notice, _), a in t.attempts.items()
                if notice == claim.notice and a.state is AttemptState.ACCEPTED
            ]  # fmt: skip
            assert len(accepted) <= 1

    def check_at_the_end(self) -> None:
        """Check what holds once nothing is on its way."""
        figures, dossier = self.figures(), self.tables.dossiers[PERSON]
        assert not [claim for claim in dossier.claims if claim.course == Course.RECALLED]
        assert {Answering.ANSWERED} >= {state for one in self.channels.values() for _, state in one.recalls.values()}
        assert self.routing_store.recalls.keys() <= self.routing_store.over
        assert figures["released"] == figures["notified"] + figures["exhausted"]
        told = {c.notice for c in dossier.claims if not c.void}
        for claim in dossier.claims:
            history = self.histories.get(claim.notice)
            finding = history.finding if history else None
            stopped = claim.course == Course.STOPPED
            assert stopped or (finding is not None and finding.state in {State.ACCEPTED, State.EXHAUSTED})
            assert not stopped or finding is None or not finding.counted
        for member, standing in dossier.standings.items():
            if is_withdrawn(dossier.members[member], self.terms) and standing.outcome == Outcome.RELEASED:
                assert any(c.bearer == member and c.notice in told for c in dossier.claims)
