"""Dispatch's tables: one method a named query, a batch in and a batch out."""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from services.core.channel import Channel
from services.core.ids import ID_BYTES
from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.codec import decode_block, encode_block
from services.dispatch.domain import Batch, Fate, Key, Round, Settled, Taken, part_ways, staying
from services.kit.postgres import Connection, Queries, binary_copy

__all__ = ["Store"]


# A row of `attempts` in COPY's binary format, sizes before values: notice, attempt, batch.
_ATTEMPT = struct.Struct(f">hi{ID_BYTES}sihiq")
_BATCHES = ("batch", "at", "due", "partition", "count", "channel", "state", "tries", "block")


class Store:
    """Reads and writes the batches of one channel, on the connection that it is given."""

    def __init__(self, channel: Channel) -> None:
        self._channel = int(channel)
        self._queries = Queries.load(Path(__file__).with_name("queries.sql"))

    async def take(self, db: Connection, batches: Sequence[Taken], now: datetime, due: datetime) -> None:
        """Queue attempts, batch by batch. One that is there already stays as it is, and where it is."""
        numbered = list(zip(await self._numbers(db, len(batches)), batches, strict=True))
        # In the order of their keys rows find their places in the index next to each other.
        rows = sorted(row for number, batch in numbered for row in _packed(number, batch.notices))
        try:
            async with db.transaction():  # a savepoint: COPY knows no `on conflict`, and nearly never needs it
                columns = ("notice", "attempt", "batch")
                await db.copy_to_table("attempts", source=binary_copy(rows), columns=columns, format="binary")
        except asyncpg.UniqueViolationError:
            numbered = await self._only_new(db, numbered)
        records = [
            (number, now, due, batch.partition, len(batch.notices), self._channel, 0, 0, batch.block)
            for number, batch in numbered
        ]
        await db.copy_records_to_table("batches", records=records, columns=list(_BATCHES))

    async def _numbers(self, db: Connection, count: int) -> list[int]:
        return [row[0] for row in await db.fetch(self._queries["next_numbers"], count)]

    async def _only_new(self, db: Connection, numbered: Iterable[tuple[int, Taken]]) -> list[tuple[int, Taken]]:
        """Take attempts some of which are there already; returns the batches with what was new."""
        keys = [
            (number, attempt, notice)
            for number, batch in numbered
            for notice, attempt in zip(batch.notices.ids, batch.notices.attempts, strict=True)
        ]
        added = await db.fetch(self._queries["add_attempts"], *map(list, zip(*keys, strict=True)))
        fresh: defaultdict[int, set[Key]] = defaultdict(set)
        for batch, attempt, notice in added:
            fresh[batch].add((notice, attempt))
        found = ((number, _less(batch, fresh[number])) for number, batch in numbered)
        return [(number, batch) for number, batch in found if batch.notices]

    async def partitions_due(self, db: Connection, partitions: Collection[int], now: datetime) -> list[int]:
        """Return those of the partitions that have a batch whose turn has come."""
        rows = await db.fetch(self._queries["partitions_due"], self._channel, list(partitions), now)
        return [row["partition"] for row in rows]

    async def queue(self, db: Connection, partition: int, now: datetime, limit: int) -> list[Batch]:
        """Return batches whose turn it is, the longest waiting first: one, or more with `limit` attempts at most."""
        return _batches(await db.fetch(self._queries["queue"], self._channel, partition, now, limit))

    async def open_intents(self, db: Connection, partition: int, now: datetime) -> list[Batch]:
        """Return what was begun, is not settled and need not wait any longer."""
        return _batches(await db.fetch(self._queries["open_intents"], self._channel, partition, now))

    async def overdue_unknowns(
        self, db: Connection, partitions: Sequence[int], since: datetime, limit: int
    ) -> list[Batch]:
        """Return `limit` batches at most that have been unknown since `since` or longer."""
        rows = await db.fetch(self._queries["overdue_unknowns"], self._channel, list(partitions), since, limit)
        return _batches(rows)

    async def intend(self, db: Connection, rounds: Sequence[Round], now: datetime) -> None:
        """Write down that the hand-over of these rounds is about to begin."""
        begun = [(number, one.batch) for one in rounds for number in one.numbers]
        await db.execute(self._queries["intend"], [number for number, _ in begun], [job for _, job in begun], now)

    async def settle(self, db: Connection, one: Round, ended: Sequence[Settled], now: datetime) -> list[int]:
        """Write down how a round's hand-overs ended; returns the rows that this settled, and not somebody else."""
        stored = {row["batch"]: row for row in await db.fetch(self._queries["lock_batches"], one.numbers)}
        done: list[int] = []
        alike: list[tuple[int, Fate]] = []
        for number, rows in one.rows():
            row = stored.get(number)
            if row is None or row["count"] != len(rows):
                continue  # somebody split it meanwhile, who then also sees to what is left of it
            fates = part_ways(AttemptState(row["state"]), ended[rows.start : rows.stop])
            done += [rows.start + at for fate, ats in fates.items() if fate for at in ats]
            stays = staying(fates)
            if len(fates) > 1:
                await self._split(db, row, one.notices.pick(list(rows)), fates, now)
            if stays:
                alike.append((number, stays))
        if alike:
            await self._move(db, alike, now)
        return sorted(done)

    async def _move(self, db: Connection, alike: Sequence[tuple[int, Fate]], now: datetime) -> None:
        await db.execute(
            self._queries["settle"],
            [number for number, _ in alike],
            [int(fate.state) for _, fate in alike],
            [fate.tries for _, fate in alike],
            [now + timedelta(seconds=fate.wait) for _, fate in alike],
            now,
        )

    async def _split(
        self, db: Connection, row: asyncpg.Record, notices: Notices, fates: dict[Fate | None, list[int]], now: datetime
    ) -> None:
        """Return each fate but the one that stays a batch of its own."""
        stays = staying(fates)
        leaving = [(fate, notices.pick(ats)) for fate, ats in fates.items() if fate and fate != stays]
        for number, (fate, part) in zip(await self._numbers(db, len(leaving)), leaving, strict=True):
            begun = fate.state is AttemptState.INTENT
            await db.execute(
                self._queries["split_off"], number, row["at"] if begun else now, now + timedelta(seconds=fate.wait),
                row["partition"], len(part), row["channel"], int(fate.state), fate.tries,
                None if fate.state is AttemptState.TAKEN else row["job"], encode_block(part),
            )  # fmt: skip
            await db.execute(self._queries["move_attempts"], number, part.ids, part.attempts)
        left = notices.pick(fates[stays])
        await db.execute(self._queries["shrink"], row["batch"], len(left), encode_block(left))


def _packed(number: int, notices: Notices) -> list[bytes]:
    pack = _ATTEMPT.pack
    return [
        pack(3, ID_BYTES, notice, 2, attempt, 8, number)
        for notice, attempt in zip(notices.ids, notices.attempts, strict=True)
    ]


def _less(batch: Taken, fresh: set[Key]) -> Taken:
    """Return a batch with what is `fresh` alone, each once."""
    rows = []
    for row, key in enumerate(zip(batch.notices.ids, batch.notices.attempts, strict=True)):
        if key in fresh:
            fresh.remove(key)
            rows.append(row)
    if len(rows) == len(batch.notices):
        return batch
    notices = batch.notices.pick(rows)
    return Taken(batch.partition, notices, encode_block(notices))


def _batches(rows: Iterable[asyncpg.Record]) -> list[Batch]:
    return [
        Batch(row["batch"], row["partition"], decode_block(row["block"]), row["tries"], row["at"], row["job"])
        for row in rows
    ]
