"""Which notices may not begin just now, as cohorts whose facts they name are paused. Pure, but for the table in memory.

A pause acts at once, on every replica: it is looked up before an intent is written and before each hand-over begins.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final, NamedTuple, Protocol

from services.core.cohort import Cohort
from services.core.notices import Notices

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
    """One pause of one cohort."""

    incident_id: str
    pause_id: str
    cohort_id: str


class Pauses:
    """The pauses that hold now."""

    def __init__(self, cohorts: Cohorts) -> None:
        self._cohorts = cohorts
        self._changes = -1
        self._paused: Mapping[str, Mapping[str, Pause]] = {}  # by incident, then by cohort
        self._cancelled: frozenset[tuple[str, str]] = frozenset()

    def now(self) -> list[Pause]:
        """Return the pauses."""
        self._refresh()
        return [pause for of_it in self._paused.values() for pause in of_it.values()]

    def signature(self) -> object:
        """Return what differs once other notices may begin."""
        self._refresh()
        return frozenset(self.now()), self._cancelled

    def any_in(self, incident_id: str) -> bool:
        """Tell whether some notice of an incident may not begin."""
        self._refresh()
        return incident_id in self._paused or any(one == incident_id for one, _ in self._cancelled)

    def of(self, notices: Notices) -> list[Pause]:
        """Return the pauses of cohorts whose facts these notices name."""
        self._refresh()
        paused = self._paused.get(notices.incident_id)
        if not paused:
            return []
        return [pause for cohort, pause in paused.items() if cohort in set(chain.from_iterable(set(notices.carriers)))]

    def holds(self, notices: Notices) -> bool:
        """Tell whether some of these may not begin."""
        self._refresh()
        incident_id = notices.incident_id
        paused = self._paused.get(incident_id, ())
        if paused and any(cohort in paused for carriers in set(notices.carriers) for cohort in carriers):
            return True
        return bool(self._cancelled) and any(
            exposed and (incident_id, cohort) in self._cancelled
            for cohort, exposed in set(zip(notices.cohorts, notices.exposed, strict=True))
        )

    def held(self, notices: Notices) -> list[bool]:
        """Tell of each notice whether it may not begin.

        A cancelled cohort holds those that its members bear: they will be recalled. Of others it depends on what the
        person's other members say, and deduplication decides. One that says that nothing was taken goes: it corrects
        what the cohort had told.
        """
        self._refresh()
        incident_id, cancelled = notices.incident_id, self._cancelled
        paused = self._paused.get(incident_id, ())
        return [
            any(carrier in paused for carrier in carriers) or (exposed > 0 and (incident_id, cohort) in cancelled)
            for carriers, cohort, exposed in zip(notices.carriers, notices.cohorts, notices.exposed, strict=True)
        ]

    def _refresh(self) -> None:
        if self._changes == self._cohorts.changes:
            return
        self._changes = self._cohorts.changes
        cohorts = [value for key, value in self._cohorts.items() if key[0] == "cohort" and isinstance(value, Cohort)]
        paused: dict[str, dict[str, Pause]] = {}
        for one in cohorts:
            if one.pause_id and not one.cancelled:
                pause = Pause(one.incident_id, one.pause_id, one.cohort_id)
                paused.setdefault(one.incident_id, {})[one.cohort_id] = pause
        self._paused = paused
        self._cancelled = frozenset((one.incident_id, one.cohort_id) for one in cohorts if one.cancelled)
