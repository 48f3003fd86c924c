"""Dispatch's table of turns: what all processes together may hand a provider."""

from collections.abc import Sequence
from pathlib import Path

from services.dispatch.rates import Block, Cap, Turns, let_out, remembered
from services.kit.postgres import Connection, Queries

__all__ = ["TurnStore"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


class TurnStore:
    """Lets turns out, in a transaction of its own on the connection that it is given."""

    def __init__(self, provider: str, caps: Sequence[Cap]) -> None:
        self.caps = caps
        self._provider = provider
        self._remembered = remembered(caps)

    async def take(self, connection: Connection, wanted: int) -> Turns:
        """Take so many turns at most. They count from a moment between this call and its end, by the database's clock.

        Its clock alone is read, so that it does not matter what processes think the time is.
        """
        async with connection.transaction():
            await connection.execute(_QUERIES["lock_turns"], self._provider)
            (row,) = await connection.fetch(_QUERIES["turns_lately"], self._provider, self._remembered)
            found = let_out(self.caps, list(map(Block, row["at"], row["turns"])), row["now"], wanted)
            if found.turns:
                about = (self._provider, row["now"], found.turns, self._remembered)
                await connection.execute(_QUERIES["let_turns_out"], *about)
        return found
