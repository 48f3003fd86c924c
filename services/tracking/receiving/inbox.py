"""What came in, until its notice is known: then it is joined with it. A reference leads to its notice by itself."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from services.core.ids import ID_BYTES, format_reference
from services.core.receipts import Receipt
from services.kit.postgres import Connection, Pool
from services.kit.vault import KeyRing
from services.tracking.said import Said
from services.tracking.store import Store
from services.wire.references import References

__all__ = ["Inbox"]

_AT_ONCE: Final = 1024  # a block of consequences; some tens of milliseconds


class Inbox:
    """Rows that wait. What is said twice is one row, and once it is joined the same again changes nothing."""

    def __init__(self, pool: Pool, store: Store, keys: KeyRing) -> None:
        self._pool, self._store = pool, store
        # Of every version: a list does not say which incident a letter was of.
        self._references = [References(key) for key in keys.peppers["reference"].values()]

    async def put(self, said: Collection[Said], now: datetime) -> None:
        """Write down what was said, so that it may be acknowledged."""
        if said:
            async with self._pool.acquire() as connection:
                await self._store.put_inbox(connection, sorted(set(said)), now)

    async def take(self, connection: Connection, now: datetime) -> tuple[list[Receipt], bool]:
        """Take what is due out of the rows and return it; what names a notice that is not known waits longer.

        Tells as well whether that was all of it.
        """
        said = await self._store.inbox_due(connection, now, _AT_ONCE)
        known = await self._known(connection, [one.named for one in said if len(one.named) != ID_BYTES])
        found = [
            Receipt(notice, one.channel, one.attempt, one.kind, one.at, one.reason)
            for one in said
            if (notice := known.get(one.named, one.named if len(one.named) == ID_BYTES else b""))
        ]
        waits = [one for one in said if len(one.named) != ID_BYTES and one.named not in known]
        await self._store.end_inbox(
            connection, [one for one in said if len(one.named) == ID_BYTES or one.named in known]
        )
        await self._store.wait_inbox(connection, waits, now)
        return found, len(said) < _AT_ONCE

    async def _known(self, connection: Connection, named: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return the notices whose references these are, as far as they are known."""
        texts = {one: format_reference(one.ljust(ID_BYTES, b"\0")) for one in named}
        found: dict[bytes, bytes] = {}
        if texts:
            await self._store.catch_up(connection)
        for references in self._references if texts else ():
            beginnings = [references.beginning_of(text) for text in texts.values()]
            notices = await self._store.find_beginnings(connection, beginnings)
            of = dict(zip(references.of_all(notices), notices, strict=True)) if notices else {}
            found |= {one: of[text] for one, text in texts.items() if text in of}
        return found
