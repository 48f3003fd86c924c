"""Changes of incidents' documents that somebody asked for, as rows: one method a named query of intake's."""

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from services.intake.control.four_eyes import AskedChange
from services.intake.control.reissuing import WAITING
from services.kit.postgres import Connection, Queries

__all__ = ["AskedChanges", "asked_json"]

_QUERIES: Final = Queries.load(Path(__file__).parents[1] / "queries.sql")


class AskedChanges:
    """Reads and writes them on the connection that it is given. Of an incident, the last one is kept.

    Whoever writes one has the incident's row locked.
    """

    async def find(self, connection: Connection, incident_id: str) -> AskedChange | None:
        """Return what was asked for last."""
        row = await connection.fetchrow(_QUERIES["asked_change"], incident_id)
        return AskedChange(*row) if row else None

    async def ask(self, connection: Connection, incident_id: str, change: AskedChange, now: datetime) -> None:
        """Note what is asked for, in place of what was before."""
        given = change.number, change.version, change.document, change.reissue, change.asked_by
        await connection.execute(_QUERIES["ask_change"], incident_id, now, *given)

    async def approve(self, connection: Connection, incident_id: str, approved_by: str) -> None:
        """Note who approved it."""
        await connection.execute(_QUERIES["approve_change"], incident_id, approved_by)


def asked_json(change: AskedChange | None, version: int) -> dict[str, Any]:
    """Return who changed a document where that took two, and what waits for an approval, as JSON of an incident."""
    asked = None
    if change and change.waits(version):
        reissue = WAITING if change.reissue else None
        asked = {"number": change.number, "reissue": reissue, "document": orjson.loads(change.document)}
    return {
        "changeAskedBy": change and change.asked_by,
        "changeApprovedBy": change and change.approved_by,
        "changeAsked": asked,
    }
