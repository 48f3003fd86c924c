"""The check: the hand-overs compared with what had to happen. Was everybody told, once, and their own news? Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.core.facts import NO_FACTS, Facts
from services.demo.checking.hand_over import Entry, HandOver
from services.demo.checking.reading import greets
from services.demo.made_up.expectation import Expectation, ToldPerson

__all__ = ["Verdict", "check"]

_KEPT_EXAMPLES = 10  # enough to see what went wrong, few enough to read


@dataclass(slots=True)
class Verdict:
    """What the check found. A person is whom the written rule takes for one.

    `lost`: persons who had to be told and for whom no hand-over is found. `duplicates`: hand-overs beyond one
    per person and revision. `somebody_elses`: hand-overs that name a category, a name or an address that no record
    of their person has, or whose own parts do not belong together. `unexpected`: hand-overs to persons who must not be
    told. `untold`: persons who were told something, but not all that they had to be told. `split`: real people whom the
    rule tells apart as several persons, and who were told as such; nothing is wrong with that. `spared`: persons whose
    record was taken back after its release, and who were not told.
    """

    hand_overs: int = 0
    told: int = 0
    lost: int = 0
    duplicates: int = 0
    somebody_elses: int = 0
    unexpected: int = 0
    untold: int = 0
    split: int = 0
    spared: int = 0
    last_at: int = 0  # ms since 1970, by the providers' clocks
    channels: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)  # numbers of made-up people and what is wrong with them

    @property
    def holds(self) -> bool:
        """Return whether nothing is wrong."""
        return not (self.lost or self.duplicates or self.somebody_elses or self.unexpected or self.untold)

    def note(self, what: str, person: ToldPerson | None) -> None:
        """Keep an example of what is wrong."""
        if len(self.examples) < _KEPT_EXAMPLES:
            who = f"person {person.number} ({person.known_as[0].kind.label})" if person else "person unknown"
            self.examples.append(f"{what}: {who}")


@dataclass(slots=True)
class _Received:
    """What one person got."""

    count: int = 0
    notices: set[str] = field(default_factory=set)
    facts: Facts = NO_FACTS


def check(expectation: Expectation, hand_overs: Iterable[HandOver]) -> Verdict:
    """Return what is wrong with the hand-overs, and how many there are."""
    verdict = Verdict()
    received = [_Received() for _ in expectation.persons]
    for one in hand_overs:
        verdict.hand_overs += 1
        verdict.last_at = max(verdict.last_at, one.at)
        verdict.channels[one.channel] = verdict.channels.get(one.channel, 0) + 1
        entry = _receiver(expectation, received, one)
        person = expectation.persons[entry.person] if entry else None
        if wrong := _somebody_elses(person, entry, one):
            verdict.somebody_elses += 1
            verdict.note(f"told somebody else's ({wrong}, {one.channel})", person)
        if entry:
            got = received[entry.person]
            got.count += 1
            got.notices.add(one.notice)
            got.facts |= one.told.facts
    for person, got in zip(expectation.persons, received, strict=True):
        _judge(verdict, person, got)
    verdict.split = _split(expectation, received)
    return verdict


def _split(expectation: Expectation, received: list[_Received]) -> int:
    """Return how many real people were told as several persons, as they had to be."""
    told = zip(expectation.persons, received, strict=True)
    persons = Counter(person.number for person, got in told if got.count and person.revisions)
    return sum(count > 1 for count in persons.values())


def _receiver(expectation: Expectation, received: list[_Received], one: HandOver) -> Entry | None:
    """Return for whom a hand-over was, None where nobody has its address.

    Those who share an address have other facts: whom these facts fit is the receiver, and of several the one who still
    waits for a notice.
    """
    if len(one.shown) < 2:
        return one.shown[0] if one.shown else None

    def misfit(entry: Entry) -> tuple[bool, bool, bool, bool]:
        person, told = expectation.persons[entry.person], one.told
        return (
            not person.facts.covers(told.facts),
            not greets(entry.known_as, told.greeted),
            received[entry.person].count >= person.revisions,
            person.facts != told.facts,
        )

    return min(one.shown, key=misfit)


def _somebody_elses(person: ToldPerson | None, entry: Entry | None, one: HandOver) -> str | None:
    """Return which part of a hand-over belongs to another person, None where none does."""
    if person is None or entry is None:
        return "nobody has this address"
    if one.fault:
        return one.fault
    if not greets(entry.known_as, one.told.greeted):
        return "another's name"
    if not one.told.facts.exposed:
        return "no facts"
    # A supplement repeats the facts of the notice before it, so every notice may say what all may say together.
    return None if person.facts.covers(one.told.facts) else "another's facts"


def _judge(verdict: Verdict, person: ToldPerson, got: _Received) -> None:
    """Count what is wrong for one person."""
    if not got.count:
        if person.may_be_spared:
            verdict.spared += 1
        elif person.revisions:
            verdict.lost += 1
            verdict.note("lost", person)
        return
    if not person.revisions:
        verdict.unexpected += got.count
        verdict.note("told, and should not be", person)
        return
    verdict.told += 1
    # The same notice twice is one too many, also where another notice is missing.
    beyond = max(got.count - person.revisions, got.count - len(got.notices))
    if beyond:
        verdict.duplicates += beyond
        verdict.note("told too often", person)
    if len(got.notices) < person.revisions or not got.facts.covers(person.facts):
        verdict.untold += 1
        verdict.note("not told everything", person)
