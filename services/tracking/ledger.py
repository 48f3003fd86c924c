"""The ledger: where every member of every cohort stands. A pure function of each stage's highest totals.

Each figure is counted from the events of its own stage. Totals of different stages travel apart, so now and then a
later stage is heard before an earlier one; what it says implies what the earlier one will say (`Heard.lifted`).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from services.core.cohort import Cohort

__all__ = ["CohortLine", "Heard", "Ledger", "Line", "Totals", "hear", "ledger_of"]


class Totals(NamedTuple):
    """Where a stage's counts stand for one scope, its sources added up or not."""

    stage: str
    scope: str
    counts: Mapping[str, int]
    first_at: int  # ms since 1970: when the first was counted


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of one cohort, each figure from the events of its own stage."""

    received: int = 0  # intake
    rejected: int = 0
    accepted: int = 0
    released: int = 0  # deduplication; each member it has seen is in exactly one of these six
    merged: int = 0
    suppressed: int = 0
    held_unreleased: int = 0
    held_unreachable: int = 0
    held_not_at_address: int = 0
    notified: int = 0  # tracking
    exhausted: int = 0
    first_at: int | None = None  # ms since 1970: when intake counted the first record

    @property
    def held(self) -> int:
        """Members that wait, whatever for."""
        return self.held_unreleased + self.held_unreachable + self.held_not_at_address

    @property
    def seen(self) -> int:
        """Members that deduplication has seen."""
        return self.released + self.merged + self.suppressed + self.held

    @property
    def in_flight(self) -> int:
        """Members on their way: to deduplication, and from there to an end."""
        return (self.accepted - self.seen) + (self.released - self.notified - self.exhausted)

    @property
    def agrees(self) -> bool:
        """Tell whether the stages' figures can all be true at once."""
        figures = [getattr(self, name) for name in _FIGURES]
        ends = self.notified + self.exhausted
        return (
            min(figures) >= 0
            and self.received == self.rejected + self.accepted
            and self.seen <= self.accepted
            and ends <= self.released
        )

    def lifted(self) -> "Heard":
        """Raise what an earlier stage said to what a later one implies: its message is on the way.

        Who was notified was released, so is no longer unseen, held or merged; who was seen was accepted.
        """
        released = max(self.released, self.notified + self.exhausted)
        excess = released - self.released - max(0, self.accepted - self.seen)
        lifted = replace(self, released=released)
        for name in ("held_unreleased", "held_unreachable", "held_not_at_address", "merged"):
            taken = max(0, min(excess, getattr(lifted, name)))
            lifted = replace(lifted, **{name: getattr(lifted, name) - taken})
            excess -= taken
        accepted = max(self.accepted, lifted.seen)
        return replace(lifted, accepted=accepted, received=max(self.received, self.rejected + accepted))


_FIGURES = tuple(f.name for f in fields(Heard) if f.name != "first_at")
_STAGES = {"intake": _FIGURES[:3], "deduplication": _FIGURES[3:9], "tracking": _FIGURES[9:]}


def hear(rows: Iterable[Totals]) -> dict[str, Heard]:
    """Add up the sources of each stage, by scope."""
    figures: dict[str, Counter[str]] = {}
    first: dict[str, int] = {}
    for row in rows:
        mine = figures.setdefault(row.scope, Counter())
        for name in _STAGES.get(row.stage, ()):
            mine[name] += row.counts.get(name, 0)
        if row.stage == "intake":
            first[row.scope] = min(row.first_at, first.get(row.scope, row.first_at))
    return {scope: Heard(**counts, first_at=first.get(scope)) for scope, counts in figures.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """One cohort's line of the ledger, or the sum of some."""

    declared: int = 0
    received: int = 0
    missing: int = 0  # negative where more came than declared
    rejected: int = 0
    accepted: int = 0
    notified: int = 0
    merged: int = 0
    suppressed: int = 0
    held: int = 0
    in_flight: int = 0
    exhausted: int = 0
    held_unreleased: int = 0
    held_unreachable: int = 0
    held_not_at_address: int = 0

    def __add__(self, other: "Line") -> "Line":
        return Line(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Line)))


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


def ledger_of(
    incident_id: str,
    title: str,
    cohorts: Iterable[Cohort],
    heard: Mapping[str, Heard],
    broken: Collection[str] = (),
) -> Ledger:
    """Draw up the ledger of an incident. `broken` scopes disagree although nothing is on the way any more.

    Those show their figures as they are; the others' are lifted to what later stages imply.
    """
    known: dict[str, Cohort | None] = {f"{incident_id}/{cohort.cohort_id}": cohort for cohort in cohorts}
    scopes = known | {scope: known.get(scope) for scope in heard if scope.startswith(f"{incident_id}/")}
    lines = []
    for scope, cohort in sorted(scopes.items()):
        mine = heard.get(scope, Heard())
        shown = mine if scope in broken else mine.lifted()
        source = cohort.source if cohort else None
        declared = cohort.declared if cohort else None
        line = _line(shown, declared)
        lines.append(CohortLine(scope.partition("/")[2], source, line, scope not in broken, mine.first_at))
    return Ledger(incident_id, title, tuple(lines))


def _line(heard: Heard, declared: int | None) -> Line:
    declared = heard.received if declared is None else declared
    return Line(
        declared=declared,
        missing=declared - heard.received,
        held=heard.held,
        in_flight=heard.in_flight,
        **{name: getattr(heard, name) for name in _FIGURES if name != "released"},
    )
