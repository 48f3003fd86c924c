"""The figures of the ledger beside the rows that they count.

Every room counts by moving totals in the transaction of what it counts, and nothing counts rows: this alone does. A
room is asked about its own rows and its own figures. What is on the way from one room to another is no difference.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

import asyncpg

from services.core.ledger import COUNTERS
from services.core.synthetic import is_synthetic
from services.deduplication.store import Store as DeduplicationStore
from services.dispatch.store import Store as DispatchStore
from services.intake.store import Store as IntakeStore
from services.kit.postgres import Connection
from services.kit.stage import sum_totals
from services.tracking.store import Store as TrackingStore

__all__ = ["ROOMS", "Recount", "recount"]


class Recount(NamedTuple):
    """One figure of one cohort, as its room counted it and as its rows say."""

    scope: str  # "incident/cohort"
    room: str
    figure: str
    counted: int
    rows: int

    @property
    def agrees(self) -> bool:
        """Tell whether both are the same."""
        return self.counted == self.rows

    def __str__(self) -> str:
        return f"{self.scope}: {self.room} counted {self.counted} {self.figure}, and has rows of {self.rows}"


class _Store(Protocol):
    async def recount(self, connection: Connection, incident_id: str | None) -> Mapping[str, Mapping[str, int]]:
        """Return what the room's rows come to: scope -> figure -> count."""
        ...


# Every room that counts, with the store that knows its rows.
ROOMS: Final[Mapping[str, _Store]] = {
    "intake": IntakeStore(),
    "deduplication": DeduplicationStore(),
    "dispatch": DispatchStore,
    "tracking": TrackingStore(),
}


async def recount(owner: str, incident_id: str | None = None) -> list[Recount]:
    """Count the rows behind every figure of an incident, or of all, as the database's owner; by cohort and room.

    All is read in one snapshot, in which figures and rows were committed together: it holds while people are told.
    """
    connection = await asyncpg.connect(owner, server_settings={"application_name": "heraut-recount"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = [one for room in ROOMS for one in await _recounted(connection, room, incident_id)]
    finally:
        await connection.close()
    return sorted(found, key=lambda one: one.scope)  # stable: rooms and figures stay in their order


async def _recounted(connection: Connection, room: str, incident_id: str | None) -> Iterable[Recount]:
    await connection.execute("select set_config('search_path', $1, true)", room)
    counted = await sum_totals(connection, f"{incident_id}/" if incident_id else "", COUNTERS[room])
    rows = await ROOMS[room].recount(connection, incident_id)
    return [
        Recount(scope, room, figure, counted.get(scope, {}).get(figure, 0), rows.get(scope, {}).get(figure, 0))
        for scope in counted.keys() | rows.keys()
        if not is_synthetic(scope.partition("/")[0])  # rows of nobody go as soon as they arrived
        for figure in COUNTERS[room]
    ]
