"""The ledger: where every member of every cohort stands. A pure function of each stage's highest totals.

Each figure is counted from the events of its own stage. Totals of different stages travel apart, so a later stage is
sometimes heard before an earlier one; what it says implies what the earlier one is going to say (`Heard.lifted`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Final, NamedTuple

from services.core.access import Act, Principal
from services.core.cohort import Cohort
from services.core.ledger import NOTHING_DUE, UNPRINTED, Disposition, HoldReason

__all__ = ["NO_HOLDS", "CohortLine", "Heard", "Holds", "Ledger", "Line", "Totals", "hear", "ledger_of"]


class Totals(NamedTuple):
    """Where a stage's counts stand for one scope, its sources added up or not."""

    stage: str
    scope: str
    counts: Mapping[str, int]
    first_at: int  # ms since 1970: when the first was counted


Holds = Mapping[HoldReason, int]  # held members by what they wait for; every reason is in it
NO_HOLDS: Final[Holds] = MappingProxyType(dict.fromkeys(HoldReason, 0))


def _no_holds() -> Holds:
    return NO_HOLDS


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one cohort, each figure from the events of its own stage."""

    received: int = 0  # counted by intake
    rejected: int = 0
    accepted: int = 0
    discarded: int = 0  # of the accepted: rejected records that were withdrawn, which deduplication never sees
    released: int = 0  # by deduplication: each member that it has seen is in one of these four, or held
    merged: int = 0
    suppressed: int = 0
    withdrawn: int = 0
    conflicting: int = 0  # of all that deduplication has seen
    uncorrected: int = 0  # by deduplication, beside the others: nobody was told that what they bore is wrong
    bare_joined: int = 0  # by deduplication, beside the others: one person with others by their identity alone
    set_aside: int = 0  # by dispatch: notices that a pause holds back there, of those that were released
    unprinted: int = 0  # by dispatch, likewise: letters that the print house rejected
    notified: int = 0  # by tracking
    exhausted: int = 0
    holds: Holds = field(default_factory=_no_holds)
    first_at: int | None = None  # ms since 1970: when intake counted the first record

    @property
    def held(self) -> int:
        """Members that wait, but for those whose notice dispatch holds back."""
        return sum(self.holds.values())

    @property
    def came_back(self) -> int:
        """Held members whose notice was released and came back."""
        return sum(count for reason, count in self.holds.items() if reason.stage == "tracking")

    @property
    def ended(self) -> int:
        """Released members that are not on their way."""
        return self.notified + self.exhausted + self.came_back

    @property
    def seen(self) -> int:
        """Members that deduplication has seen."""
        return self.released + self.merged + self.suppressed + self.withdrawn + self.held - self.came_back

    @property
    def in_flight(self) -> int:
        """Members on their way: to deduplication, and from there to an end."""
        return (self.accepted - self.discarded - self.seen) + (self.released - self.ended - self.held_back)

    @property
    def held_back(self) -> int:
        """Released members whose notice a pause holds back, or lies in a print job that was rejected.

        They are no more than those who are on the way: a notice whose bearer bears a later one, or was taken back,
        stands for nobody, which dispatch cannot know.
        """
        return max(0, min(self.set_aside + self.unprinted, self.released - self.ended))

    @property
    def all_holds(self) -> Holds:
        """All held members by what they wait for, those too whose notice was released."""
        rejected = min(self.unprinted, self.held_back)
        paused = self.holds[HoldReason.PAUSED] + self.held_back - rejected
        return {**self.holds, HoldReason.PAUSED: paused, HoldReason.UNPRINTED: rejected}

    @property
    def agrees(self) -> bool:
        """Tell whether the stages' figures can all be true at once."""
        figures = [*(getattr(self, name) for name in _FIGURES), *self.holds.values()]
        return (
            min(figures) >= 0
            and self.received == self.rejected + self.accepted
            and self.seen + self.discarded <= self.accepted
            and self.ended <= self.released
        )

    def lifted(self) -> "Heard":
        """Raise what an earlier stage said to what a later one implies: its message is on the way.

        A member that was notified was released, so it is no longer unseen, held, merged or withdrawn; one that was
        seen was accepted.
        """
        released = max(self.released, self.ended)
        excess = released - self.released - max(0, self.accepted - self.discarded - self.seen)
        holds = {}
        for reason, count in self.holds.items():
            holds[reason] = count - max(0, min(excess, count)) if reason.stage == "deduplication" else count
            excess -= count - holds[reason]
        merged = self.merged - max(0, min(excess, self.merged))
        withdrawn = self.withdrawn - max(0, min(excess - (self.merged - merged), self.withdrawn))
        lifted = replace(self, released=released, holds=holds, merged=merged, withdrawn=withdrawn)
        accepted = max(self.accepted, lifted.seen + self.discarded)
        return replace(lifted, accepted=accepted, received=max(self.received, self.rejected + accepted))


_FIGURES = tuple(f.name for f in fields(Heard) if f.name not in {"holds", "first_at"})
# Reasons that dispatch counts are capped by what is on the way (`held_back`), and so stand in no `holds`.
_OF_DISPATCH = frozenset(reason for reason in HoldReason if reason.stage == "dispatch")


_NOT_SHOWN = frozenset({"released", "withdrawn", "discarded", "set_aside", "unprinted"})  # as they are


