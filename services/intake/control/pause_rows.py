"""Who paused incidents and cohorts: one method a named query of intake's."""

from pathlib import Path

import asyncpg

from services.intake.store import CohortRow
from services.kit.postgres import Connection, Queries

__all__ = ["PauseRows"]

_QUERIES = Queries.load(Path(__file__).parents[1] / "queries.sql")


class PauseRows:
    """Reads and writes them on the connection that it is given."""

    async def lock_incident(self, connection: Connection, incident_id: str) -> asyncpg.Record | None:
        """Keep an incident from being changed, and its cohorts from being opened, released and resumed.

        Returns its version and who paused it, None where it is not known.
        """
        return await connection.fetchrow(_QUERIES["lock_known_incident"], incident_id)

    async def paused_by(self, connection: Connection, incident_id: str) -> str | None:
        """Return who paused an incident."""
        found: str | None = await connection.fetchval(_QUERIES["paused_by"], incident_id)
        return found

    async def pause_incident(self, connection: Connection, incident_id: str, paused_by: str | None) -> None:
        """Note who paused an incident; None = nobody any more."""
        await connection.execute(_QUERIES["pause_incident"], incident_id, paused_by)

    async def note_pause(self, connection: Connection, row: CohortRow) -> None:
        """Write who paused a cohort, its incident aside, and what a stop rule found."""
        given = row.cohort.incident_id, row.cohort.cohort_id, row.paused_by, row.stopped
        await connection.execute(_QUERIES["note_pause"], *given)
