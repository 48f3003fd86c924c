"""Attempts that a provider rejected, in the database: one method a query."""

from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg

from services.core.access import Act, Caller
from services.core.channel import Channel
from services.dispatch.codec import decode_block
from services.dispatch.domain import Batch
from services.kit.postgres import Connection, Queries

__all__ = ["RejectedOfIncident", "RejectedStore"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_AT_ONCE = 1024  # batches of a look over all of them


class RejectedOfIncident(NamedTuple):
    """How many notices of an incident nobody decided about, and since when the first."""

    incident_id: str
    notices: int
    since: datetime


class RejectedStore:
    """Reads and writes on the connection that it is given; whoever writes owns a partition of the channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def page(self, connection: Connection, after: int, limit: int) -> list[Batch]:
        """Return `limit` batches at most that lie in no print file, behind the number `after`."""
        return _batches(await connection.fetch(_QUERIES["rejected_batches"], int(self.channel), after, limit))

    async def locked(self, connection: Connection, after: int, limit: int) -> list[Batch]:
        """Lock such a page, and return it."""
        return _batches(await connection.fetch(_QUERIES["lock_rejected"], int(self.channel), after, limit))

    async def by_incident(self, connection: Connection) -> list[RejectedOfIncident]:
        """Return how many there are of each incident."""
        found: dict[str, RejectedOfIncident] = {}
        after = 0
        while batches := await self.page(connection, after, _AT_ONCE):
            after = batches[-1].number
            for one in batches:
                incident_id = one.notices.incident_id
                known = found.get(incident_id, RejectedOfIncident(incident_id, 0, one.since))
                since = min(known.since, one.since)
                found[incident_id] = RejectedOfIncident(incident_id, known.notices + len(one.notices), since)
        return sorted(found.values())

    async def called_back(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, bool]:
        """Return those of these notices that were called back, and whether that is answered."""
        rows = await connection.fetch(_QUERIES["called_back"], int(self.channel), list(notices))
        return {row["notice"]: row["answered"] for row in rows}

    async def record(self, connection: Connection, act: Act, job: str, notices: int, caller: Caller) -> None:
        """Write down who did something about rejected attempts: those of a print job, or of `<channel>/<incident>`."""
        by = caller.principal.name, caller.request_id
        await connection.execute(_QUERIES["record_act"], notices, act.value, job, *by)


def _batches(rows: Iterable[asyncpg.Record]) -> list[Batch]:
    return [Batch(row["batch"], row["partition"], decode_block(row["block"]), row["tries"], row["at"]) for row in rows]
