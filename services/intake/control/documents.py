"""Incident documents: put by one, or asked for and approved by another where that takes two.

A change that takes two is no version, and no room hears of it, until it is approved: it is kept beside the incident.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from notification.topics import INCIDENTS_CHANGED, MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.core.incident import Incident
from services.intake.context import SOURCE, Context
from services.intake.control.asked_changes import AskedChanges
from services.intake.control.changes import check_growth
from services.intake.control.closures import closed_by
from services.intake.control.cohorts import Put
from services.intake.control.four_eyes import (
    AskedChange,
    check_approver,
    check_four_eyes,
    check_nobody_comes,
    check_only_asker,
    only_stops,
)
from services.intake.control.proving import Proving
from services.intake.control.reissuing import WAITING, Reissues, read_reissue
from services.intake.control.texts import check_texts
from services.intake.control.versions import VersionsSoFar, check_size, check_versions
from services.intake.domain import DoneAct
from services.intake.errors import ChangedMeanwhileError, ConflictError, NotFoundError
from services.intake.heard import wait_heard
from services.intake.identities.rows import IdentityRows
from services.intake.store import CohortRow, LockedIncident
from services.kit.eventlog import Output, append_outputs, read_heads
from services.kit.postgres import Connection
from services.wire.incident_document import normal_form, parse_incident
from services.wire.incidents import encode_incident

__all__ = ["Documents"]

_ROWS: Final = AskedChanges()
_REISSUES: Final = Reissues()
_NOBODY_ASKED: Final = "nobody asked for a change of this incident"


class Documents:
    """Takes documents, each with all that is checked of it before it stands."""

    def __init__(self, context: Context) -> None:
        self._context, self._proving = context, Proving(context.print_profile)

    async def put(self, caller: Caller, incident_id: str, body: Any, read: int | None = None) -> Put:
        """Take a document, or ask for it where it takes two, if the newest version is the one that was `read`.

        None = whichever it is. With `reissue` in the body, notices that were released and not begun follow it.

        Raises InvalidDocument, ChangedMeanwhileError, ConflictError, MissingTextsError, ThrottledError, and
        NotPublishedError where nobody has heard of a change yet: it may close a channel, or slow people down.
        """
        document, reissue = read_reissue(body)
        wanted = replace(parse_incident(incident_id, 1, document), reissue=reissue)
        normal = normal_form(document)
        check_size(normal)
        warnings = await self._proving.check(wanted, normal)
        async with self._context.pool.acquire() as connection, connection.transaction():
            step = await self._begin(connection, caller, wanted, normal)
            if read is not None and read != step.known.version:
                raise ChangedMeanwhileError(step.known.version)
            put = await step.put()
        if not put.created and put.asked is None:
            await self._wait_heard(incident_id, put.version)
        return put._replace(warnings=warnings)

    async def approve(self, caller: Caller, incident_id: str, number: int) -> Put:
        """Take the document that somebody else asked for, by its number; repeated, it changes nothing.

        Raises NotFoundError, NotPermittedError, and what `put` raises.
        """
        wanted, asked = await self._read_asked(incident_id)
        warnings = await self._proving.check(wanted, asked.document)
        async with self._context.pool.acquire() as connection, connection.transaction():
            step = await self._begin(connection, caller, wanted, asked.document)
            put = await step.approve(number, asked)
        await self._wait_heard(incident_id, put.version)
        return put._replace(warnings=warnings)

    async def _read_asked(self, incident_id: str) -> tuple[Incident, AskedChange]:
        """Return what was asked for, to be proved before the incident is locked.

        Raises NotFoundError, ConflictError.
        """
        async with self._context.pool.acquire() as connection:
            if await self._context.store.show_incident(connection, incident_id) is None:
                raise NotFoundError("incident")
            asked = await _ROWS.find(connection, incident_id)
        if asked is None:
            raise ConflictError(_NOBODY_ASKED)
        document = orjson.loads(asked.document)
        return replace(parse_incident(incident_id, 1, document), reissue=asked.reissue), asked

    async def _begin(self, connection: Connection, caller: Caller, wanted: Incident, normal: bytes) -> "_Step":
        """Lock an incident. No cohort of it is released, asked for or let go by itself until the transaction ends."""
        context, now = self._context, self._context.clock.now()
        newest = context.hashes.newest
        known = await context.store.lock_incident(connection, wanted.incident_id, newest, now)
        caller.incident_id = wanted.incident_id
        asked = await _ROWS.find(connection, wanted.incident_id)
        return _Step(context, connection, caller, wanted, normal, known, asked, now)

    async def _wait_heard(self, incident_id: str, version: int) -> None:
        stop = f"version {version} of the incident"
        await wait_heard(self._context, stop, incidentId=incident_id, version=version)


@dataclass(frozen=True, slots=True)
class _Step:
    """One document in its transaction, with the incident locked."""

    context: Context
    connection: Connection
    caller: Caller
    wanted: Incident
    normal: bytes
    known: LockedIncident
    asked: AskedChange | None
    now: datetime

    async def put(self) -> Put:
        if self.known.document == self.normal and not await self._follows_anew():
            closed = await closed_by(self.connection, self.wanted, self.known.version)
            return Put(self.known.version, created=False, changed=False, closed=closed)
        rows = await self._check()
        if self._takes_two(rows):
            return await self._ask()
        detail = {"reissue": WAITING} if self.wanted.reissue else None
        return await self._write(Act.INCIDENT_PUT, detail)

    async def approve(self, number: int, read: AskedChange) -> Put:
        asked = self.asked
        assert asked is not None  # noqa: S101 - there was one, and rows of it are never deleted
        check_approver(asked.asked_by, self._name, "change")
        if asked.number != number or read.number != number:
            raise ConflictError("another change was asked for than the one that is approved")
        if asked.approved_by:
            return Put(self.known.version, created=False, changed=False)
        if not asked.waits(self.known.version):
            raise ConflictError("the document changed since this was asked for: ask again, on top of what stands")
        await self._check()
        await _ROWS.approve(self.connection, self.wanted.incident_id, self._name)
        return await self._write(Act.INCIDENT_APPROVED, {**_said(asked), "askedBy": asked.asked_by})

    @property
    def _name(self) -> str:
        return self.caller.principal.name

    async def _follows_anew(self) -> bool:
        """Tell whether notices that wait shall follow the words as they stand, and do not yet."""
        ids = self.wanted.incident_id, self.known.version
        return self.wanted.reissue and not await _REISSUES.is_marked(self.connection, *ids)

    async def _check(self) -> list[CohortRow]:
        """Check the next document against what stands; return the incident's cohorts.

        Raises ConflictError, MissingTextsError, ThrottledError.
        """
        store, connection, wanted = self.context.store, self.connection, self.wanted
        rows = await store.list_cohorts(connection, wanted.incident_id)
        if self.known.version:
            check_growth(self.known.document, orjson.loads(self.normal))
            check_four_eyes(self.known.document, orjson.loads(self.normal))
            if wanted.four_eyes:
                check_nobody_comes([row.cohort for row in rows])
            await check_texts(connection, store, wanted, [row for row in rows if row.cohort.is_released])
        since = self.now - timedelta(minutes=1)
        check_versions(VersionsSoFar(*await store.count_versions(connection, wanted.incident_id, since)), self.normal)
        return rows

    def _takes_two(self, rows: list[CohortRow]) -> bool:
        """Tell whether somebody may be told otherwise under this document than under what two principals let go.

        From the moment that a release is asked for, one alone changes no word of what the other one is to approve.
        """
        if not self.wanted.four_eyes or not any(row.cohort.released or row.waits for row in rows):
            return False
        stands = parse_incident(self.wanted.incident_id, 1, orjson.loads(self.known.document))
        return self.wanted.reissue or not only_stops(stands, self.wanted)

    async def _ask(self) -> Put:
        """Note what is asked for. Raises ConflictError where somebody else asked for something else meanwhile."""
        self.caller.act = Act.INCIDENT_ASKED
        before, version = self.asked, self.known.version
        waits = before is not None and before.waits(version)
        change = AskedChange(
            *(before.number + 1 if before else 1, version, self.normal, self.wanted.reissue, self._name)
        )
        if before and waits and before._replace(number=0, asked_by="") == change._replace(number=0, asked_by=""):
            change = before
        else:
            check_only_asker(before.asked_by if before and waits else None, self._name, "change")
            await _ROWS.ask(self.connection, self.wanted.incident_id, change, self.now)
            await self._record(Act.INCIDENT_ASKED, version, _said(change))
        return Put(version, created=False, changed=False, asked=change)

    async def _write(self, act: Act, detail: Mapping[str, Any] | None) -> Put:
        """Make it the next version, and tell everybody."""
        ids, reissue = (self.wanted.incident_id, self.known.version + 1), self.wanted.reissue
        connection = self.connection
        await self.context.store.change_incident(connection, *ids, self.normal, self.now)
        if reissue:
            await _REISSUES.mark(connection, *ids)
        await self._record(act, ids[1], detail)
        after, tied = await self._taken_so_far()
        block = encode_incident(*ids, self.normal, self.known.key_versions, after, reissue=reissue, tied=tied)
        await append_outputs(connection, SOURCE, [Output(INCIDENTS_CHANGED, 0, block)])
        closed = await closed_by(connection, self.wanted, ids[1])
        return Put(ids[1], created=not self.known.version, changed=True, closed=closed)

    async def _taken_so_far(self) -> tuple[tuple[int, ...], bool]:
        """Return how many blocks of members were written in each partition, and whether anybody was ever tied.

        All that was acknowledged is in them.
        """
        if not self.known.version:
            return (), False
        heads = await read_heads(self.connection, SOURCE, MEMBERS_ACCEPTED, self.context.partitions)
        return heads, await IdentityRows().has_moved(self.connection, self.wanted.incident_id)

    async def _record(self, act: Act, version: int, detail: Mapping[str, Any] | None) -> None:
        said = orjson.dumps(detail).decode() if detail else None
        ids = self.wanted.incident_id, None, version, None, self.caller.request_id
        done = DoneAct(self._name, act.value, *ids, detail=said)
        await self.context.store.record_acts(self.connection, [done], self.now)


def _said(change: AskedChange) -> dict[str, Any]:
    return {"number": change.number, **({"reissue": WAITING} if change.reissue else {})}
