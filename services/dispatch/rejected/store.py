"""Attempts that a provider rejected, in the database: one method a query."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg
from notification.topics import MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.core.channel import Channel
from services.dispatch.codec import decode_block
from services.dispatch.domain import Batch
from services.dispatch.rejected.decided import Waiting, WaitingAct, waiting_in_all
from services.kit.eventlog import read_heads
from services.kit.postgres import Connection, Queries

__all__ = ["RejectedBatch", "RejectedOfIncident", "RejectedStore"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_AT_ONCE = 1024  # batches of a look over all of them
_WRITER = "intake"  # the source of members


class RejectedBatch(NamedTuple):
    """A rejected batch; the act that it waits for since when, and after which of intake's blocks, if there is one."""

    batch: Batch
    decided_at: datetime | None
    after: Sequence[int]


class RejectedOfIncident(NamedTuple):
    """How many notices of an incident nobody decided about, since when the first was rejected, and what waits."""

    incident_id: str
    notices: int
    since: datetime
    decided: Waiting | None

    def joined(self, other: "RejectedOfIncident") -> "RejectedOfIncident":
        """Return both together."""
        decided = waiting_in_all(filter(None, (self.decided, other.decided)))
        since = min(self.since, other.since)
        return RejectedOfIncident(self.incident_id, self.notices + other.notices, since, decided)


class RejectedStore:
    """Reads and writes on the connection that it is given; whoever writes owns a partition of the channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    async def page(self, connection: Connection, after: int, limit: int) -> list[RejectedBatch]:
        """Return `limit` batches at most that lie in no print file, behind the number `after`."""
        rows = await connection.fetch(_QUERIES["rejected_batches"], int(self.channel), after, limit)
        return [
            RejectedBatch(batch, row["decided_at"], row["after"] or ())
            for batch, row in zip(_batches(rows), rows, strict=True)
        ]

    async def locked(self, connection: Connection, numbers: Collection[int]) -> list[Batch]:
        """Lock those of these batches that are rejected still, and return them."""
        return _batches(await connection.fetch(_QUERIES["lock_rejected"], list(numbers)))

    async def by_incident(self, connection: Connection) -> list[RejectedOfIncident]:
        """Return how many there are of each incident."""
        found: dict[str, RejectedOfIncident] = {}
        known, after = await self.known(connection), 0
        while page := await self.page(connection, after, _AT_ONCE):
            after = page[-1].batch.number
            for here in (_of_incident(one, known) for one in page):
                before = found.get(here.incident_id)
                found[here.incident_id] = before.joined(here) if before else here
        return [found[incident_id] for incident_id in sorted(found)]

    async def called_back(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, bool]:
        """Return those of these notices that were called back, and whether that is answered."""
        rows = await connection.fetch(_QUERIES["called_back"], int(self.channel), list(notices))
        return {row["notice"]: row["answered"] for row in rows}

    async def acknowledged(self, connection: Connection, partitions: int) -> tuple[int, ...]:
        """Return the last of intake's blocks of members of each partition: all that was acknowledged is in them.

        Intake answers once they are committed, with either log, and numbers them as deduplication says them.
        """
        return await read_heads(connection, _WRITER, MEMBERS_ACCEPTED, partitions)

    async def record(
        self,
        connection: Connection,
        act: Act,
        job: str,
        notices: int,
        caller: Caller,
        *,
        after: Sequence[int],
        even_if_posted: bool = False,
    ) -> int:
        """Write down who does something about rejected attempts: those of a print job, or of `<channel>/<incident>`.

        Returns the act's number; later ones are higher.
        """
        by = caller.principal.name, caller.request_id
        about = notices, act.value, job, *by, list(after), even_if_posted
        return int(await connection.fetchval(_QUERIES["record_act"], *about))

    async def decide(self, connection: Connection, act: int, batches: Collection[Batch]) -> None:
        """Let batches that are locked wait for an act."""
        rows = [one.number for one in batches], [one.partition for one in batches]
        await connection.execute(_QUERIES["decide"], act, int(self.channel), *rows)

    async def undecided(self, connection: Connection, batches: Collection[Batch]) -> list[Batch]:
        """Return those of these batches, which are locked, that wait for no act."""
        rows = await connection.fetch(_QUERIES["which_decided"], [one.number for one in batches])
        decided = {row["batch"] for row in rows}
        return [one for one in batches if one.number not in decided]

    async def waiting_acts(self, connection: Connection, partitions: Collection[int]) -> list[WaitingAct]:
        """Return the first act that waits in each of these partitions."""
        rows = await connection.fetch(_QUERIES["waiting_acts"], int(self.channel), list(partitions))
        return [
            WaitingAct(
                row["partition"], row["number"], Act(row["act"]), row["after"] or (), row["even_if_posted"], row["at"]
            )
            for row in rows
        ]

    async def waiting_for(self, connection: Connection, one: WaitingAct, batches: int, attempts: int) -> list[int]:
        """Return the numbers of batches that wait for an act: so many at most, and about so many attempts."""
        about = int(self.channel), one.partition, one.number
        rows = await connection.fetch(_QUERIES["decided_batches"], *about, batches, attempts)
        return [row["batch"] for row in rows]

    async def forget_decided(self, connection: Connection, numbers: Collection[int]) -> None:
        """Let batches wait for no act any more."""
        await connection.execute(_QUERIES["forget_decided"], list(numbers))

    async def posted(self, connection: Connection, jobs: Collection[bytes]) -> set[bytes]:
        """Return those of these print files that were posted, as the print house says."""
        return {row["job"] for row in await connection.fetch(_QUERIES["posted"], list(jobs))}

    async def known(self, connection: Connection) -> dict[int, Sequence[int]]:
        """Return how far deduplication knows intake's blocks, as it said in each partition."""
        rows = await connection.fetch(_QUERIES["known"], int(self.channel))
        return {row["partition"]: row["up_to"] for row in rows}

    async def decided_jobs(self, connection: Connection) -> dict[str, Waiting]:
        """Return what waits of each print run."""
        rows, known = await connection.fetch(_QUERIES["decided_jobs"], int(self.channel)), await self.known(connection)
        found: defaultdict[str, list[Waiting]] = defaultdict(list)
        for row in rows:
            said = known.get(row["partition"], ())
            found[row["run"]].append(Waiting.of(row["notices"], row["at"], row["after"], said))
        return {run: waiting for run, ones in found.items() if (waiting := waiting_in_all(ones))}

    async def standing_decided(self, connection: Connection) -> tuple[int, datetime | None]:
        """Return how many attempts of the channel wait for an act, and since when the first."""
        (row,) = await connection.fetch(_QUERIES["standing_decided"], int(self.channel))
        return row["notices"], row["since"]


def _of_incident(one: RejectedBatch, known: Mapping[int, Sequence[int]]) -> RejectedOfIncident:
    batch, notices = one.batch, len(one.batch.notices)
    incident_id, said = batch.notices.incident_id, known.get(batch.partition, ())
    if one.decided_at is None:
        return RejectedOfIncident(incident_id, notices, batch.since, None)
    return RejectedOfIncident(incident_id, 0, batch.since, Waiting.of(notices, one.decided_at, one.after, said))


def _batches(rows: Iterable[asyncpg.Record]) -> list[Batch]:
    return [
        Batch(row["batch"], row["partition"], decode_block(row["block"]), row["tries"], row["at"], row.get("job"))
        for row in rows
    ]
