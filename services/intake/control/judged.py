"""What operators said of records, listed: for operators, and for the sources of the records."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

import asyncpg

from services.core.incident import Incident
from services.intake.context import Context
from services.intake.control.refs import Refs, refs_of
from services.intake.identities.rows import IdentityRows
from services.kit.postgres import Connection

__all__ = ["Judged"]

_AT_ONCE: Final = 20  # each record may have its memberRef in a block of its own


class Judged:
    """Lists judgements, a page at a time."""

    def __init__(self, context: Context) -> None:
        self._context, self._rows = context, IdentityRows()

    async def page(
        self, connection: Connection, incident: Incident, after: int, sources: Sequence[str] | None
    ) -> dict[str, Any]:
        """Return the judgements past the one of this number as JSON.

        With `sources` those that a record of theirs is in, of these their own records, and not who decided by what.
        """
        rows = await self._rows.list_judgements(connection, incident.incident_id, after, sources, _AT_ONCE)
        judged = await self._rows.list_judged(connection, [row["number"] for row in rows])
        shown = [one for one in judged if sources is None or one["source"] in sources]
        refs = await refs_of(self._context, connection, incident, shown)
        records = {number: list(theirs) for number, theirs in groupby(shown, itemgetter("judgement"))}
        counts = {number: len(list(theirs)) for number, theirs in groupby(judged, itemgetter("judgement"))}
        return {
            "judgements": [
                _judgement(row, records[row["number"]], refs, by=sources is None)
                | {"others": counts[row["number"]] - len(records[row["number"]])}
                for row in rows
            ],
            "nextJudgement": rows[-1]["number"] if len(rows) == _AT_ONCE else None,
        }


def _judgement(row: asyncpg.Record, records: list[asyncpg.Record], refs: Refs, *, by: bool) -> dict[str, Any]:
    undone = row["undone_at"]
    shown = {
        "judgement": row["number"],
        "people": row["people"],
        "decidedAt": row["decided_at"].isoformat(),
        "undoneAt": undone.isoformat() if undone else None,
        "records": [
            {
                "cohortId": one["cohort_id"],
                "source": one["source"],
                "record": one["member"].hex(),
                "version": one["version"],
                "memberRef": refs.get(one["member"], (None, None))[0],
                "holds": one["still"] and undone is None,
            }
            for one in records
        ],
    }
    if by:
        names = {"evidence": "evidence", "reference": "reference", "decidedBy": "decided_by", "undoneBy": "undone_by"}
        shown |= {name: row[column] for name, column in names.items()}
    return shown
