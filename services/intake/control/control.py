"""The use cases of operators and sources: incident documents, cohorts, seals, releases.

Each change is one transaction: it locks the row, writes the row's next version, and appends the block that tells
every room of it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.context import SOURCE, Context
from services.intake.control.changes import CohortRequest, changed_cohort, check_growth, cohort_json
from services.intake.errors import NotFoundError
from services.intake.store import CohortRow, Store
from services.kit.eventlog import Output, append_outputs, read_heads
from services.kit.postgres import Connection
from services.wire.incident_document import normal_form, parse_incident
from services.wire.incidents import encode_cohort, encode_incident

__all__ = ["Control", "Put", "add_cohort", "change_cohort", "find_cohort"]


class Put(NamedTuple):
    """What a PUT came to."""

    version: int
    created: bool
    changed: bool


class Control:
    """The use cases behind the control routes."""

    def __init__(self, context: Context) -> None:
        self._pool, self._store, self._clock = context.pool, context.store, context.clock
        self._partitions = context.partitions

    async def put_incident(self, incident_id: str, document: Any) -> Put:
        """Take an incident document. Raises InvalidDocument, ConflictError."""
        parse_incident(incident_id, 1, document)
        normal, now = normal_form(document), self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            version, before = await self._store.lock_incident(connection, incident_id, now)
            if before == normal:
                return Put(version, created=False, changed=False)
            if version:
                check_growth(before, document)
            await self._store.change_incident(connection, incident_id, version + 1, normal, now)
            await append_outputs(connection, SOURCE, [_announced(encode_incident(incident_id, version + 1, normal))])
        return Put(version + 1, created=version == 0, changed=True)

    async def put_cohort(self, incident_id: str, cohort_id: str, request: CohortRequest) -> Put:
        """Open a cohort, or change what its source says of it. Raises NotFoundError, ConflictError."""
        async with self._pool.acquire() as connection, connection.transaction():
            put, outputs = await add_cohort(
                connection,
                self._store,
                incident_id,
                cohort_id,
                request,
                partitions=self._partitions,
                now=self._clock.now(),
            )
            await append_outputs(connection, SOURCE, outputs)
        return put

    async def seal(self, incident_id: str, cohort_id: str) -> Cohort:
        """Close a cohort for new members. Raises NotFoundError."""
        return await self._change(incident_id, cohort_id, lambda before: replace(before, sealed=True))

    async def release(self, incident_id: str, cohort_id: str) -> Cohort:
        """Let the notices of a cohort go. Raises NotFoundError."""
        return await self._change(incident_id, cohort_id, lambda before: replace(before, released=True))

    async def show_incident(self, incident_id: str) -> dict[str, Any]:
        """Return an incident and its cohorts as JSON. Raises NotFoundError."""
        async with self._pool.acquire() as connection:
            row = await self._store.show_incident(connection, incident_id)
            if row is None:
                raise NotFoundError("incident")
            cohorts = await self._store.list_cohorts(connection, incident_id)
            return {
                "incidentId": incident_id,
                "version": row.version,
                "changedAt": row.changed_at.isoformat(),
                "document": orjson.loads(row.document),
                "cohorts": [await self._cohort_json(connection, cohort) for cohort in cohorts],
            }

    async def show_cohort(self, incident_id: str, cohort_id: str) -> dict[str, Any]:
        """Return a cohort and what was counted of it as JSON. Raises NotFoundError."""
        async with self._pool.acquire() as connection:
            row = await self._store.show_cohort(connection, incident_id, cohort_id)
            if row is None:
                raise NotFoundError("cohort")
            return await self._cohort_json(connection, row)

    async def find_cohort(self, incident_id: str, cohort_id: str) -> tuple[Incident, Cohort]:
        """Return an incident and one of its cohorts, as they stand. Raises NotFoundError."""
        async with self._pool.acquire() as connection:
            return await find_cohort(connection, self._store, incident_id, cohort_id)

    async def _cohort_json(self, connection: Connection, row: CohortRow) -> dict[str, Any]:
        cohort = row.cohort
        counts = await self._store.count_cohort(connection, f"{cohort.incident_id}/{cohort.cohort_id}")
        return {**cohort_json(cohort), "changedAt": row.changed_at.isoformat(), **counts._asdict()}

    async def _change(self, incident_id: str, cohort_id: str, change: Callable[[Cohort], Cohort]) -> Cohort:
        now = self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            cohort, outputs = await change_cohort(
                connection, self._store, incident_id, cohort_id, change, partitions=self._partitions, now=now
            )
            await append_outputs(connection, SOURCE, outputs)
        return cohort


async def find_cohort(
    connection: Connection, store: Store, incident_id: str, cohort_id: str
) -> tuple[Incident, Cohort]:
    """Return an incident and one of its cohorts, as they stand. Raises NotFoundError."""
    incident = await store.show_incident(connection, incident_id)
    if incident is None:
        raise NotFoundError("incident")
    cohort = await store.show_cohort(connection, incident_id, cohort_id)
    if cohort is None:
        raise NotFoundError("cohort")
    document = orjson.loads(incident.document)
    return parse_incident(incident_id, incident.version, document), cohort.cohort


async def add_cohort(
    connection: Connection,
    store: Store,
    incident_id: str,
    cohort_id: str,
    request: CohortRequest,
    *,
    partitions: int,
    now: datetime,
) -> tuple[Put, list[Output]]:
    """Open a cohort or give it its next version, in the caller's transaction; returns the blocks to send.

    `partitions` is how many this installation has. Raises NotFoundError, ConflictError.
    """
    if await store.show_incident(connection, incident_id) is None:
        raise NotFoundError("incident")
    auto = bool(request.auto_release)
    opened = Cohort(incident_id, cohort_id, 1, request.source, request.declared, auto, sealed=False, released=False)
    opened = await _after_all_taken(connection, opened, partitions, was_released=False)
    if await store.add_cohort(connection, opened, now):
        return Put(1, created=True, changed=True), [_announced(encode_cohort(opened))]
    row = await store.lock_cohort(connection, incident_id, cohort_id)
    assert row is not None  # noqa: S101 - it stood in the way of being added
    changed = changed_cohort(row.cohort, request.source, request.declared, auto_release=request.auto_release)
    if changed is None:
        return Put(row.cohort.version, created=False, changed=False), []
    changed = await _after_all_taken(connection, changed, partitions, was_released=row.cohort.is_released)
    await store.change_cohort(connection, changed, now)
    return Put(changed.version, created=False, changed=True), [_announced(encode_cohort(changed))]


async def change_cohort(
    connection: Connection,
    store: Store,
    incident_id: str,
    cohort_id: str,
    change: Callable[[Cohort], Cohort],
    *,
    partitions: int,
    now: datetime,
) -> tuple[Cohort, list[Output]]:
    """Write a cohort's next version where `change` changes it; returns the cohort and the blocks to send.

    `partitions` is how many this installation has. Raises NotFoundError.
    """
    row = await store.lock_cohort(connection, incident_id, cohort_id)
    if row is None:
        raise NotFoundError("cohort")
    changed = change(row.cohort)
    if changed == row.cohort:
        return row.cohort, []
    changed = replace(changed, version=row.cohort.version + 1)
    changed = await _after_all_taken(connection, changed, partitions, was_released=row.cohort.is_released)
    await store.change_cohort(connection, changed, now)
    return changed, [_announced(encode_cohort(changed))]


async def _after_all_taken(connection: Connection, cohort: Cohort, partitions: int, *, was_released: bool) -> Cohort:
    """Let a release take effect after all members that were taken before it, of any cohort and by any replica.

    What was acknowledged had been committed, so the heads that are read here have it. They are those of the moment when
    the cohort became released, and stay as long as it is. Call it with the cohort's row locked: then the chunks of
    this cohort that were under way are in the heads too.
    """
    if not cohort.is_released:
        return replace(cohort, release_after=())
    if was_released:
        return cohort
    return replace(cohort, release_after=await read_heads(connection, SOURCE, MEMBERS_ACCEPTED, partitions))


def _announced(block: bytes) -> Output:
    return Output(INCIDENTS_CHANGED, 0, block)
