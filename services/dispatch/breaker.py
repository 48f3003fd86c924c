"""When a way is paused, and how it is found out that it is well again. Pure; times are those of a monotonic clock.

A *way* is what falls ill as a whole: the channel, a receiving domain of e-mail, an incident's words. It is paused by an
answer that blames the sender, the provider or the content, or by a flood of refusals. A paused way gets one attempt
now and then, a *probe*; the first one that is accepted ends the pause.
"""

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.dispatch.blame import Blame
from services.dispatch.domain import Key
from services.dispatch.outcomes import Ending, Result

__all__ = ["CHANNEL", "REFUSALS", "Breaker", "BreakerPolicy", "Seen", "Switch", "Way", "Ways"]

Way = tuple[str | int, ...]  # its kind, and which one
CHANNEL: Way = ("channel",)
REFUSALS = "refusals"  # why a way is paused, where no answer blames anything but recipients


_ENDED = frozenset({Ending.ACCEPTED, Ending.REFUSED, Ending.UNKNOWN})


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """How many refusals are too many, and how patient probes are. All times in seconds."""

    # A channel hands over tens to hundreds a second, so an illness shows within seconds: the window is generous. Who is
    # refused rightly waits a minute longer, of the days that a letter takes.
    window: float = 60.0
    # Of good lists up to 2 % are refused. Twenty of them in a row come once in 10^34; of a list of which half is dead,
    # once in a million: that list wants a human too.
    run: int = 20
    # An illness that spares some (one of two relays behind a name) breaks every run. Half of a hundred is no list's.
    last: int = 100
    share: float = 0.5
    # A token is renewed within minutes. Five seconds repair a hiccup, five minutes add little to an outage of hours.
    first_probe: float = 5.0
    slowest_probe: float = 300.0
    # Ways that are watched beside the channel (domains of which somebody was refused lately), and odd attempts.
    most_ways: int = 10_000


class Ways(NamedTuple):
    """The ways that one attempt goes, beside the channel: its incident's words and, where there is one, a domain."""

    words: Way
    domain: Way | None = None

    @property
    def all(self) -> tuple[Way, ...]:
        """All of them, the channel first."""
        return (CHANNEL, self.words) if self.domain is None else (CHANNEL, self.words, self.domain)


class Seen(NamedTuple):
    """How one attempt ended; `last_try` says that it will not be put off again."""

    key: Key
    ways: Ways
    result: Result
    last_try: bool = False


class Switch(NamedTuple):
    """A way was paused for a reason, or (reason empty) goes on.

    `hit` is how many were refused just before, `answer` the code of the answer that began the pause.
    """

    way: Way
    reason: str
    hit: int = 0
    answer: str = ""


@dataclass(slots=True)
class _Pause:
    reason: str
    probe_at: float
    answer: str = ""
    probes: int = 0
    suspects: dict[Key, Way | None] = field(default_factory=dict)  # who was answered so, with their domains


@dataclass(slots=True)
class _Lane:
    """What is known of one way: how the last attempts ended (True = refused), and since when it is paused."""

    last: deque[bool]
    refused: deque[Key]
    run: int = 0
    pause: _Pause | None = None

    def accepted(self, number: int = 1) -> None:
        self.run = 0
        self.last.extend([False] * min(number, self.last.maxlen or 0))

    def refuse(self, key: Key) -> None:
        self.run += 1
        self.last.append(True)
        self.refused.append(key)

    def reset(self) -> None:
        self.run, self.pause = 0, None
        self.last.clear()
        self.refused.clear()


