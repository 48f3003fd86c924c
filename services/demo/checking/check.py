"""The check: the hand-overs compared with what had to happen. Was everybody told, once, and their own news? Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.core.facts import NO_FACTS, Facts
from services.demo.checking.hand_over import HandOver
from services.demo.checking.reading import greets
from services.demo.made_up.expectation import Expectation

__all__ = ["Verdict", "check"]

_KEPT_EXAMPLES = 10  # enough to see what went wrong, few enough to read


@dataclass(slots=True)
class Verdict:
    """What the check found.

    `lost`: people who had to be told and for whom no hand-over is found. `duplicates`: hand-overs beyond one
    per person and revision. `mix_ups`: hand-overs whose name, address, reference and facts are not all of the
    same person. `unexpected`: hand-overs to people who must not be told. `untold`: people who were told
    something, but not all that they had to be told.
    """

    hand_overs: int = 0
    told: int = 0
    lost: int = 0
    duplicates: int = 0
    mix_ups: int = 0
    unexpected: int = 0
    untold: int = 0
    last_at: int = 0  # ms since 1970, by the providers' clocks
    channels: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)  # numbers of made-up people and what is wrong with them

    @property
    def holds(self) -> bool:
        """Return whether nothing is wrong."""
        return not (self.lost or self.duplicates or self.mix_ups or self.unexpected or self.untold)

    def note(self, what: str, person: int | None) -> None:
        """Keep an example of what is wrong."""
        if len(self.examples) < _KEPT_EXAMPLES:
            self.examples.append(f"{what}: person {person if person is not None else 'unknown'}")


@dataclass(slots=True)
class _Received:
    """What one person got."""

    count: int = 0
    notices: set[str] = field(default_factory=set)
    facts: Facts = NO_FACTS


def check(expectation: Expectation, hand_overs: Iterable[HandOver]) -> Verdict:
    """Return what is wrong with the hand-overs, and how many there are."""
    verdict = Verdict()
    received: defaultdict[int, _Received] = defaultdict(_Received)
    for one in hand_overs:
        verdict.hand_overs += 1
        verdict.last_at = max(verdict.last_at, one.at)
        verdict.channels[one.channel] = verdict.channels.get(one.channel, 0) + 1
        if wrong := _mixed_up(expectation, one):
            verdict.mix_ups += 1
            verdict.note(f"mixed up ({wrong}, {one.channel})", one.person)
        if one.person is not None:
            got = received[one.person]
            got.count += 1
            got.notices.add(one.notice)
            got.facts |= one.told.facts
    for number, revisions in enumerate(expectation.revisions):
        _judge(verdict, number, revisions, received.get(number), expectation.facts[number])
    return verdict


def _mixed_up(expectation: Expectation, one: HandOver) -> str | None:
    """Return which part of a hand-over belongs to another person, None where none does."""
    if one.person is None:
        return "nobody has this address"
    if one.fault:
        return one.fault
    if not greets(expectation.people[one.person], one.told.greeted):
        return "another's name"
    if not one.told.facts.exposed:
        return "no facts"
    # A supplement repeats the facts of the notice before it, so every notice may say what all may say together.
    if expectation.revisions[one.person] and not expectation.facts[one.person].covers(one.told.facts):
        return "another's facts"
    return None


def _judge(verdict: Verdict, number: int, revisions: int, got: _Received | None, facts: Facts) -> None:
    """Count what is wrong for one person, who had to get `revisions` notices that say `facts` together."""
    if got is None:
        if revisions:
            verdict.lost += 1
            verdict.note("lost", number)
        return
    if not revisions:
        verdict.unexpected += got.count
        verdict.note("told, and should not be", number)
        return
    verdict.told += 1
    # The same notice twice is one too many, also where another notice is missing.
    beyond = max(got.count - revisions, got.count - len(got.notices))
    if beyond:
        verdict.duplicates += beyond
        verdict.note("told too often", number)
    if len(got.notices) < revisions or not got.facts.covers(facts):
        verdict.untold += 1
        verdict.note("not told everything", number)
