"""The release of a cohort: asked for, approved by somebody else where its incident has four eyes, and given."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from services.core.access import Act
from services.core.cohort import Grant
from services.core.incident import Incident
from services.intake.control.changes import CANCELLED
from services.intake.control.cohorts import Cohorts
from services.intake.control.four_eyes import check_approver, check_only_asker
from services.intake.control.grants import granted, lets_more
from services.intake.control.texts import check_texts
from services.intake.domain import DoneAct
from services.intake.errors import ConflictError, NotFoundError
from services.intake.store import CohortRow
from services.kit.eventlog import Output

__all__ = ["Given", "Releases"]


class Given(NamedTuple):
    """How a cohort stands after a release, and the blocks that tell of it."""

    row: CohortRow
    outputs: list[Output]
    lets_no_more: bool = False  # than before: if it changes anything, it stops something


@dataclass(frozen=True, slots=True)
class Releases:
    """Lets cohorts go for one caller, each step under the cohort's row lock.

    No block tells of a release that is only asked for: it is no version of the cohort, and lets nothing go.
    """

    cohorts: Cohorts

    async def release(self, incident_id: str, cohort_id: str, grant: Grant) -> Given:
        """Let this much of a cohort go, or ask for it where somebody else has to approve; repeated, it changes nothing.

        Raises NotFoundError, ConflictError, MissingTextsError.
        """
        incident, row = await self._locked(Act.COHORT_RELEASED, incident_id, cohort_id)
        if row.waits and row.asked == grant:
            return Given(row, [])
        changed = granted(row.cohort, grant)
        if not lets_more(row.cohort, changed):
            return (await self._give(row, Act.COHORT_RELEASED, grant))._replace(lets_no_more=True)
        if incident.four_eyes and not row.cohort.sealed:
            raise ConflictError("the incident has fourEyes: seal the cohort first, nobody approves who is yet to come")
        await check_texts(self.cohorts.connection, self.cohorts.store, incident, [row])
        if incident.four_eyes:
            return Given(await self._ask(row, grant), [])
        return await self._give(row, Act.COHORT_RELEASED, grant)

    async def approve(self, incident_id: str, cohort_id: str, grant: Grant | None) -> Given:
        """Let go what somebody else asked for; with `grant`, if it is that. Repeated, it changes nothing.

        Raises NotFoundError, NotPermittedError, ConflictError, MissingTextsError.
        """
        incident, row = await self._locked(Act.COHORT_APPROVED, incident_id, cohort_id)
        if row.asked_by is None:
            raise ConflictError("nobody asked for the release of this cohort")
        check_approver(row.asked_by, self._caller, "release")
        if grant is not None and grant != row.asked:
            raise ConflictError("another release was asked for than the one that is approved")
        if not row.waits:
            return Given(row, [])
        granted(row.cohort, row.asked)
        await check_texts(self.cohorts.connection, self.cohorts.store, incident, [row])
        row = row._replace(approved_by=self._caller)
        await self._note(row)
        return await self._give(row, Act.COHORT_APPROVED, row.asked)

    @property
    def _caller(self) -> str:
        return self.cohorts.caller.principal.name

    async def _locked(self, act: Act, incident_id: str, cohort_id: str) -> tuple[Incident, CohortRow]:
        """Return a cohort that is locked, and its incident, which keeps its document and its four eyes meanwhile.

        Raises NotFoundError, and ConflictError where the cohort is cancelled.
        """
        incident = await self.cohorts.hold_incident(incident_id)
        if incident is None:
            raise NotFoundError("cohort")
        row = await self.cohorts.lock(act, incident_id, cohort_id)
        if row.cohort.cancelled:
            raise ConflictError(CANCELLED)
        return incident, row

    async def _ask(self, row: CohortRow, grant: Grant) -> CohortRow:
        """Note what is asked for. Raises ConflictError where somebody else asked for something else meanwhile."""
        check_only_asker(row.asked_by if row.waits else None, self._caller, "release")
        cohorts = self.cohorts
        cohorts.caller.act = Act.RELEASE_ASKED
        row = row._replace(asked_by=self._caller, approved_by=None, asked=grant)
        await self._note(row)
        done = DoneAct.of(cohorts.caller, Act.RELEASE_ASKED, row.cohort, detail=grant.as_json())
        await cohorts.store.record_acts(cohorts.connection, [done], cohorts.now)
        return row

    async def _note(self, row: CohortRow) -> None:
        await self.cohorts.store.note_release(self.cohorts.connection, row)

    async def _give(self, row: CohortRow, act: Act, grant: Grant) -> Given:
        ids = row.cohort.incident_id, row.cohort.cohort_id
        cohort, outputs = await self.cohorts.change(act, *ids, partial(granted, grant=grant), grant.as_json())
        return Given(row._replace(cohort=cohort), outputs)
