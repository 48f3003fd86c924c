"""How the replicas of a stage share its partitions out: leases, on the database's clock.

One row per (stage, partition) covers all input topics of that partition. A lease says who may take the partition
over; its epoch (`epochs`) says who did.
"""

import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from services.kit.postgres import Pool, Queries
from services.kit.stage.epochs import epochs_of_rows

__all__ = ["Holding", "Lease", "Leases", "Shares", "fair_share", "new_holder", "shares"]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class Lease:
    """One partition's row, as the database's clock sees it."""

    partition: int
    holder: str | None
    live: bool
    epoch: int


@dataclass(frozen=True, slots=True)
class Shares:
    """Which partitions a replica should take now, and which it should give away."""

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


def new_holder() -> str:
    """Name this process: readable for people, different at every start."""
    return f"{socket.gethostname()}-{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What the database says after a refresh: our partitions with their epochs, and those to give away."""

    epochs: Mapping[int, int]
    surplus: frozenset[int]
    short: bool  # other replicas took some that we wanted to take: worth another look soon


class Leases:
    """The leases of `holder`, one process, on the partitions of one stage; each runs for `seconds`."""

    def __init__(self, pool: Pool, stage: str, partitions: int, *, holder: str, seconds: float) -> None:
        self._pool = pool
        self._stage = stage
        self._partitions = partitions
        self._holder = holder
        self._seconds = seconds

    async def open(self) -> None:
        """Make the rows that are missing."""
        async with self._pool.acquire() as connection:
            await connection.execute(_QUERIES["open_owners"], self._stage, self._partitions)

    async def refresh(self, *, acquire: bool = True) -> Holding:
        """Renew our leases and, if asked, take free partitions up to our share; returns what is ours then.

        Does not wait for transactions that have compared their epochs.
        """
        async with self._pool.acquire() as connection:
            renewed = await connection.fetch(_QUERIES["renew"], self._stage, self._holder, self._seconds)
            replicas = await connection.fetchval(_QUERIES["be_seen"], self._stage, self._holder, self._seconds)
            # Nearly always: nothing to take, nothing to give.
            if len(renewed) == fair_share(self._partitions, replicas):
                return Holding(epochs_of_rows(renewed), frozenset(), short=False)
            rows = await connection.fetch(_QUERIES["leases"], self._stage, self._partitions)
            plan = shares([Lease(*row) for row in rows], self._holder, replicas)
            acquired: Sequence[asyncpg.Record] = ()
            if acquire and plan.acquire:
                acquired = await connection.fetch(
                    _QUERIES["acquire"], self._stage, self._holder, self._seconds, list(plan.acquire)
                )
        return Holding(
            epochs=epochs_of_rows((*renewed, *acquired)),
            surplus=frozenset(plan.release),
            short=acquire and len(acquired) < len(plan.acquire),
        )

    async def release(self, partitions: Sequence[int]) -> None:
        """Give partitions away, so that the next owner need not wait until the leases run out."""
        async with self._pool.acquire() as connection:
            await connection.execute(_QUERIES["release"], self._stage, self._holder, list(partitions))

    async def leave(self) -> None:
        """Give everything away; this process is counted among the replicas no more."""
        async with self._pool.acquire() as connection:
            await connection.execute(_QUERIES["leave"], self._stage, self._holder)
