"""The model of recalls with operators' acts about rejected attempts, and with deduplication behind intake."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from services.core.access import Act
from services.core.channel import CHANNELS, Channel
from services.core.status import AttemptState
from services.deduplication.domain import Member
from services.dispatch.rejected.decided import GIVES_UP, WaitingAct
from services.wire.recalls import Recalled, encode_asked
from tests.contract.recall_model import NEXT, PERSON, World
from tests.contract.recall_tables import NOW, Attempt, Table
from tests.unit.deduplication.builders import INCIDENT, a_block

__all__ = ["ActingWorld"]

_ACCEPTED = ("accepted", None)  # the queue of what intake acknowledged


class Decided(NamedTuple):
    """An act that waits, and the versions that were acknowledged before it, by member."""

    channel: Channel
    attempt: Attempt
    act: WaitingAct
    acknowledged: Mapping[bytes, int]


class Acts:
    """What intake acknowledged, how far each room knows it, and the acts that wait for that."""

    def __init__(self) -> None:
        self.blocks = self.taken = 0  # intake's blocks of members: acknowledged, and known to deduplication
        self.acknowledged: dict[bytes, int] = {}  # by member: its latest version
        self.waiting: list[Decided] = []
        self.known: Counter[Channel] = Counter()  # how far each channel heard that deduplication is
        self.asked: set[Channel] = set()
        self.recalled_by: dict[bytes, int] = {}  # which block called a notice back
        self.lost: set[bytes] = set()  # of recalls that a channel could not read: they lie among its dead letters

    def decide(self, channels: Mapping[Channel, Table], number: int) -> bool:
        """Have a rejected attempt made again, or given up; tells whether there was one that nobody decided about."""
        rejected = [
            (channel, attempt)
            for channel, table in channels.items()
            for attempt in table.numbered()
            if attempt.state is AttemptState.UNPRINTED and all(attempt is not one.attempt for one in self.waiting)
        ]
        if not rejected:
            return False
        channel, attempt = rejected[number % len(rejected)]
        kind = Act.SENDING_GIVEN_UP if number % 2 else Act.SENT_AGAIN
        act = WaitingAct(0, len(self.waiting), kind, (self.blocks,), even_if_posted=False, since=NOW)
        self.waiting.append(Decided(channel, attempt, act, dict(self.acknowledged)))
        return True

    def due(self, channel: Channel) -> list[Decided]:
        """Take the acts out that may be carried out on a channel by now."""
        found = [one for one in self.waiting if one.channel is channel and one.act.is_due((self.known[channel],))]
        self.waiting = [one for one in self.waiting if all(one is not other for other in found)]
        return found

    def asks(self, channel: Channel) -> bool:
        """Tell whether an act waits on a channel, and deduplication is not being asked yet."""
        if channel in self.asked or all(one.channel is not channel for one in self.waiting):
            return False
        self.asked.add(channel)
        return True

    def hear(self, channel: Channel, known: int) -> None:
        """Let a channel hear how far deduplication is."""
        self.known[channel] = max(self.known[channel], known)
        self.asked.discard(channel)


class ActingWorld(World):
    """Operators act, and nobody gives anything up by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.acts = Acts()
        self.ways = {state: ways for state, ways in NEXT.items() if state is not AttemptState.UNPRINTED}

    def says(self, member: Member) -> None:
        """Let a record come, and deduplication know it at once."""
        self.acknowledges(member)
        while self.queues[_ACCEPTED]:
            self.arrives(_ACCEPTED)

    def acknowledges(self, member: Member) -> None:
        """Let intake take a record, and deduplication be behind."""
        self.acts.blocks += 1
        self.acts.acknowledged[member.member] = member.version
        self.put(_ACCEPTED, (self.acts.blocks, member))

    def sets_aside(self, number: int) -> None:
        """Let a message that cannot be read be stepped over: a permission does not wait until it is sent back.

        Records are not: who steps over one is told of it.
        """
        before = len(self.aside)
        super().sets_aside(number)
        for key, message in self.aside[before:]:
            if key == _ACCEPTED:
                self.queues[key].appendleft(message)
                self.aside.pop()
            elif key[0] == "recalled":
                self.acts.lost.update(message.notices)

    def takes_in(self, key: tuple[str, Channel | None], message: Any) -> None:
        """Let deduplication take a record, or a question; a channel hears how far deduplication is."""
        topic, channel = key
        if key == _ACCEPTED:
            self._knows(*message)
        elif topic == "stopped" and message.asks:
            for reader in (*CHANNELS, None):
                self.put(("recalled", reader), Recalled((), over=False, known=(self.acts.taken,)))
        else:
            super().takes_in(key, message)
            if topic == "recalled" and channel is not None and message.known:
                self.acts.hear(channel, *message.known)

    def _knows(self, block: int, member: Member) -> None:
        self.acts.taken = max(self.acts.taken, block)
        effects = self.tables.take([a_block([(PERSON, member)])], self.terms)
        called_back = [notice for of_it in effects.recalled.values() for notice, _ in of_it]
        self.acts.recalled_by |= dict.fromkeys(called_back, self.acts.taken)
        self.sends(effects)

    def decides(self, number: int) -> bool:
        """Let an operator act about a rejected attempt; tells whether there was one."""
        return self.acts.decide(self.channels, number)

    def ticks(self) -> None:
        """Let every channel tick."""
        super().ticks()
        for channel in CHANNELS:
            for one in self.acts.due(channel):
                self._carries_out(one)
            if self.acts.asks(channel):
                self.answers([encode_asked(INCIDENT, 0)])

    def _carries_out(self, one: Decided) -> None:
        """Make an attempt again, or give it up, as dispatch does."""
        table, attempt, notice = self.channels[one.channel], one.attempt, one.attempt.notice.ids[0]
        if attempt.state is not AttemptState.UNPRINTED:
            return
        self._check_nothing_is_overtaken(one)
        if one.act.act in GIVES_UP and not table.is_looked_at(notice):
            self.becomes(one.channel, attempt, AttemptState.REFUSED)
        elif one.act.act not in GIVES_UP and notice not in table.recalls:
            attempt.state = AttemptState.REFUSED
            again = attempt.notice.pick([0])
            again.attempts = [again.attempts[0] + 1]
            self.queue(table, again)

    def _check_nothing_is_overtaken(self, one: Decided) -> None:
        """All that was acknowledged before the act is known, and whom it calls back has been called back here."""
        versions = {member.member: member.version for member in self.tables.dossiers[PERSON].members.values()}
        assert all(versions.get(member, 0) >= version for member, version in one.acknowledged.items())
        on_the_way = {notice for message in self.queues["recalled", one.channel] for notice in message.notices}
        notice = one.attempt.notice.ids[0]
        if notice not in self.acts.lost and self.acts.recalled_by.get(notice, 0) in range(1, one.act.after[0] + 1):
            assert notice not in on_the_way
