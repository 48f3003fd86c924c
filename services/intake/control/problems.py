"""The problems of a cohort's records: who is rejected, held or told apart, and why, by the source's own memberRefs."""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from services.core.access import Act, Caller
from services.intake.context import Context
from services.intake.control.cohorts import Cohorts
from services.intake.control.listing import START, Cursor, Listed, of_rejected, of_unprinted, of_unsettled
from services.intake.control.refs import find_incident, read_refs, wanted_refs
from services.intake.domain import DoneAct
from services.intake.store import CohortRow
from services.kit.postgres import Connection

__all__ = ["MOST_RECORDS", "Page", "Problems"]

MOST_RECORDS: Final = 1_000  # of a page: about two blocks of references, a tenth of a second


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
        incident = await find_incident(self._context, connection, cohort.incident_id)
        if last.rejected:
            rows = await self._store.list_rejected(connection, row.number, last[1:], left)
            wanted = wanted_refs((r[1], r[0]) for r in rows)
            refs = await read_refs(self._context, connection, incident, cohort.cohort_id, wanted)
            for record, _, line, fields, problems, since in rows:
                listed += of_rejected(refs.get(record, (None, 0))[0], line, fields, problems, since)
            left -= len(rows)
            last = Cursor(True, rows[-1][2], rows[-1][0]) if not left else Cursor(False, 0, b"")
        if left:
            rows = await self._store.list_unsettled(connection, row.number, last[1:], left)
            wanted = wanted_refs((r[2], r[0]) for r in rows)
            refs = await read_refs(self._context, connection, incident, cohort.cohort_id, wanted)
            held = list[Listed]()
            for member, _, _, reason, since, came_back, fields, why in rows:
                ref, line = refs.get(member, (None, None))
                held += of_unsettled(ref, line, reason, since)
                held += of_unprinted(ref, line, fields, came_back, why)
            listed += sorted(held, key=lambda one: one.line or 0)
            left -= len(rows)
            last = Cursor(False, rows[-1][1], rows[-1][0]) if not left else last
        return Page(listed, last if not left else None)
