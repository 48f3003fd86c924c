"""Notices that were given up, and new addresses: one method for each query, a batch in and a batch out."""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from services.core.notices import Notices
from services.kit.postgres import Connection, Queries
from services.routing.came_back import CameBack
from services.routing.codec import pack_notice, unpack_notice
from services.routing.readdressing import Address, GivenUp
from services.wire.recalls import Recall

__all__ = ["Store"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class Store:
    """Reads and writes inside the stage's transaction."""

    async def exhausted(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, GivenUp]:
        """Lock and return those of these notices that were given up."""
        rows = await connection.fetch(_QUERIES["lock_exhausted"], sorted(notices))
        return {row[0]: GivenUp(row[0], row[1], row[2], row[3], unpack_notice(row[4]), row[5]) for row in rows}

    async def addresses(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, Address]:
        """Return the new addresses that are known for these notices."""
        rows = await connection.fetch(_QUERIES["read_addresses"], sorted(notices))
        return {row[0]: Address._make(row) for row in rows}

    async def came_back(self, connection: Connection, members: Collection[bytes]) -> dict[bytes, list[CameBack]]:
        """Return by which contact data of these members something came back, and on which channels."""
        found: dict[bytes, list[CameBack]] = {}
        for row in await connection.fetch(_QUERIES["read_came_back"], sorted(members)):
            found.setdefault(row[0], []).append(CameBack._make(row))
        return found

    async def keep_came_back(self, connection: Connection, heard: Sequence[CameBack]) -> None:
        """Note by which contact data something came back, of each member and set of channels once."""
        await connection.execute(_QUERIES["keep_came_back"], *map(list, zip(*heard, strict=True)))

    async def keep_exhausted(self, connection: Connection, kept: Sequence[GivenUp]) -> None:
        """Write how notices were given up."""
        rows = [
            (one.notice, one.attempt, one.version, one.answered, pack_notice(one.columns), one.reason) for one in kept
        ]
        await connection.execute(_QUERIES["keep_exhausted"], *map(list, zip(*rows, strict=True)))

    async def keep_recalls(self, connection: Connection, recalls: Sequence[Recall]) -> None:
        """Remember notices that must not begin any more."""
        await connection.execute(_QUERIES["keep_recalls"], *map(list, zip(*recalls, strict=True)))

    async def end_recalls(self, connection: Connection, recalls: Sequence[Recall], now: datetime) -> None:
        """Note of which notices it is known how they ended, be their recall known here or not."""
        await connection.execute(_QUERIES["end_recalls"], now, *map(list, zip(*recalls, strict=True)))

    async def forget_recalls(
        self, connection: Connection, partitions: Collection[int], before: datetime, limit: int
    ) -> int:
        """Drop marks that are over since before that time, up to `limit`; returns how many went."""
        return int(await connection.fetchval(_QUERIES["forget_recalls"], list(partitions), before, limit))

    async def recalled_exhausted(
        self, connection: Connection, notices: Collection[bytes]
    ) -> list[tuple[Recall, Notices]]:
        """Lock and return those of these notices that were recalled, and given up."""
        rows = await connection.fetch(_QUERIES["recalled_exhausted"], sorted(notices))
        return [(Recall(*row[:4]), unpack_notice(row[4])) for row in rows]

    async def recalled(self, connection: Connection, notices: Collection[bytes]) -> frozenset[bytes]:
        """Return those of these notices that were recalled, be it over or not."""
        return frozenset(row[0] for row in await connection.fetch(_QUERIES["recalled"], list(notices)))

    async def stop_exhausted(self, connection: Connection, notices: Collection[bytes]) -> None:
        """Have no new attempt made of notices."""
        await connection.execute(_QUERIES["stop_exhausted"], list(notices))

    async def keep_addresses(self, connection: Connection, heard: Sequence[Address]) -> None:
        """Write new addresses, one a notice; of those that are known the highest version stays."""
        await connection.execute(_QUERIES["keep_addresses"], *map(list, zip(*heard, strict=True)))
