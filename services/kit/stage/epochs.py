"""Who owns a partition now: the epoch that every transaction compares before it writes.

A take-over begins a new epoch. A transaction first reads its epochs `for key share`; a take-over, which locks the
rows `for update`, waits for such transactions or ends them. Renewing a lease waits for neither.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import asyncpg

from services.kit.errors import LostOwnershipError
from services.kit.postgres import Connection, Pool, Queries

__all__ = ["LostEpochsError", "epochs_of_rows", "fence", "take_epochs"]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

# How long a take-over waits for transactions of the owner before. Those are batches, which take milliseconds. One that
# takes longer than this belongs to an owner whose lease ran out, and is ended.
_PATIENCE_SECONDS = 1.0
_FORCE_SECONDS = 10.0
_FORCE_POLL_SECONDS = 0.05


class LostEpochsError(LostOwnershipError):
    """Partitions have a newer owner. `epochs` are those of ours that are not the newest any more."""

    def __init__(self, stage: str, epochs: Mapping[int, int]) -> None:
        super().__init__(f"{stage}: partitions {sorted(epochs)} have a newer owner")
        self.epochs = epochs


async def fence(connection: Connection, stage: str, epochs: Mapping[int, int]) -> None:
    """Prove, as the first statement of a transaction, that these partitions are ours until it ends.

    Raises LostEpochsError where one has moved.
    """
    rows = await connection.fetch(_QUERIES["fence"], stage, list(epochs))
    found = epochs_of_rows(rows)
    if found != epochs:
        raise LostEpochsError(stage, {p: epoch for p, epoch in epochs.items() if found.get(p) != epoch})


async def take_epochs(pool: Pool, stage: str, holder: str, partitions: Sequence[int]) -> dict[int, int]:
    """Begin a new epoch of each partition whose lease is ours; returns those whose lease still was, and their epochs.

    When it returns, no transaction of an earlier epoch can commit any more. A paused owner's session that holds
    a row is ended: a time-out of its own would not end a COPY that waits for its client.
    """
    try:
        async with pool.acquire() as connection:
            return await _bump(connection, stage, holder, partitions, _PATIENCE_SECONDS)
    except asyncpg.LockNotAvailableError:
        return await _take_by_force(pool, stage, holder, partitions)


async def _bump(
    connection: Connection, stage: str, holder: str, partitions: Sequence[int], patience: float
) -> dict[int, int]:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(_QUERIES["set_lock_timeout"], f"{int(patience * 1000)}ms")
        await connection.execute(_QUERIES["lock_owners"], stage, list(partitions))
        rows = await connection.fetch(_QUERIES["next_epoch"], stage, holder, list(partitions))
    return epochs_of_rows(rows)


async def _take_by_force(pool: Pool, stage: str, holder: str, partitions: Sequence[int]) -> dict[int, int]:
    async with pool.acquire() as waiting, pool.acquire() as forcing:
        taking = asyncio.create_task(_bump(waiting, stage, holder, partitions, _FORCE_SECONDS))
        pid = waiting.get_server_pid()
        try:
            while not taking.done():
                await _end_blockers(forcing, pid)
                await asyncio.wait({taking}, timeout=_FORCE_POLL_SECONDS)
            return await taking
        finally:
            taking.cancel()


async def _end_blockers(connection: Connection, pid: int) -> None:
    async with connection.transaction():
        # A session belongs to the user that logged in. Only that user, not the role taken on, may end it.
        await connection.execute("set local role none")
        await connection.execute(_QUERIES["end_blockers"], pid)


def epochs_of_rows(rows: Iterable[asyncpg.Record]) -> dict[int, int]:
    """Return partition -> epoch."""
    return {row["partition"]: row["epoch"] for row in rows}
