"""Who owns which partitions: leases on the database's clock, and the epoch that every transaction compares.

One row per (stage, partition) covers all input topics of that partition. A lease says who may take a partition
over; the epoch says who did. Whoever writes first reads the epoch `for key share`: a take-over, which locks the
row `for update`, waits for those transactions or ends them, while renewing a lease stands in nobody's way.
"""

import asyncio
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from services.kit.errors import LostOwnershipError
from services.kit.postgres import Connection, Pool, Queries

__all__ = ["Holding", "Lease", "Leases", "LostEpochsError", "Shares", "fair_share", "fence", "shares", "take_epochs"]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

# How long a take-over waits for transactions of the owner before. Theirs are batches, most take milliseconds; one
# that takes longer than this belongs to an owner whose lease ran out, and is ended.
_PATIENCE_SECONDS = 1.0
_FORCE_SECONDS = 10.0
_FORCE_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Lease:
    """One partition's row, as the database's clock sees it."""

    partition: int
    holder: str | None
    live: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class Shares:
    """What a replica should do about its partitions now."""

    acquire: tuple[int, ...]
    release: tuple[int, ...]


def fair_share(partitions: int, replicas: int) -> int:
    """Return how many partitions a replica may hold: the same for all, rounded up."""
    return -(-partitions // max(1, replicas))


def shares(leases: Sequence[Lease], holder: str, replicas: int) -> Shares:
    """Decide which partitions to take and which to give away. Nobody holds more than a fair share for long."""
    share = fair_share(len(leases), replicas)
    mine = sorted(lease.partition for lease in leases if lease.live and lease.holder == holder)
    free = sorted(lease.partition for lease in leases if not lease.live)
    return Shares(acquire=tuple(free[: max(0, share - len(mine))]), release=tuple(mine[share:]))


class LostEpochsError(LostOwnershipError):
    """Partitions have a newer owner. `epochs` is what we thought they had."""

    def __init__(self, stage: str, epochs: Mapping[int, int]) -> None:
        super().__init__(f"{stage}: partitions {sorted(epochs)} have a newer owner")
        self.epochs = epochs


def new_holder() -> str:
    """Name this process: readable for people, different at every start."""
    return f"{socket.gethostname()}-{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What the database says after a round: our partitions with their epochs, and those to give away."""

    epochs: Mapping[int, int]
    surplus: frozenset[int]
    short: bool  # others were faster than us: worth another look soon


class Leases:
    """This process's leases on the partitions of one stage."""

    def __init__(self, pool: Pool, stage: str, partitions: int, seconds: float) -> None:
        self._pool = pool
        self._stage = stage
        self._partitions = partitions
        self._seconds = seconds
        self.holder = new_holder()

    async def open(self) -> None:
        """Make the rows that are missing."""
        async with self._pool.acquire() as connection:
            await connection.execute(_QUERIES["open_owners"], self._stage, self._partitions)

    async def refresh(self, *, acquire: bool = True) -> Holding:
        """Renew what is ours and, if asked, take what is free up to our share; returns how things stand then.

        Waits for no transaction's locks: those that compare epochs stand in nobody's way here.
        """
        async with self._pool.acquire() as connection:
            renewed = await connection.fetch(_QUERIES["renew"], self._stage, self.holder, self._seconds)
            replicas = await connection.fetchval(_QUERIES["be_seen"], self._stage, self.holder, self._seconds)
            rows = await connection.fetch(_QUERIES["leases"], self._stage, self._partitions)
            plan = shares([Lease(*row) for row in rows], self.holder, replicas)
            acquired: Sequence[asyncpg.Record] = ()
            if acquire and plan.acquire:
                acquired = await connection.fetch(
                    _QUERIES["acquire"], self._stage, self.holder, self._seconds, list(plan.acquire)
                )
        return Holding(
            epochs=_epochs((*renewed, *acquired)),
            surplus=frozenset(plan.release),
            short=acquire and len(acquired) < len(plan.acquire),
        )

    async def release(self, partitions: Sequence[int]) -> None:
        """Return partitions away, so that the next owner need not wait."""
        async with self._pool.acquire() as connection:
            await connection.execute(_QUERIES["release"], self._stage, self.holder, list(partitions))

    async def leave(self) -> None:
        """Give everything away and be counted no more."""
        async with self._pool.acquire() as connection:
            await connection.execute(_QUERIES["leave"], self._stage, self.holder)


async def fence(connection: Connection, stage: str, epochs: Mapping[int, int]) -> None:
    """Prove, as the first statement of a transaction, that these partitions are ours until it ends.

    Raises LostEpochsError where one has moved.
    """
    rows = await connection.fetch(_QUERIES["fence"], stage, list(epochs))
    found = _epochs(rows)
    if found != epochs:
        raise LostEpochsError(stage, {p: epoch for p, epoch in epochs.items() if found.get(p) != epoch})


async def take_epochs(pool: Pool, stage: str, holder: str, partitions: Sequence[int]) -> dict[int, int]:
    """Begin a new epoch on partitions whose lease is ours; returns those that still were, with their epochs.

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
    return _epochs(rows)


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
        # Sessions belong to whom they logged in as; only that user, not the role taken on, may end them.
        await connection.execute("set local role none")
        await connection.execute(_QUERIES["end_blockers"], pid)


def _epochs(rows: Iterable[asyncpg.Record]) -> dict[int, int]:
    return {row["partition"]: row["epoch"] for row in rows}
