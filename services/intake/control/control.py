"""The use cases of operators and sources: incident documents, cohorts, seals, releases.

Each change is one transaction: it locks the row, writes the row's next version and who made it, and appends the block
that tells every room of it. A cohort of a source that the caller does not speak for is as unknown as one that is not
there. What stops notices is answered once the log has it: whoever asked for it relies on it from then on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import orjson
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.core.cohort import Cohort, Grant
from services.core.incident import Incident
from services.core.policy import in_words
from services.intake.context import SOURCE, Context
from services.intake.control.changes import (
    CohortRequest,
    check_four_eyes,
    check_growth,
    cohort_json,
    sealed,
)
from services.intake.control.closures import closed_by
from services.intake.control.cohorts import Cohorts, Put
from services.intake.control.figures import with_figures
from services.intake.control.pause_rows import PauseRows
from services.intake.control.pausing import IncidentPause, Pausing
from services.intake.control.proving import Proving
from services.intake.control.reissuing import DETAIL, Reissues, check_reissue, read_reissue
from services.intake.control.releases import Releases
from services.intake.control.texts import check_texts
from services.intake.control.versions import VersionsSoFar, check_size, check_versions
from services.intake.control.withdrawals import Named, Withdrawals
from services.intake.domain import DoneAct
from services.intake.errors import ChangedMeanwhileError, ConflictError, NotFoundError
from services.intake.heard import wait_heard
from services.intake.identities.rows import IdentityRows
from services.intake.store import CohortRow
from services.kit.eventlog import Output, append_outputs, read_heads
from services.kit.postgres import Connection
from services.wire.incident_document import normal_form, parse_incident
from services.wire.incidents import encode_incident

__all__ = ["Control", "release_json"]

P = TypeVar("P", CohortRow, IncidentPause)
_ACTS_SHOWN = 1_000  # a page that can still be read


class Control:
    """The use cases behind the control routes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._pool, self._store, self._clock = context.pool, context.store, context.clock
        self._partitions = context.partitions
        self._hashes = context.hashes
        self._reissues = Reissues()
        self._proving = Proving(context.print_profile)

    async def put_incident(self, caller: Caller, incident_id: str, body: Any, read: int | None = None) -> Put:
        """Take an incident document, where the newest version is the one that was `read` (None = whichever it is).

        With `reissue` in the body, notices that were released and not begun follow it.

        Raises InvalidDocument, ChangedMeanwhileError, ConflictError, MissingTextsError, ThrottledError, and
        NotPublishedError where nobody has heard of a change yet: it may close a channel, or slow people down.
        """
        document, reissue = read_reissue(body)
        incident = replace(parse_incident(incident_id, 1, document), reissue=reissue)
        put = await self._put_incident(caller, incident, document, read)
        if not put.created:
            stop = f"version {put.version} of the incident"
            await wait_heard(self._context, stop, incidentId=incident_id, version=put.version)
        return put

    async def _put_incident(self, caller: Caller, incident: Incident, document: Any, read: int | None) -> Put:
        incident_id = incident.incident_id
        normal, now = normal_form(document), self._clock.now()
        check_size(normal)
        warnings = await self._proving.check(incident, normal)
        async with self._pool.acquire() as connection, connection.transaction():
            locked = await self._store.lock_incident(connection, incident_id, self._hashes.newest, now)
            version, before, key_versions = locked
            caller.incident_id = incident_id
            if read is not None and read != version:
                raise ChangedMeanwhileError(version)
            if incident.reissue and version:
                check_reissue(incident)
            if before == normal and not await self._follows_anew(connection, incident, version):
                closed = await closed_by(connection, incident, version)
                return Put(version, created=False, changed=False, warnings=warnings, closed=closed)
            if version:
                check_growth(before, document)
                check_four_eyes(before, document)
                await self._check_cohorts(connection, incident)
            so_far = await self._store.count_versions(connection, incident_id, now - timedelta(minutes=1))
            check_versions(VersionsSoFar(*so_far), normal)
            await self._store.change_incident(connection, incident_id, version + 1, normal, now)
            if incident.reissue:
                await self._reissues.mark(connection, incident_id, version + 1)
            name, request_id = caller.principal.name, caller.request_id
            act = DoneAct(name, Act.INCIDENT_PUT.value, incident_id, None, version + 1, None, request_id)
            done = act._replace(detail=DETAIL) if incident.reissue else act
            await self._store.record_acts(connection, [done], now)
            after = await self._taken_so_far(connection) if version else ()
            tied = await IdentityRows().has_moved(connection, incident_id) if version else False
            said = {"reissue": incident.reissue, "tied": tied}
            block = encode_incident(incident_id, version + 1, normal, key_versions, after, **said)
            await append_outputs(connection, SOURCE, [Output(INCIDENTS_CHANGED, 0, block)])
            closed = await closed_by(connection, incident, version + 1)
        return Put(version + 1, created=version == 0, changed=True, warnings=warnings, closed=closed)

    async def _follows_anew(self, connection: Connection, incident: Incident, version: int) -> bool:
        """Tell whether notices that wait shall follow the words as they stand, and do not yet."""
        return incident.reissue and not await self._reissues.is_marked(connection, incident.incident_id, version)

    async def put_cohort(self, caller: Caller, incident_id: str, cohort_id: str, request: CohortRequest) -> Put:
        """Open a cohort, or change what its source says of it.

        Raises NotFoundError, NotPermittedError, ConflictError, and NotPublishedError where it does not go by itself any
        more, and nobody has heard of that yet.
        """
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
            return {
                "incidentId": incident_id,
                "version": row.version,
                "changedAt": row.changed_at.isoformat(),
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

    async def _taken_so_far(self, connection: Connection) -> tuple[int, ...]:
        """Return how many blocks of members were written in each partition: all that was acknowledged is in them."""
        return await read_heads(connection, SOURCE, MEMBERS_ACCEPTED, self._partitions)

    async def _check_cohorts(self, connection: Connection, incident: Incident) -> None:
        """Check an incident's next document against the cohorts that it has. Raises ConflictError, MissingTextsError.

        The incident is locked: no cohort of it is released, asked for or let go by itself meanwhile.
        """
        rows = await self._store.list_cohorts(connection, incident.incident_id)
        auto = [row.cohort.cohort_id for row in rows if row.cohort.auto_release]
        if incident.four_eyes and auto:
            raise ConflictError(f"fourEyes goes with no autoRelease, which is set for: {', '.join(auto)}")
        await check_texts(connection, self._store, incident, [row for row in rows if row.cohort.is_released])

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
