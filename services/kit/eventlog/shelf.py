"""Large entries of a global table that never change: a bounded part stays in memory, all others are read again."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from services.kit.errors import InvalidMessage, LogPositionError, RetryableError
from services.kit.eventlog.port import Cursor, EventLog, Record, TopicPartition

__all__ = ["Entry", "Shelf"]

logger = logging.getLogger(__name__)

Key = tuple[str, ...]

_FETCH_SECONDS = 0.5


class Entry(NamedTuple):
    """One row of a global table; of one key, the highest version holds.

    With a `size` (bytes, about) the entry never changes, may leave the memory, and is read again when it is asked for.
    Its value takes weak references.
    """

    key: tuple[str, ...]
    version: int
    value: Any
    size: int = 0


class Shelf:
    """Entries with a size: those used last are held, up to `limit` bytes; of each it is known where it stands.

    An entry that somebody else holds (as the newest of its kind, or at work) is found without reading it again.
    """

    def __init__(
        self, log: EventLog, at: TopicPartition, decode: Callable[[bytes | None], Iterable[Entry]], limit: int
    ) -> None:
        """Make one; `log` is its own, so that reading again moves nobody's position."""
        self._log, self._at, self._decode, self._limit = log, at, decode, limit
        self._places: dict[Key, Cursor] = {}
        self._alive: WeakValueDictionary[Key, Any] = WeakValueDictionary()
        self._held: OrderedDict[Key, Entry] = OrderedDict()  # what was used last stands last
        self._bytes = 0
        self._reading = asyncio.Lock()

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def put(self, entry: Entry, record: Record) -> None:
        """Take an entry that stands in this record; another one of the same key changes nothing."""
        if entry.key not in self._places:
            self._places[entry.key] = Cursor(record.offset, {record.source: record.seq - 1})
            self._hold(entry)

    def find(self, key: Key) -> Any | None:
        """Return a value that is in memory, None where it is not."""
        if key in self._held:
            self._held.move_to_end(key)
        return self._alive.get(key)

    async def value(self, key: Key) -> Any:
        """Return the value of an entry that was put, read again if need be. Raises RetryableError."""
        async with self._reading:
            found = self.find(key)
            if found is None:
                entry = await self._read(key)
                self._hold(entry)
                found = entry.value
            return found

    def _hold(self, entry: Entry) -> None:
        self._alive[entry.key] = entry.value
        self._held[entry.key] = entry
        self._bytes += entry.size
        while self._bytes > self._limit and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            self._bytes -= gone.size

    async def _read(self, key: Key) -> Entry:
        """Read an entry where it stands in the log: the same bytes, so the same value."""
        try:
            await self._log.assign({self._at: self._places[key]})
            records = await self._log.fetch(1, _FETCH_SECONDS)
            await self._log.assign({})  # a client would go on asking for what comes next
            entries = self._decode(records[0].value) if records else ()
        except (InvalidMessage, LogPositionError) as error:
            logger.error("an entry that was known cannot be read again", extra={"topic": self._at.topic})  # noqa: TRY400 - the reason says it all
            raise RetryableError(f"{'/'.join(key)} cannot be read again: {error}") from None
        for entry in entries:
            if entry.key == key:
                return entry
        raise RetryableError(f"{'/'.join(key)} cannot be read again yet")
