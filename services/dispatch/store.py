"""Dispatch's table of attempts: one method a named query, a batch in and a batch out."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from services.core.channel import Channel
from services.core.notices import Notices
from services.dispatch.domain import Key, OpenRows, Round, Settled
from services.kit.postgres import Queries

__all__ = ["Store"]

# Quoted: asyncpg's classes are generic for the type checker only.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

# Columns of `attempts` that are columns of Notices, under their names there.
_NOTICES = {
    "ids": "notice",
    "members": "member",
    "versions": "member_version",
    "pseudonyms": "pseudonym",
    "revisions": "revision",
    "supersedes": "supersedes",
    "exposed": "exposed",
    "confirmed": "confirmed",
    "told_exposed": "told_exposed",
    "told_confirmed": "told_confirmed",
    "channels": "channels",
    "flags": "flags",
    "languages": "language",
    "cohorts": "cohort_id",
    "accepted_at": "accepted_at",
    "attempts": "attempt",
    "tried": "tried",
}
_COPIED = (*_NOTICES.values(), "incident_id", "incident_version", "partition", "channel", "state", "tries", "at", "due")


class Store:
    """Reads and writes the attempts of one channel, on the connection that it is given."""

    def __init__(self, channel: Channel) -> None:
        self._channel = int(channel)
        self._queries = Queries.load(Path(__file__).with_name("queries.sql"))

    async def take(self, db: Connection, blocks: Sequence[tuple[int, Notices]], now: datetime, due: datetime) -> None:
        """Queue the attempts of (partition, notices). One that is there already stays as it is."""
        try:
            async with db.transaction():  # a savepoint: COPY knows no `on conflict`, and nearly never needs it
                records = [row for partition, notices in blocks for row in self._rows(partition, notices, now, due)]
                await db.copy_records_to_table("attempts", records=records, columns=list(_COPIED))
        except asyncpg.UniqueViolationError:
            for partition, notices in blocks:
                await self._add(db, partition, notices, now, due)

    def _rows(self, partition: int, notices: Notices, now: datetime, due: datetime) -> Iterable[tuple[Any, ...]]:
        own = (notices.incident_id, notices.incident_version, partition, self._channel, 0, 0, now, due)
        columns = [getattr(notices, name) for name in _NOTICES]
        return (row + own for row in zip(*columns, strict=True))

    async def _add(self, db: Connection, partition: int, notices: Notices, now: datetime, due: datetime) -> None:
        n, count = notices, len(notices)
        await db.execute(
            self._queries["add_attempts"],
            n.ids, n.accepted_at, n.exposed, n.confirmed, n.told_exposed, n.told_confirmed,
            [n.incident_version] * count, n.versions, n.revisions, [partition] * count, n.attempts, n.channels,
            n.tried, n.flags, n.members, n.pseudonyms, n.supersedes, [n.incident_id] * count, n.cohorts,
            now, due, self._channel, n.languages,
        )  # fmt: skip

    async def partitions_due(self, db: Connection, partitions: Collection[int], now: datetime) -> list[int]:
        """Give those of the partitions that have an attempt whose turn has come."""
        rows = await db.fetch(self._queries["partitions_due"], self._channel, list(partitions), now)
        return [row["partition"] for row in rows]

    async def queue(self, db: Connection, partition: int, now: datetime, limit: int) -> list[OpenRows]:
        """Give attempts whose turn it is, the longest waiting first, by incident version."""
        return _grouped(await db.fetch(self._queries["queue"], self._channel, partition, now, limit))

    async def open_intents(self, db: Connection, partition: int, now: datetime) -> list[OpenRows]:
        """Give what was begun, is not settled and need not wait any longer, by incident version."""
        return _grouped(await db.fetch(self._queries["open_intents"], self._channel, partition, now))

    async def overdue_unknowns(
        self, db: Connection, partitions: Sequence[int], since: datetime, limit: int
    ) -> list[OpenRows]:
        """Give attempts that have been unknown since `since` or longer, by incident version."""
        rows = await db.fetch(self._queries["overdue_unknowns"], self._channel, list(partitions), since, limit)
        return _grouped(rows)

    async def intend(self, db: Connection, rounds: Sequence[Round], now: datetime) -> None:
        """Write down that the hand-over of these rounds is about to begin."""
        keys = [(key, one.batch) for one in rounds for key in one.keys]
        await db.execute(
            self._queries["intend"],
            [notice for (notice, _), _ in keys],
            [attempt for (_, attempt), _ in keys],
            [batch for _, batch in keys],
            now,
        )

    async def settle(self, db: Connection, keys: Sequence[Key], ended: Sequence[Settled], now: datetime) -> set[Key]:
        """Write down how hand-overs ended; gives the attempts that this settled, and not somebody else."""
        rows = await db.fetch(
            self._queries["settle"],
            [notice for notice, _ in keys],
            [attempt for _, attempt in keys],
            [int(one.state) for one in ended],
            [one.tries for one in ended],
            [now + timedelta(seconds=one.wait) for one in ended],
            now,
        )
        return {(row["notice"], row["attempt"]) for row in rows}


def _grouped(rows: Sequence[asyncpg.Record]) -> list[OpenRows]:
    """Turn rows into columns, those of an incident version together, in the order they came in."""
    groups: dict[tuple[str, int], list[asyncpg.Record]] = {}
    for row in rows:
        groups.setdefault((row["incident_id"], row["incident_version"]), []).append(row)
    return [_columns(incident_id, version, group) for (incident_id, version), group in groups.items()]


def _columns(incident_id: str, version: int, rows: Sequence[asyncpg.Record]) -> OpenRows:
    notices = Notices(incident_id, version, **{ours: [row[name] for row in rows] for ours, name in _NOTICES.items()})
    return OpenRows(
        notices,
        tries=[row["tries"] for row in rows],
        batches=[row["batch"] for row in rows],
        since=[row["at"] for row in rows],
        partitions=[row["partition"] for row in rows],
    )