class Breaker:
    """Watches the answers of one provider. It is asked which attempts may go, and told how they ended."""

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = policy or BreakerPolicy()
        self.switches: list[Switch] = []  # what changed; whoever makes it known takes them out
        self._lanes: dict[Way, _Lane] = {CHANNEL: self._lane()}
        self._odd: set[Key] = set()  # attempts that began a pause, and others were accepted since
        self._refused_at: dict[Key, float] = {}  # refusals of the last minutes
        self._taking_back: dict[Key, float] = {}  # those to be taken back, and since when
        self._probes: dict[Way, Key] = {}  # ways that are paused, and the attempt that is out to try each

    def paused(self, way: Way = CHANNEL) -> bool:
        """Tell whether a way is paused, probes aside."""
        lane = self._lanes.get(way)
        return lane is not None and lane.pause is not None

    def paused_ways(self) -> list[tuple[Way, str]]:
        """Return the ways that are paused, each with its reason."""
        return [(way, lane.pause.reason) for way, lane in self._lanes.items() if lane.pause]

    def leave(self, way: Way) -> None:
        """End the pause of a way that attempts go no more: no probe would."""
        lane = self._lanes.get(way)
        if lane is not None and lane.pause is not None:
            lane.reset()
            self._probes.pop(way, None)
            self.switches.append(Switch(way, ""))

    def may_go(self, now: float, way: Way = CHANNEL) -> bool:
        """Tell whether attempts of a way may begin: it is not paused, or its next probe is due and none is out."""
        pause = self._pause(way)
        return pause is None or (now >= pause.probe_at and way not in self._probes)

    def wait(self, now: float, ways: Iterable[Way]) -> float:
        """Return for how long attempts of these ways need not be looked at, in seconds."""
        return max([1.0, *(pause.probe_at - now for way in ways if (pause := self._pause(way)))])

    def admit(self, key: Key, ways: Ways, now: float) -> bool:
        """Tell whether an attempt goes. Of a way that is paused it is the probe, and no other goes until it ended."""
        if not all(self.may_go(now, way) for way in ways.all):
            return False
        self._probes.update((way, key) for way in ways.all if self.paused(way))
        return True

    def probe_ended(self, key: Key, now: float) -> None:
        """Take note that an attempt ended. If it was a probe, the next one is put off, more each time."""
        if key not in self._probes.values():
            return
        for way in [way for way, probe in self._probes.items() if probe == key]:
            del self._probes[way]
            pause = self._pause(way)
            if pause is not None:
                pause.probes += 1
                wait = self.policy.first_probe * 2.0 ** min(pause.probes, 20)
                pause.probe_at = now + min(wait, self.policy.slowest_probe)

    @property
    def calm(self) -> bool:
        """Whether nothing is watched but the channel, and it is not paused: `accepted` then does for all accepted."""
        return len(self._lanes) == 1 and not self._odd and not self.paused()

    def accepted(self, number: int) -> None:
        """Learn that so many attempts were accepted while all was calm."""
        self._lanes[CHANNEL].accepted(number)

    def saw(self, one: Seen, now: float) -> Result:
        """Learn how an attempt ended; returns that as it is to be recorded: held where its way is paused now."""
        result = one.result
        if result.ending in _ENDED:
            self._odd.discard(one.key)
        if result.ending is Ending.ACCEPTED:
            for way in one.ways.all:
                self._well(way, one)
        elif result.stops:
            return self._stopped(one, now)
        elif one.last_try or (result.ending is Ending.REFUSED and result.blame is Blame.RECIPIENT):
            return self._refused(one, now)
        return result

    def _well(self, way: Way, one: Seen) -> None:
        """Learn that a way works; if its probe says so, that ends its pause."""
        lane = self._lanes.get(way)
        if lane is None:
            return
        pause = lane.pause
        if pause is None:
            lane.accepted()
            if way != CHANNEL and not any(lane.last):
                del self._lanes[way]
            return
        if self._probes.get(way) != one.key:
            return  # it was on the wire when the pause began, and says nothing of now
        lane.reset()
        self.switches.append(Switch(way, ""))
        for key, domain in pause.suspects.items():
            if key != one.key:
                self._narrow(pause, key, domain if domain != one.ways.domain else None)

    def _narrow(self, pause: _Pause, key: Key, domain: Way | None) -> None:
        """Blame what the attempt that began a pause has not in common with the one that ended it."""
        if len(self._odd) >= self.policy.most_ways:
            self._odd.clear()  # whoever is among them pauses its way once more
        self._odd.add(key)
        if domain is not None and not self.paused(domain):
            self._watched(domain).pause = _Pause(pause.reason, pause.probe_at, pause.answer)
            self.switches.append(Switch(domain, pause.reason, answer=pause.answer))

    def _stopped(self, one: Seen, now: float) -> Result:
        """Pause what an answer blames. Where others passed since it began a pause, it is about this one attempt."""
        blame, ways = one.result.blame or Blame.PROVIDER, one.ways
        if one.key in self._odd:
            return Result(Ending.NOT_NOW, one.result.reason, blame)
        if blame is Blame.CONTENT:
            way = ways.words
        else:
            way = ways.domain if ways.domain is not None and self.paused(ways.domain) else CHANNEL
        pause = self._begin(way, blame.value, one, now)
        pause.suspects[one.key] = ways.domain if way == CHANNEL else None
        return Result(Ending.HELD, one.result.reason, blame, self.wait(now, (way,)))

    def _refused(self, one: Seen, now: float) -> Result:
        """Count a refusal; in a flood of them it stays open."""
        self._refused_at[one.key] = now
        for way in self._refusing(one.ways):
            lane = self._watched(way)
            if lane.pause is not None and lane.pause.reason != REFUSALS:
                self._well(way, one)  # it speaks of recipients again
            lane.refuse(one.key)
            if self._flooded(lane):
                self._begin(way, REFUSALS, one, now)
        paused = [way for way in one.ways.all if self.paused(way)]
        if not paused:
            return one.result
        self._taking_back.pop(one.key, None)
        return Result(Ending.HELD, one.result.reason, Blame.RECIPIENT, self.wait(now, paused))

    def _refusing(self, ways: Ways) -> Sequence[Way]:
        """Return the ways that a refusal speaks of; one by a domain that is paused says nothing new of the channel."""
        if ways.domain is None:
            return (CHANNEL,)
        return (ways.domain,) if self.paused(ways.domain) else (CHANNEL, ways.domain)

    def _flooded(self, lane: _Lane) -> bool:
        return lane.run >= self.policy.run or self._half(lane)

    def _half(self, lane: _Lane) -> bool:
        full = len(lane.last) == self.policy.last
        return full and sum(lane.last) >= self.policy.share * self.policy.last

    def _begin(self, way: Way, reason: str, one: Seen, now: float) -> _Pause:
        """Pause a way, if it is not, and take back what it refused since it last accepted somebody.

        An illness that spares some has no such beginning: then all that is remembered is taken back.
        """
        lane = self._watched(way)
        if lane.pause is None:
            number = len(lane.refused) if self._half(lane) else lane.run
            hit = list(lane.refused)[-number:] if number else []
            self._taking_back.update(dict.fromkeys(hit, now))
            lane.pause = _Pause(reason, now + self.policy.first_probe, one.result.reason)
            self.switches.append(Switch(way, reason, len(hit), one.result.reason))
        return lane.pause

    def _pause(self, way: Way) -> _Pause | None:
        lane = self._lanes.get(way)
        return lane.pause if lane else None

    def _watched(self, way: Way) -> _Lane:
        lane = self._lanes.get(way)
        if lane is None:
            if len(self._lanes) > self.policy.most_ways:
                self._forget()
            lane = self._lanes[way] = self._lane()
        return lane

    def _forget(self) -> None:
        """Make room: forget the way that was watched longest and is not paused."""
        old = next((way for way, lane in self._lanes.items() if way != CHANNEL and lane.pause is None), None)
        if old is not None:
            del self._lanes[old]

    def _lane(self) -> _Lane:
        return _Lane(deque(maxlen=self.policy.last), deque(maxlen=self.policy.last))

    def takes_back(self, now: float) -> bool:
        """Tell whether refusals that wait to be told are to go back to the queue."""
        since = now - 2 * self.policy.window
        for known in (self._refused_at, self._taking_back):
            for key in [key for key, at in known.items() if at < since]:
                del known[key]
        return self.paused() or bool(self._taking_back)

    def taken_back(self, keys: Collection[Key]) -> list[bool]:
        """Tell for each of these refusals whether it goes back to the queue.

        While the channel is paused it does as well where somebody else saw it, who may have been killed since.
        """
        strange = self.paused()
        return [key in self._taking_back or (strange and key not in self._refused_at) for key in keys]
