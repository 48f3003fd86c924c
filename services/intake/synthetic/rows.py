"""The rows of synthetic people: one method a named query, in the transaction of whoever calls."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import asyncpg

from services.core.channel import Channel
from services.intake.synthetic.person import Way
from services.kit.postgres import Connection, Queries
from services.kit.vault import Vault

__all__ = ["Sent", "SyntheticRows"]

_QUERIES = Queries.load(Path(__file__).parents[1] / "queries.sql")


class Sent(NamedTuple):
    """A synthetic person that is waited for."""

    member: bytes
    page: int  # of the vault: where its data lies
    way: Way
    sent_at: datetime


class SyntheticRows:
    """Reads and writes who was sent, and takes away all that is left of them."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def take_turn(self, connection: Connection, now: datetime, before: datetime) -> int | None:
        """Return the number of the next person; None where the last one was sent after `before`."""
        turn = await connection.fetchval(_QUERIES["take_synthetic_turn"], now, before)
        return None if turn is None else int(turn)

    async def add(self, connection: Connection, member: bytes, way: Way, now: datetime) -> None:
        """Wait for a person whose data this transaction has put into the vault."""
        page = await self._vault.last_page(connection)
        await connection.execute(_QUERIES["add_synthetic"], member, page, way.partition, int(way.channel), now)

    async def lose(self, connection: Connection, before: datetime) -> list[Way]:
        """Give up who was sent before then and did not arrive; returns their ways, each person once."""
        return [_way(row) for row in await connection.fetch(_QUERIES["lose_synthetic"], before)]

    async def missing(self, connection: Connection) -> dict[tuple[int, Channel], int]:
        """Return how many were given up and did not arrive since, by their ways."""
        rows = await connection.fetch(_QUERIES["missing_synthetic"])
        return {(row["partition"], Channel(row["channel"])): row["people"] for row in rows}

    async def arrive(self, connection: Connection, members: Sequence[bytes]) -> list[Sent]:
        """End the wait for these, and take away what is left of them; returns those that were waited for."""
        return await self._end(connection, "arrive_synthetic", members)

    async def forget(self, connection: Connection, before: datetime) -> None:
        """End the wait for who was sent before then, and take away what is left of them."""
        await self._end(connection, "forget_synthetic", before)

    async def _end(self, connection: Connection, query: str, which: Sequence[bytes] | datetime) -> list[Sent]:
        rows = await connection.fetch(_QUERIES[query], which)
        ended = [Sent(row["member"], row["page"], _way(row), row["sent_at"]) for row in rows]
        if ended:
            await connection.execute(_QUERIES["forget_synthetic_members"], [one.member for one in ended])
            await self._vault.forget_synthetic(connection, [one.page for one in ended])
        return ended


def _way(row: asyncpg.Record) -> Way:
    return Way(row["partition"], Channel(row["channel"]))
