"""Which notices may not begin just now, as cohorts whose facts they name are paused. Pure, but for the table in memory.

A pause acts at once, on every replica: it is looked up before an intent is written and before each hand-over begins.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple, Protocol

from services.core.closures import Closure
from services.core.cohort import Cohort
from services.core.notices import Notices
from services.dispatch.closures import Closures

__all__ = ["FRESH_SECONDS", "Cohorts", "Pause", "Pauses"]

# A process that has not heard of the incidents for so long begins nothing: it might not know of a pause. So nothing
# begins any more so long after a pause was said.
FRESH_SECONDS: Final = 2.0


class Cohorts(Protocol):
    """What is asked of the table of incidents and cohorts."""

    changes: int

    def items(self) -> Iterable[tuple[tuple[str, ...], object]]:
        """Return all entries."""
        ...


class Pause(NamedTuple):
    """One pause of one cohort; without a cohort, a closure of the channel (`closures`)."""

    incident_id: str
    pause_id: str
    cohort_id: str

    def concerns(self, carriers: Collection[str]) -> bool:
        """Tell whether it concerns a notice of its incident that names facts of these cohorts."""
        return not self.cohort_id or self.cohort_id in carriers


class Pauses:
    """The pauses that hold now; one for a process.

    A pause holds until deduplication has said that all is known that was acknowledged before its end: whom a correction
    concerns has been called back by then. That it has been heard is learned from the table (`waits`, `learn`).
    """

    def __init__(self, cohorts: Cohorts, closures: Closures | None = None) -> None:
        self._cohorts, self._closures = cohorts, closures
        self._changes = -1
        self._paused: Mapping[str, Mapping[str, Pause]] = {}  # by incident, then by cohort
        self._ever: frozenset[Pause] = frozenset()
        self._resumed: Mapping[str, Sequence[Cohort]] = {}  # by incident: cohorts of which a pause has ended
        self._cancelled: frozenset[tuple[str, str]] = frozenset()
        # By the partition that it was said in: how far deduplication knows intake's blocks, of each.
        self._known: dict[int, Sequence[int]] = {}
        self._held: dict[tuple[str, int], Collection[str]] = {}  # by incident and partition: cohorts that hold notices

    def now(self) -> list[Pause]:
        """Return the pauses."""
        self._refresh()
        return [pause for of_it in self._paused.values() for pause in of_it.values()]

    def ever(self) -> frozenset[Pause]:
        """Return all pauses, and closures of the channel, that were ever heard of, those too that are over."""
        self._refresh()
        return self._ever.union(map(_closed, self._closures.ever())) if self._closures else self._ever

    def waits(self, partitions: Iterable[int]) -> bool:
        """Tell whether a pause has ended, and it is not known that all is known that came before its end."""
        self._refresh()
        resumed = [one for of_it in self._resumed.values() for one in of_it]
        return bool(resumed) and any(self._is_behind(one, at) for at in partitions for one in resumed)

    def learn(self, known: Mapping[int, Sequence[int]]) -> None:
        """Hear how far deduplication knows intake's blocks, of each partition, as it said in some."""
        self._known.update(known)
        self._held.clear()

    def signature(self, partition: int) -> object:
        """Return what differs once other notices of a partition may begin."""
        self._refresh()
        incidents = sorted(self._paused.keys() | self._resumed.keys())
        return [(one, frozenset(self._holding(one, partition))) for one in incidents], self._cancelled

    def of(self, notices: Notices) -> list[Pause]:
        """Return the pauses of cohorts whose facts these notices name, and the closure of the channel for them."""
        self._refresh()
        closure = self._closures.now().get(notices.incident_id) if self._closures else None
        paused = self._paused.get(notices.incident_id, {}).values()
        carriers = set(chain.from_iterable(set(notices.carriers))) if paused else frozenset[str]()
        return [*([_closed(closure)] if closure else ()), *(pause for pause in paused if pause.concerns(carriers))]

    def holds(self, notices: Notices, partition: int) -> bool:
        """Tell whether some of these, which are of that partition, may not begin."""
        self._refresh()
        incident_id = notices.incident_id
        paused = self._holding(incident_id, partition)
        if paused and any(cohort in paused for carriers in set(notices.carriers) for cohort in carriers):
            return True
        return bool(self._cancelled) and any(
            exposed and (incident_id, cohort) in self._cancelled
            for cohort, exposed in set(zip(notices.cohorts, notices.exposed, strict=True))
        )

    def held(self, notices: Notices, partition: int) -> list[bool]:
        """Tell of each notice whether it may not begin.

        A cancelled cohort holds those that its members bear: they will be recalled. Of others it depends on what the
        person's other members say, and deduplication decides. One that says that nothing was taken goes: it corrects
        what the cohort had told.
        """
        self._refresh()
        incident_id, cancelled = notices.incident_id, self._cancelled
        paused = self._holding(incident_id, partition)
        return [
            any(carrier in paused for carrier in carriers) or (exposed > 0 and (incident_id, cohort) in cancelled)
            for carriers, cohort, exposed in zip(notices.carriers, notices.cohorts, notices.exposed, strict=True)
        ]

    def _holding(self, incident_id: str, partition: int) -> Collection[str]:
        """Return the cohorts of an incident that hold notices of a partition."""
        key = incident_id, partition
        found = self._held.get(key)
        if found is None:
            behind = [one.cohort_id for one in self._resumed.get(incident_id, ()) if self._is_behind(one, partition)]
            found = self._held[key] = {*self._paused.get(incident_id, ()), *behind}
        return found

    def _is_behind(self, cohort: Cohort, partition: int) -> bool:
        return cohort.is_paused_in(partition, self._known.get(partition, ()))

    def _refresh(self) -> None:
        if self._changes == self._cohorts.changes:
            return
        self._changes = self._cohorts.changes
        self._held.clear()
        known = [(key[0], value) for key, value in self._cohorts.items() if isinstance(value, Cohort)]
        cohorts = [value for kind, value in known if kind == "cohort"]
        self._ever = frozenset(_pause(value) for kind, value in known if kind == "pause")
        paused: dict[str, dict[str, Pause]] = {}
        resumed: dict[str, list[Cohort]] = {}
        for one in cohorts:
            if one.pause_id and not one.cancelled:
                paused.setdefault(one.incident_id, {})[one.cohort_id] = _pause(one)
            elif one.resumed_after and not one.cancelled:
                resumed.setdefault(one.incident_id, []).append(one)
        self._paused, self._resumed = paused, resumed
        self._cancelled = frozenset((one.incident_id, one.cohort_id) for one in cohorts if one.cancelled)


def _closed(closure: Closure) -> Pause:
    return Pause(closure.incident_id, closure.pause_id, "")


def _pause(cohort: Cohort) -> Pause:
    return Pause(cohort.incident_id, cohort.pause_id or "", cohort.cohort_id)
