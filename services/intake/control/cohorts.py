"""Cohorts as one caller sees and changes them, in the transaction of whoever calls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.context import SOURCE
from services.intake.control.changes import CANCELLED, CohortRequest, changed_cohort
from services.intake.control.four_eyes import AskedChange
from services.intake.control.grants import lets_more
from services.intake.control.pause_rows import PauseRows
from services.intake.control.texts import check_texts
from services.intake.domain import DoneAct
from services.intake.errors import ConflictError, NotFoundError, NotPermittedError
from services.intake.identities.rows import IdentityRows
from services.intake.store import CohortRow, Store
from services.kit.eventlog import Output, read_heads
from services.kit.postgres import Connection
from services.wire.incident_document import parse_incident
from services.wire.incidents import encode_cohort

__all__ = ["Cohorts", "Put"]


class Put(NamedTuple):
    """What a PUT came to."""

    version: int
    created: bool
    changed: bool
    warnings: Sequence[dict[str, str]] = ()  # of the linter, about an incident document
    closed: Sequence[str] = ()  # channels that this version of an incident closes
    asked: AskedChange | None = None  # of an incident: what waits for somebody else's approval, where it takes two


@dataclass(frozen=True, slots=True)
class Cohorts:
    """The cohorts that a caller sees. One of a source that the caller does not speak for is not there for it.

    Whatever changes a cohort stores who did it in the same transaction, and returns the blocks to send.
    """

    connection: Connection
    store: Store
    caller: Caller
    partitions: int  # of this installation
    now: datetime

    async def find(self, act: Act, incident_id: str, cohort_id: str) -> CohortRow:
        """Return a cohort that the caller may do this to. Raises NotFoundError."""
        return self._seen(act, await self.store.show_cohort(self.connection, incident_id, cohort_id))

    async def for_members(self, incident_id: str, cohort_id: str) -> tuple[Incident, Cohort]:
        """Return an incident and one of its cohorts, as they stand, to send members to.

        Raises NotFoundError, ConflictError.
        """
        incident = await self.store.show_incident(self.connection, incident_id)
        if incident is None:
            raise NotFoundError("incident")
        row = await self.find(Act.MEMBERS_SENT, incident_id, cohort_id)
        if row.cohort.cancelled:
            raise ConflictError(CANCELLED)
        document = orjson.loads(incident.document)
        return parse_incident(incident_id, incident.version, document, incident.key_versions), row.cohort

    async def lock(self, act: Act, incident_id: str, cohort_id: str) -> CohortRow:
        """Return a cohort that the caller may do this to, kept from chunks and changes. Raises NotFoundError."""
        return self._seen(act, await self.store.lock_cohort(self.connection, incident_id, cohort_id))

    async def put(self, incident_id: str, cohort_id: str, request: CohortRequest) -> tuple[Put, list[Output]]:
        """Open a cohort or give it its next version.

        Raises NotFoundError, NotPermittedError, ConflictError, and MissingTextsError where it is let go by itself.
        """
        if not self.caller.principal.may(Act.COHORT_PUT, request.source):
            raise NotPermittedError("a source opens cohorts of its own")
        incident = await self.hold_incident(incident_id)
        if incident is None:
            raise NotFoundError("incident")
        self.caller.incident_id, self.caller.cohort_id = incident_id, cohort_id
        row = await self.store.lock_cohort(self.connection, incident_id, cohort_id)
        if row is None:
            auto = bool(request.auto_release)
            cohort = Cohort(
                *(incident_id, cohort_id, 1, request.source, request.declared, auto),
                sealed=False, released=False, group=request.group or "",
                paused_since=int(await PauseRows().paused_by(self.connection, incident_id) is not None),
            )  # fmt: skip
            acts = self._acts_of_put(cohort, auto_before=False)
            await self._check_auto(incident, CohortRow(0, cohort, self.now), auto_before=False)
            cohort = await self._after_all_taken(None, cohort)
            if await self.store.add_cohort(self.connection, cohort, self.now):
                await self.store.record_acts(self.connection, acts, self.now)
                return Put(1, created=True, changed=True), [_announced(cohort)]
            row = await self.store.lock_cohort(self.connection, incident_id, cohort_id)
            assert row is not None  # noqa: S101 - it stood in the way of being added
        return await self._put_again(incident, row, request)

    async def _put_again(self, incident: Incident, row: CohortRow, request: CohortRequest) -> tuple[Put, list[Output]]:
        before = row.cohort
        changed = changed_cohort(before, request)
        if changed is None:
            return Put(before.version, created=False, changed=False), []
        acts = self._acts_of_put(changed, auto_before=before.auto_release)
        await self._check_auto(incident, row._replace(cohort=changed), auto_before=before.auto_release)
        changed = await self._after_all_taken(before, changed)
        return Put(changed.version, created=False, changed=True), await self._write(changed, acts)

    def _acts_of_put(self, cohort: Cohort, *, auto_before: bool) -> list[DoneAct]:
        """Return the acts that made this version; to let its notices go by themselves is an act of its own.

        Raises NotPermittedError where that is not the caller's to decide.
        """
        acts = [Act.COHORT_PUT]
        if cohort.auto_release != auto_before:
            if not self.caller.principal.may(Act.AUTO_RELEASE_SET, cohort.source):
                raise NotPermittedError("autoRelease is set by an operator")
            acts.append(Act.AUTO_RELEASE_SET)
        return [DoneAct.of(self.caller, act, cohort) for act in acts]

    async def _check_auto(self, incident: Incident, row: CohortRow, *, auto_before: bool) -> None:
        """Check that a cohort may go by itself from now on. Raises ConflictError, MissingTextsError."""
        if not row.cohort.auto_release or auto_before:
            return
        if incident.four_eyes:
            raise ConflictError("the incident has fourEyes: nothing of it is released by itself")
        await check_texts(self.connection, self.store, incident, [row])

    async def hold_incident(self, incident_id: str) -> Incident | None:
        """Return an incident as it stands, if it is known; it stays so until the transaction ends."""
        row = await self.store.hold_incident(self.connection, incident_id)
        return parse_incident(incident_id, row.version, orjson.loads(row.document), row.key_versions) if row else None

    async def change(
        self,
        act: Act,
        incident_id: str,
        cohort_id: str,
        change: Callable[[Cohort], Cohort],
        detail: Mapping[str, Any] | None = None,
    ) -> tuple[Cohort, list[Output]]:
        """Write a cohort's next version where `change` changes it; return the cohort. `detail` is kept with the act.

        Raises NotFoundError, and ConflictError where `change` does.
        """
        row = await self.lock(act, incident_id, cohort_id)
        changed, outputs = await self.turn(row.cohort, change(row.cohort))
        if outputs:
            done = DoneAct.of(self.caller, act, changed, detail=detail)
            await self.store.record_acts(self.connection, [done], self.now)
        return changed, outputs

    async def turn(self, before: Cohort, changed: Cohort) -> tuple[Cohort, list[Output]]:
        """Write the next version of a cohort that is locked, if it is another; whoever calls stores who did it."""
        if changed == before:
            return before, []
        changed = replace(changed, version=before.version + 1)
        changed = await self._after_all_taken(before, changed)
        await self.store.change_cohort(self.connection, changed, self.now)
        return changed, [_announced(changed)]

    async def _after_all_taken(self, before: Cohort | None, cohort: Cohort) -> Cohort:
        """Let a permission take effect after all members that were taken before it, of any cohort and by any replica.

        What was acknowledged had been committed, so the heads that are read here have it. They are those of the moment
        when more was let go, or when a pause ended, and stay as long as that holds. Call it with the cohort's row
        locked: then the chunks of this cohort that were under way are in the heads too.
        """
        more = lets_more(before, cohort)
        goes_on = before is not None and before.paused and not (cohort.paused or cohort.cancelled)
        heads: tuple[int, ...] = ()
        if more or goes_on:
            heads = await read_heads(self.connection, SOURCE, MEMBERS_ACCEPTED, self.partitions)
        released = cohort.release_after if cohort.is_released else ()
        changed = replace(
            cohort,
            release_after=heads if more else released,
            resumed_after=heads if goes_on else cohort.resumed_after,
        )
        return replace(changed, tied=await self._is_tied(changed))

    async def _is_tied(self, cohort: Cohort) -> bool:
        """Tell whether what a cohort permits has to be reached in all partitions.

        That is asked after the heads were read: all that was acknowledged of people who are not tied then is in them,
        in their own partitions. Who was ever tied counts for good.
        """
        if not (cohort.release_after or cohort.resumed_after):
            return False
        return await IdentityRows().has_moved(self.connection, cohort.incident_id)

    async def _write(self, cohort: Cohort, acts: list[DoneAct]) -> list[Output]:
        await self.store.change_cohort(self.connection, cohort, self.now)
        await self.store.record_acts(self.connection, acts, self.now)
        return [_announced(cohort)]

    def _seen(self, act: Act, row: CohortRow | None) -> CohortRow:
        """Return the cohort, and note that the request is about it. Raises NotFoundError where it is not seen."""
        if row is None:
            raise NotFoundError("cohort")
        self.caller.incident_id, self.caller.cohort_id = row.cohort.incident_id, row.cohort.cohort_id
        if not self.caller.principal.may(act, row.cohort.source):
            raise NotFoundError("cohort")
        return row


def _announced(cohort: Cohort) -> Output:
    return Output(INCIDENTS_CHANGED, 0, encode_cohort(cohort))