def hear(rows: Iterable[Totals]) -> dict[str, Heard]:
    """Add up the sources of each stage, by scope. Each counter is one stage's alone, so names do not meet."""
    figures: dict[str, Counter[str]] = {}
    first: dict[str, int] = {}
    for row in rows:
        figures.setdefault(row.scope, Counter()).update(row.counts)
        if row.stage == "intake":
            first[row.scope] = min(row.first_at, first.get(row.scope, row.first_at))
    return {scope: _heard(counts, first.get(scope)) for scope, counts in figures.items()}


def _heard(counts: Mapping[str, int], first_at: int | None) -> Heard:
    holds = {reason: 0 if reason in _OF_DISPATCH else counts[reason.counter] for reason in HoldReason}
    figures = {name: counts[name] for name in _FIGURES} | {"unprinted": counts[UNPRINTED]}
    return Heard(**figures, holds=holds, first_at=first_at)


@dataclass(frozen=True, slots=True)
class Line:
    """One cohort's line of the ledger, or the sum of some."""

    declared: int = 0
    received: int = 0
    missing: int = 0  # negative where more came than declared
    surplus: int = 0  # received beyond what was declared: summed up beside `missing`, so that neither hides the other
    rejected: int = 0
    accepted: int = 0
    notified: int = 0
    merged: int = 0
    suppressed: int = 0
    withdrawn: int = 0  # taken back before anybody was told by it, rejected records included
    in_flight: int = 0
    exhausted: int = 0
    conflicting: int = 0  # of the accepted: their identity is somebody else's too
    uncorrected: int = 0  # of the accepted: somebody was told what is not theirs by it, and not corrected
    bare_joined: int = 0  # of the accepted: they say neither name nor birth date, and joined by their identity alone
    not_awaited: int = 0  # of the missing and rejected: those of cancelled cohorts, which take nothing more
    holds: Holds = field(default_factory=_no_holds)

    @property
    def held(self) -> int:
        """Members that wait, whatever for."""
        return sum(self.holds.values())

    @property
    def to_be_told(self) -> int:
        """Records for which somebody should be told: missing, rejected and held ones are among them.

        Declared or received, whichever is more in each cohort, less those for which no notice of their own is due, and
        less what a cancelled cohort lacks: it was taken back with all else that it was to say.
        """
        standing = self.standing()
        not_due = sum(standing[disposition] for disposition in NOTHING_DUE)
        return self.declared + self.surplus - not_due - self.not_awaited

    @property
    def told(self) -> float | None:
        """The share (0 to 1) of `to_be_told` that was told; None where there is nobody to tell."""
        return self.notified / self.to_be_told if self.to_be_told > 0 else None

    def standing(self) -> dict[Disposition, int]:
        """Return the accepted members by where they stand."""
        return {disposition: getattr(self, disposition.name.lower()) for disposition in Disposition}

    def __add__(self, other: "Line") -> "Line":
        figures = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(Line) if f.name != "holds"}
        return Line(**figures, holds={reason: self.holds[reason] + other.holds[reason] for reason in HoldReason})


class CohortLine(NamedTuple):
    """A cohort and its line."""

    cohort_id: str
    source: str | None  # None: its opening has not been heard of yet
    line: Line
    balanced: bool
    first_at: int | None

    @property
    def waiting(self) -> int:
        """Accepted members that have not come to an end: in flight, or held."""
        return self.line.in_flight + self.line.held


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where every member of an incident stands."""

    incident_id: str
    title: str
    cohorts: tuple[CohortLine, ...]

    @property
    def balanced(self) -> bool:
        """Tell whether every cohort balances."""
        return all(cohort.balanced for cohort in self.cohorts)

    @property
    def totals(self) -> Line:
        """All cohorts together."""
        return sum((cohort.line for cohort in self.cohorts), Line())

    def seen_by(self, principal: Principal) -> "Ledger | None":
        """Return what a principal sees of it: a source its own cohorts, and nothing where it has none."""
        if not principal.is_bound(Act.LEDGER_SHOWN):
            return self
        cohorts = tuple(one for one in self.cohorts if one.source and principal.may(Act.LEDGER_SHOWN, one.source))
        return replace(self, cohorts=cohorts) if cohorts else None


def ledger_of(
    incident_id: str,
    title: str,
    cohorts: Iterable[Cohort],
    heard: Mapping[str, Heard],
    broken: Collection[str] = (),
) -> Ledger:
    """Draw up the ledger of an incident. `broken` scopes disagree although nothing is on the way any more.

    Broken scopes show their figures as they are; those of the others are lifted to what later stages imply.
    """
    known: dict[str, Cohort | None] = {f"{incident_id}/{cohort.cohort_id}": cohort for cohort in cohorts}
    scopes = known | {scope: known.get(scope) for scope in heard if scope.startswith(f"{incident_id}/")}
    lines = []
    for scope, cohort in sorted(scopes.items()):
        mine = heard.get(scope, Heard())
        shown = mine if scope in broken else mine.lifted()
        source = cohort.source if cohort else None
        line = _line(shown, cohort.declared if cohort else None)
        if cohort and cohort.cancelled:
            line = replace(line, not_awaited=max(0, line.missing) + line.rejected)
        lines.append(CohortLine(scope.partition("/")[2], source, line, scope not in broken, mine.first_at))
    return Ledger(incident_id, title, tuple(lines))


def _line(heard: Heard, declared: int | None) -> Line:
    declared = heard.received if declared is None else declared
    return Line(
        declared=declared,
        missing=declared - heard.received,
        surplus=max(0, heard.received - declared),
        in_flight=heard.in_flight,
        holds=heard.all_holds,
        withdrawn=heard.withdrawn + heard.discarded,
        **{name: getattr(heard, name) for name in _FIGURES if name not in _NOT_SHOWN},
    )
