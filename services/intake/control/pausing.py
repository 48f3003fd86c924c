"""Pauses: of a cohort by an operator or a stop rule, and of all cohorts of an incident by one act.

A cohort is paused as long as somebody paused it, or its incident. Rooms hear of one pause of each cohort, whoever it is
by, so that what had begun is listed the same way.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from services.core.access import Act
from services.core.cohort import Cohort
from services.intake.control.changes import cancelled, paused, resumed
from services.intake.control.cohorts import Cohorts
from services.intake.control.pause_rows import PauseRows
from services.intake.domain import DoneAct
from services.intake.errors import ConflictError, NotFoundError
from services.intake.store import CohortRow
from services.kit.eventlog import Output
from services.wire.stops import Raised

__all__ = ["Changed", "IncidentPause", "Pausing"]

Changed = tuple[CohortRow, list[Output]]


class IncidentPause(NamedTuple):
    """How the cohorts of an incident stand once it was paused, or goes on."""

    incident_id: str
    paused_by: str | None
    cohorts: list[CohortRow]  # that are paused

    def as_json(self) -> dict[str, Any]:
        """Return it as it is answered."""
        return {
            "incidentId": self.incident_id,
            "paused": self.paused_by is not None,
            "pausedBy": self.paused_by,
            "pauses": [
                {"cohortId": row.cohort.cohort_id, "pauseId": row.cohort.pause_id, "pausedBy": row.paused_by}
                for row in self.cohorts
            ],
        }


@dataclass(frozen=True, slots=True)
class Pausing:
    """Pauses and resumes for one caller. An incident's row is locked before those of its cohorts, as for a release."""

    cohorts: Cohorts
    rows: PauseRows = PauseRows()

    async def pause(self, incident_id: str, cohort_id: str) -> Changed:
        """Stop all notices that name a cohort's facts. Raises NotFoundError, ConflictError."""
        row = await self.cohorts.lock(Act.COHORT_PAUSED, incident_id, cohort_id)
        changed = paused(row.cohort)
        if row.paused_by:
            return row, []
        row = row._replace(paused_by=self._caller)
        return await self._write(row, Act.COHORT_PAUSED, changed)

    async def resume(self, incident_id: str, cohort_id: str) -> Changed:
        """End a cohort's pause. Raises NotFoundError, and ConflictError while its incident is paused.

        Where a rule had stopped it, rules count anew from here: what was found once stops nothing a second time.
        """
        if await self.cohorts.hold_incident(incident_id) is None:
            raise NotFoundError("cohort")
        row = await self.cohorts.lock(Act.COHORT_RESUMED, incident_id, cohort_id)
        changed = resumed(row.cohort)
        if await self.rows.paused_by(self.cohorts.connection, incident_id):
            raise ConflictError("the incident is paused: resume that")
        if row.stopped:
            version, figures = row.cohort.version + 1, row.cohort.figures
            changed = replace(changed, counted_from=version, figures_before=figures)
        return await self._write(row._replace(paused_by=None, stopped=None), Act.COHORT_RESUMED, changed)

    async def cancel(self, incident_id: str, cohort_id: str) -> Changed:
        """Take a whole cohort back, for good; that ends its pause. Raises NotFoundError."""
        row = await self.cohorts.lock(Act.COHORT_CANCELLED, incident_id, cohort_id)
        changed = cancelled(row.cohort)
        return await self._write(row._replace(paused_by=None, stopped=None), Act.COHORT_CANCELLED, changed)

    async def stop(self, raised: Raised) -> Changed | None:
        """Pause a cohort of which a rule found too many; None where that is known, or over.

        Somebody's own pause stays theirs, with what was found noted beside it: whoever ends it sees that.
        """
        row = await self.cohorts.store.lock_cohort(self.cohorts.connection, raised.incident_id, raised.cohort_id)
        if row is None or row.stopped or row.cohort.counted_from != raised.counted_from or row.cohort.cancelled:
            return None
        found = raised.as_json()
        row = row._replace(paused_by=row.paused_by or self._caller, stopped=found)
        return await self._write(row, Act.COHORT_PAUSED, paused(row.cohort), found)

    async def pause_incident(self, incident_id: str) -> tuple[IncidentPause, list[Output]]:
        """Pause all cohorts of an incident, also those that are opened before it is resumed. Raises NotFoundError."""
        before = await self._lock(incident_id)
        paused_by, outputs = before["paused_by"] or self._caller, []
        if before["paused_by"] is None:
            await self._note(Act.INCIDENT_PAUSED, incident_id, before["version"], paused_by)
            for row in await self._cohorts_of(incident_id):
                if not row.cohort.paused:
                    outputs += (await self.cohorts.turn(row.cohort, paused(row.cohort)))[1]
        return IncidentPause(incident_id, paused_by, await self._paused(incident_id)), outputs

    async def resume_incident(self, incident_id: str) -> tuple[IncidentPause, list[Output]]:
        """End an incident's pause. Cohorts that somebody, or a rule, paused by themselves stay so.

        Raises NotFoundError.
        """
        before, outputs = await self._lock(incident_id), []
        if before["paused_by"] is not None:
            await self._note(Act.INCIDENT_RESUMED, incident_id, before["version"], None)
            for row in await self._cohorts_of(incident_id):
                if row.cohort.paused and row.paused_by is None:
                    outputs += (await self.cohorts.turn(row.cohort, resumed(row.cohort)))[1]
        return IncidentPause(incident_id, None, await self._paused(incident_id)), outputs

    @property
    def _caller(self) -> str:
        return self.cohorts.caller.principal.name

    async def _lock(self, incident_id: str) -> Any:
        row = await self.rows.lock_incident(self.cohorts.connection, incident_id)
        if row is None:
            raise NotFoundError("incident")
        self.cohorts.caller.incident_id = incident_id
        return row

    async def _note(self, act: Act, incident_id: str, version: int, paused_by: str | None) -> None:
        cohorts = self.cohorts
        await self.rows.pause_incident(cohorts.connection, incident_id, paused_by)
        done = DoneAct(self._caller, act.value, incident_id, None, version, None, cohorts.caller.request_id)
        await cohorts.store.record_acts(cohorts.connection, [done], cohorts.now)

    async def _cohorts_of(self, incident_id: str) -> list[CohortRow]:
        """Return the cohorts of a locked incident that are not cancelled, each locked, in the order of their names."""
        store, connection = self.cohorts.store, self.cohorts.connection
        known = [row.cohort.cohort_id for row in await store.list_cohorts(connection, incident_id)]
        rows = [await store.lock_cohort(connection, incident_id, cohort_id) for cohort_id in known]
        return [row for row in rows if row and not row.cohort.cancelled]

    async def _paused(self, incident_id: str) -> list[CohortRow]:
        rows = await self.cohorts.store.list_cohorts(self.cohorts.connection, incident_id)
        return [row for row in rows if row.cohort.paused]

    async def _write(self, row: CohortRow, act: Act, changed: Cohort, detail: dict[str, Any] | None = None) -> Changed:
        """Write who paused a cohort, its next version where rooms have to hear of one, and the act."""
        cohorts = self.cohorts
        await self.rows.note_pause(cohorts.connection, row)
        cohort, outputs = await cohorts.turn(row.cohort, changed)
        if outputs or act == Act.COHORT_PAUSED:  # one that its incident had paused is told of as it was
            done = DoneAct.of(cohorts.caller, act, cohort, detail=detail)
            await cohorts.store.record_acts(cohorts.connection, [done], cohorts.now)
        return row._replace(cohort=cohort), outputs
