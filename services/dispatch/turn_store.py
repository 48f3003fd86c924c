"""Dispatch's tables of turns: what all processes together may hand a provider."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from services.dispatch.provider import Traits
from services.dispatch.rates import Block, Cap, Turns, let_out, of_day, remembered
from services.kit.postgres import Connection, Queries

__all__ = ["TurnStore", "TurnsLeft", "turns_of"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class TurnsLeft(NamedTuple):
    """Turns that were let out on a day, and that nobody will use any more."""

    turns: int
    day: date


class TurnStore:
    """Lets turns out, in a transaction of its own on the connection that it is given."""

    def __init__(self, provider: str, caps: Sequence[Cap], per_day: int | None = None) -> None:
        """`per_day`: how many messages the provider is handed on a day at most; None = no cap."""
        self._caps, self._per_day = caps, per_day
        self._provider = provider
        self._remembered = remembered(caps)

    @property
    def most(self) -> int:
        """The most turns that can ever be taken at once."""
        return max([*(cap.most for cap in self._caps), *([self._per_day] if self._per_day else [])])

    async def take(self, connection: Connection, wanted: int, unused: TurnsLeft | None = None) -> tuple[Turns, date]:
        """Take so many turns at most, and give some back; returns them with the day that they count for.

        They count from a moment between this call and its end, by the database's clock. Its clock alone is read, so
        that it does not matter what processes think the time is.
        """
        async with connection.transaction():
            await connection.execute(_QUERIES["lock_turns"], self._provider)
            if unused and unused.turns and self._per_day:
                await connection.execute(_QUERIES["give_turns_back"], self._provider, unused.day, unused.turns)
            (row,) = await connection.fetch(_QUERIES["turns_lately"], self._provider, self._remembered)
            of_today = of_day(self._per_day, row["today"], row["second"], wanted) if self._per_day else Turns(wanted)
            found = let_out(self._caps, list(map(Block, row["at"], row["turns"])), row["now"], of_today.turns)
            found = found._replace(wait=max(found.wait, of_today.wait))
            if found.turns:
                await self._let_out(connection, row["now"], row["day"], found.turns)
        return found, row["day"]

    async def _let_out(self, connection: Connection, now: float, day: date, turns: int) -> None:
        if self._caps:
            await connection.execute(_QUERIES["let_turns_out"], self._provider, now, turns, self._remembered)
        if self._per_day:
            await connection.execute(_QUERIES["let_turns_of_day_out"], self._provider, day, turns)

    async def used_today(self, connection: Connection) -> int | None:
        """Return how many turns of today were let out; None where a day has no cap."""
        if self._per_day is None:
            return None
        return int(await connection.fetchval(_QUERIES["turns_of_day"], self._provider))


def turns_of(traits: Traits, caps: Sequence[Cap], per_day: int | None) -> TurnStore | None:
    """Return what lets turns out for a provider; None where it has no cap."""
    return TurnStore(traits.counted_under, caps, per_day) if caps or per_day else None
