"""The problems of a cohort's records: who is rejected, held or told apart, and why, by the source's own memberRefs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Final, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag

from services.core.access import Act, Caller
from services.core.incident import Incident
from services.intake.context import Context
from services.intake.control.cohorts import Cohorts
from services.intake.control.listing import START, Cursor, Listed, of_rejected, of_unprinted, of_unsettled
from services.intake.domain import DoneAct
from services.intake.errors import NotFoundError
from services.intake.records.sealed_refs import RefPlace, found_among
from services.intake.store import CohortRow
from services.kit.postgres import Connection
from services.wire.incident_document import parse_incident

__all__ = ["MOST_RECORDS", "Page", "Problems"]

logger = logging.getLogger(__name__)

MOST_RECORDS: Final = 1_000  # of a page: about two blocks of references, a tenth of a second
_BLOCKS_AT_ONCE: Final = 16  # of references: some megabytes

_Refs = Mapping[bytes, tuple[str, int]]  # by record: its memberRef, and the line on which it came


class Page(NamedTuple):
    """Problems, and where the next page begins; None where there is none."""

    problems: list[Listed]
    following: Cursor | None


class Problems:
    """Lists the problems of cohorts, a page at a time. No connection is kept between two pages."""

    def __init__(self, context: Context) -> None:
        self._context, self._store = context, context.store

    async def page(
        self, caller: Caller, incident_id: str, cohort_id: str, after: Cursor = START, records: int = MOST_RECORDS
    ) -> Page:
        """Return a page of so many records, and store who was shown it. Raises NotFoundError."""
        async with self._context.pool.acquire() as connection, connection.transaction():
            now = self._context.clock.now()
            cohorts = Cohorts(connection, self._store, caller, self._context.partitions, now)
            row = await cohorts.find(Act.PROBLEMS_SHOWN, incident_id, cohort_id)
            named = caller.principal.name, Act.PROBLEMS_SHOWN.value, incident_id, cohort_id
            await self._store.record_acts(connection, [DoneAct(*named, None, None, caller.request_id)], now)
            return await self._read(connection, row, after, records)

    async def pages(self, caller: Caller, incident_id: str, cohort_id: str) -> AsyncIterator[list[Listed]]:
        """Return all problems, a page after the other; one act is stored for all of them. Raises NotFoundError."""
        page = await self.page(caller, incident_id, cohort_id)
        yield page.problems
        while page.following:
            async with self._context.pool.acquire() as connection:
                row = await self._store.show_cohort(connection, incident_id, cohort_id)
                if row is None:
                    return
                page = await self._read(connection, row, page.following, MOST_RECORDS)
            yield page.problems

    async def _read(self, connection: Connection, row: CohortRow, after: Cursor, records: int) -> Page:
        cohort, listed, last, left = row.cohort, list[Listed](), after, records
        incident = await self._incident(connection, cohort.incident_id)
        if last.rejected:
            rows = await self._store.list_rejected(connection, row.number, last[1:], left)
            refs = await self._refs(connection, incident, cohort.cohort_id, _wanted((r[1], r[0]) for r in rows))
            for record, _, line, fields, problems, since in rows:
                listed += of_rejected(refs.get(record, (None, 0))[0], line, fields, problems, since)
            left -= len(rows)
            last = Cursor(True, rows[-1][2], rows[-1][0]) if not left else Cursor(False, 0, b"")
        if left:
            rows = await self._store.list_unsettled(connection, row.number, last[1:], left)
            refs = await self._refs(connection, incident, cohort.cohort_id, _wanted((r[2], r[0]) for r in rows))
            held = list[Listed]()
            for member, _, _, reason, since, came_back, fields in rows:
                ref, line = refs.get(member, (None, None))
                held += of_unsettled(ref, line, reason, since)
                held += of_unprinted(ref, line, fields, came_back)
            listed += sorted(held, key=lambda one: one.line or 0)
            left -= len(rows)
            last = Cursor(False, rows[-1][1], rows[-1][0]) if not left else last
        return Page(listed, last if not left else None)

    async def _incident(self, connection: Connection, incident_id: str) -> Incident:
        incident = await self._store.show_incident(connection, incident_id)
        if incident is None:
            raise NotFoundError("incident")
        return parse_incident(incident_id, incident.version, orjson.loads(incident.document), incident.key_versions)

    async def _refs(
        self, connection: Connection, incident: Incident, cohort_id: str, wanted: Mapping[int, Collection[bytes]]
    ) -> _Refs:
        """Return what is found of these records' memberRefs in their blocks."""
        hashes, found, numbers = self._context.hashes.of(incident), dict[bytes, tuple[str, int]](), sorted(wanted)
        ids = hashes.members(cohort_id)
        for begin in range(0, len(numbers), _BLOCKS_AT_ONCE):
            blocks = await self._store.sealed_refs(connection, numbers[begin : begin + _BLOCKS_AT_ONCE])
            for number, sealed in blocks.items():
                try:
                    refs, lines = hashes.refs.open(RefPlace(cohort_id, number), sealed)
                except InvalidTag:
                    logger.error("a block of references does not open", extra={"block": number})  # noqa: TRY400 - its traceback says nothing
                    continue
                found |= found_among(refs, lines, wanted[number], ids)
                await asyncio.sleep(0)  # a block has thousands: other requests get their turn
        return found


def _wanted(places: Iterable[tuple[int, bytes]]) -> dict[int, set[bytes]]:
    """Return the records that are looked for in each block."""
    wanted: dict[int, set[bytes]] = {}
    for block, record in places:
        wanted.setdefault(block, set()).add(record)
    return wanted
