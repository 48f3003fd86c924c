"""Records that contradict each other, those of one identity together, and what was said of them, for those who see it.

Operators see all, sources what a record of theirs is in.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import asyncpg

from services.core.access import Act, Caller
from services.core.incident import Incident
from services.intake.context import Context
from services.intake.control.judged import Judged
from services.intake.control.listing import as_json, of_unsettled
from services.intake.control.refs import Refs, find_incident, refs_of
from services.intake.domain import DoneAct
from services.intake.identities.rows import IdentityRows
from services.kit.postgres import Connection

__all__ = ["Conflicts"]

# Each record may have its memberRef in a block of its own, and a block takes some tens of milliseconds to open.
_AT_ONCE: Final = 20
_RECORDS_OF_EACH: Final = 10


class Conflicts:
    """Lists what contradicts, a page at a time."""

    def __init__(self, context: Context) -> None:
        self._context, self._rows, self._judged = context, IdentityRows(), Judged(context)

    async def page(
        self, caller: Caller, incident_id: str, conflict: bytes | None, judgement: int | None
    ) -> dict[str, Any]:
        """Return conflicts and judgements past these as JSON, None = no such, and store who was shown them.

        A caller who is bound to sources is shown those that a record of theirs is in, and of these their own records.
        Raises NotFoundError.
        """
        sources = sorted(caller.principal.sources) if caller.principal.is_bound(Act.IDENTITIES_SHOWN) else None
        async with self._context.pool.acquire() as connection, connection.transaction():
            incident = await find_incident(self._context, connection, incident_id)
            caller.incident_id = incident_id
            act = DoneAct(
                caller.principal.name, Act.IDENTITIES_SHOWN.value, incident_id, None, None, None, caller.request_id
            )
            await self._context.store.record_acts(connection, [act], self._context.clock.now())
            shown = {}
            if conflict is not None:
                shown = await self._conflicts(connection, incident, conflict, sources)
            if judgement is not None:
                shown |= await self._judged.page(connection, incident, judgement, sources)
        return shown

    async def _conflicts(
        self, connection: Connection, incident: Incident, after: bytes, sources: Sequence[str] | None
    ) -> dict[str, Any]:
        named = await self._rows.list_conflicts(connection, incident.incident_id, after, sources, _AT_ONCE)
        rows = await self._rows.list_conflicting(connection, incident.incident_id, named, sources, _RECORDS_OF_EACH)
        refs = await refs_of(self._context, connection, incident, rows)
        conflicts = [_conflict(one, list(theirs), refs) for one, theirs in groupby(rows, itemgetter("conflict"))]
        return {"conflicts": conflicts, "nextConflict": named[-1].hex() if len(named) == _AT_ONCE else None}


def _conflict(name: bytes, rows: Sequence[asyncpg.Record], refs: Refs) -> dict[str, Any]:
    """Return one conflict as JSON. Those of its records that are not shown are counted."""
    records = []
    for row in rows:
        ref, line = refs.get(row["member"], (None, None))
        whose = {"cohortId": row["cohort_id"], "source": row["source"], "record": row["member"].hex()}
        whose["version"] = row["version"]
        records += [whose | shown for shown in as_json(of_unsettled(ref, line, row["reason"], row["since"]))]
    return {"conflict": name.hex(), "records": records, "others": rows[0]["records"] - len(rows)}
