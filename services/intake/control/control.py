"""The use cases of operators and sources: incident documents, cohorts, seals, releases.

Each change is one transaction: it locks the row, writes the row's next version and who made it, and appends the block
that tells every room of it. A cohort of a source that the caller does not speak for is as unknown as one that is not
there. What stops notices is answered once the log has it: whoever asked for it relies on it from then on.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import orjson
from notification.topics import MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.core.cohort import Cohort, Grant
from services.core.incident import Incident
from services.core.policy import in_words
from services.core.synthetic import SYNTHETIC_SOURCE
from services.intake.context import SOURCE, Context
from services.intake.control.asked_changes import AskedChanges, asked_json
from services.intake.control.changes import (
    CohortRequest,
    cohort_json,
    sealed,
)
from services.intake.control.cohorts import Cohorts, Put
from services.intake.control.documents import Documents
from services.intake.control.figures import with_figures
from services.intake.control.pause_rows import PauseRows
from services.intake.control.pausing import IncidentPause, Pausing
from services.intake.control.releases import Releases
from services.intake.control.withdrawals import Named, Withdrawals
from services.intake.errors import NotFoundError, NotPermittedError
from services.intake.heard import wait_heard
from services.intake.store import CohortRow
from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import Connection
from services.wire.incident_document import parse_incident

__all__ = ["Control", "release_json"]

P = TypeVar("P", CohortRow, IncidentPause)
_ACTS_SHOWN = 1_000  # a page that can still be read


class Control:
    """The use cases behind the control routes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pool, self._store, self._clock = context.pool, context.store, context.clock
        self._partitions = context.partitions
        self._documents = Documents(context)

    async def put_incident(self, caller: Caller, incident_id: str, body: Any, read: int | None = None) -> Put:
        """Take an incident document, or ask for it where that takes two; raises what `Documents.put` does."""
        return await self._documents.put(caller, incident_id, body, read)

    async def approve_incident(self, caller: Caller, incident_id: str, number: int) -> Put:
        """Take the document that somebody else asked for; raises what `Documents.approve` does."""
        return await self._documents.approve(caller, incident_id, number)

    async def put_cohort(self, caller: Caller, incident_id: str, cohort_id: str, request: CohortRequest) -> Put:
        """Open a cohort, or change what its source says of it.

        Raises NotFoundError, NotPermittedError, ConflictError, and NotPublishedError where it does not go by itself any
        more, and nobody has heard of that yet.
        """
        if request.source == SYNTHETIC_SOURCE:
            raise NotPermittedError("this source is Heraut's own")
        async with self._pool.acquire() as connection, connection.transaction():
            put, outputs = await self._cohorts(connection, caller).put(incident_id, cohort_id, request)
            await append_outputs(connection, SOURCE, outputs)
        if request.auto_release is False and not put.created:
            await self._wait_heard("that it is not released by itself", incident_id, cohort_id)
        return put

    async def seal(self, caller: Caller, incident_id: str, cohort_id: str) -> Cohort:
        """Close a cohort for new members. Raises NotFoundError, ConflictError."""
        return await self._change(caller, Act.COHORT_SEALED, incident_id, cohort_id, sealed)

    async def release(self, caller: Caller, incident_id: str, cohort_id: str, grant: Grant = Grant()) -> CohortRow:  # noqa: B008 - frozen
        """Let so much of a cohort go, or ask for it where somebody else has to approve.

        Raises NotFoundError, ConflictError, MissingTextsError, and NotPublishedError where less goes than before, and
        nobody has heard of that yet.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            releases = Releases(self._cohorts(connection, caller))
            given = await releases.release(incident_id, cohort_id, grant)
            await append_outputs(connection, SOURCE, given.outputs)
        if given.lets_no_more:
            await self._wait_heard("the limit of its release", incident_id, cohort_id)
        return given.row

    async def approve(self, caller: Caller, incident_id: str, cohort_id: str, grant: Grant | None = None) -> CohortRow:
        """Let go what somebody else asked for; with `grant`, if it is that.

        Raises NotFoundError, NotPermittedError, ConflictError, MissingTextsError.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            releases = Releases(self._cohorts(connection, caller))
            given = await releases.approve(incident_id, cohort_id, grant)
            await append_outputs(connection, SOURCE, given.outputs)
        return given.row

    async def pause(self, caller: Caller, incident_id: str, cohort_id: str) -> CohortRow:
        """Stop all notices that name a cohort's facts; return once the log has it, as others hear of it then.

        Raises NotFoundError, ConflictError, and NotPublishedError where the pause is written, and the log does not take
        it: asked again, it is the same pause.
        """
        row = await self._paused(caller, lambda pausing: pausing.pause(incident_id, cohort_id))
        pause_id = row.cohort.pause_id or ""
        await wait_heard(self._context, f"the pause {pause_id}", pauseId=pause_id)
        return row

    async def resume(self, caller: Caller, incident_id: str, cohort_id: str) -> CohortRow:
        """End a cohort's pause. Raises NotFoundError, ConflictError."""
        return await self._paused(caller, lambda pausing: pausing.resume(incident_id, cohort_id))

    async def cancel(self, caller: Caller, incident_id: str, cohort_id: str) -> CohortRow:
        """Take a whole cohort back, for good; return once the log has it. Raises NotFoundError, NotPublishedError."""
        row = await self._paused(caller, lambda pausing: pausing.cancel(incident_id, cohort_id))
        await self._wait_heard("the cancellation", incident_id, cohort_id)
        return row

    async def pause_incident(self, caller: Caller, incident_id: str) -> IncidentPause:
        """Pause all cohorts of an incident, also those that are opened until it goes on; return once the log has it.

        Raises NotFoundError, and NotPublishedError as for the pause of a cohort.
        """
        paused = await self._paused(caller, lambda pausing: pausing.pause_incident(incident_id))
        await wait_heard(self._context, f"the pause of {incident_id}", incidentId=incident_id)
        return paused

    async def resume_incident(self, caller: Caller, incident_id: str) -> IncidentPause:
        """End an incident's pause. Raises NotFoundError."""
        return await self._paused(caller, lambda pausing: pausing.resume_incident(incident_id))

    async def post_figures(self, caller: Caller, incident_id: str, cohort_id: str, said: dict[str, int]) -> Cohort:
        """Take figures that people counted of a cohort, cancelled or not. Raises NotFoundError."""
        about, change = (Act.FIGURES_POSTED, incident_id, cohort_id), partial(with_figures, said=said)
        async with self._pool.acquire() as connection, connection.transaction():
            cohort, outputs = await self._cohorts(connection, caller).change(*about, change, said)
            await append_outputs(connection, SOURCE, outputs)
        return cohort

    async def withdraw(self, caller: Caller, incident_id: str, cohort_id: str, named: Named) -> dict[str, Any]:
        """Take one record back; return what it was, and whether somebody may have been told by it, as JSON.

        An accepted one is answered once the log has it. Raises NotFoundError, UnknownMemberError, ConflictError,
        NotPublishedError.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            withdrawals = Withdrawals(self._context, self._cohorts(connection, caller))
            found = await withdrawals.find(incident_id, cohort_id, named)
            await append_outputs(connection, SOURCE, await withdrawals.take_back(found))
            # What is on its way to somebody is not known here. Before the first permission there can be nothing.
            maybe = found.member is not None and await self._store.ever_permitted(connection, incident_id)
            place = await withdrawals.place_of(found)
        if place is not None:
            about = {"incidentId": incident_id, "cohortId": cohort_id}
            await wait_heard(self._context, "the withdrawal", topic=MEMBERS_ACCEPTED, partition=place, **about)
        return {
            "incidentId": incident_id,
            "cohortId": cohort_id,
            "was": "accepted" if found.member else "rejected",
            "changed": not found.withdrawn,
            "told": "maybe" if maybe else "no",
        }

    async def show_incident(self, caller: Caller, incident_id: str) -> dict[str, Any]:
        """Return an incident and its cohorts as JSON. Raises NotFoundError.

        Who speaks for a source sees an incident once it has a cohort there, and no other's cohorts.
        """
        async with self._pool.acquire() as connection:
            row = await self._store.show_incident(connection, incident_id)
            cohorts = await self._store.list_cohorts(connection, incident_id)
            seen = [one for one in cohorts if caller.principal.may(Act.COHORT_SHOWN, one.cohort.source)]
            if row is None or (caller.principal.is_bound(Act.INCIDENT_SHOWN) and not seen):
                raise NotFoundError("incident")
            document = orjson.loads(row.document)
            bound = caller.principal.is_bound(Act.INCIDENT_SHOWN)
            return {
                "incidentId": incident_id,
                "version": row.version,
                "changedAt": row.changed_at.isoformat(),
                **asked_json(None if bound else await AskedChanges().find(connection, incident_id), row.version),
                "pausedBy": await PauseRows().paused_by(connection, incident_id),
                "document": document,
                "policy": in_words(parse_incident(incident_id, row.version, document).policy),
                "cohorts": [await self._cohort_json(connection, cohort) for cohort in seen],
            }

    async def show_cohort(self, caller: Caller, incident_id: str, cohort_id: str) -> dict[str, Any]:
        """Return a cohort and what was counted of it as JSON. Raises NotFoundError."""
        async with self._pool.acquire() as connection:
            row = await self._cohorts(connection, caller).find(Act.COHORT_SHOWN, incident_id, cohort_id)
            return await self._cohort_json(connection, row)

    async def show_acts(self, caller: Caller, incident_id: str, after: int) -> dict[str, Any]:
        """Return a page of who did what to an incident and its cohorts, as JSON. Raises NotFoundError."""
        async with self._pool.acquire() as connection:
            if await self._store.show_incident(connection, incident_id) is None:
                raise NotFoundError("incident")
            caller.incident_id = incident_id
            rows = await self._store.list_acts(connection, incident_id, after, _ACTS_SHOWN)
        acts = [
            {
                "number": row["number"],
                "at": row["done_at"].isoformat(),
                "principal": row["principal"],
                "act": row["act"],
                "cohortId": row["cohort_id"],
                "version": row["version"],
                "requestId": row["request_id"],
                "detail": row["detail"],
            }
            for row in rows
        ]
        return {"incidentId": incident_id, "acts": acts, "more": len(acts) == _ACTS_SHOWN}

    async def find_cohort(self, caller: Caller, incident_id: str, cohort_id: str) -> tuple[Incident, Cohort]:
        """Return an incident and one of its cohorts, as they stand, for members. Raises NotFoundError."""
        async with self._pool.acquire() as connection:
            return await self._cohorts(connection, caller).for_members(incident_id, cohort_id)

    def _cohorts(self, connection: Connection, caller: Caller) -> Cohorts:
        return Cohorts(connection, self._store, caller, self._partitions, self._clock.now())

    async def _cohort_json(self, connection: Connection, row: CohortRow) -> dict[str, Any]:
        cohort = row.cohort
        counts = await self._store.count_cohort(connection, f"{cohort.incident_id}/{cohort.cohort_id}")
        return {**release_json(row), "changedAt": row.changed_at.isoformat(), **counts._asdict()}

    async def _change(
        self, caller: Caller, act: Act, incident_id: str, cohort_id: str, change: Callable[[Cohort], Cohort]
    ) -> Cohort:
        async with self._pool.acquire() as connection, connection.transaction():
            cohort, outputs = await self._cohorts(connection, caller).change(act, incident_id, cohort_id, change)
            await append_outputs(connection, SOURCE, outputs)
        return cohort

    async def _wait_heard(self, stop: str, incident_id: str, cohort_id: str) -> None:
        """Wait until others can hear of what stops a cohort. Raises NotPublishedError."""
        await wait_heard(self._context, stop, incidentId=incident_id, cohortId=cohort_id)

    async def _paused(self, caller: Caller, step: Callable[[Pausing], Awaitable[tuple[P, list[Output]]]]) -> P:
        async with self._pool.acquire() as connection, connection.transaction():
            result, outputs = await step(Pausing(self._cohorts(connection, caller)))
            await append_outputs(connection, SOURCE, outputs)
        return result


def release_json(row: CohortRow) -> dict[str, Any]:
    """Return a cohort, and who let it go where that took two, as JSON."""
    return {
        **cohort_json(row.cohort),
        "releaseAskedBy": row.asked_by,
        "releaseApprovedBy": row.approved_by,
        "releaseAsked": row.asked.as_json() if row.waits else None,
        "pausedBy": row.paused_by,
        "stopped": row.stopped,
    }
