"""A small topic that every process reads whole, from its beginning, into memory.

Of each key the highest version holds, wherever it stands in the log, so repeats and late arrivals change nothing.
No process owns the topic: each reads it for itself, and keeps what it knows through any outage of the log.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.kit.errors import InvalidMessage, RetryableError
from services.kit.eventlog.port import Cursor, EventLog, Record, TopicPartition
from services.kit.eventlog.shelf import Entry, Shelf
from services.kit.retry import backoff, pause_until
from services.kit.tracing import Causes, causes_of, merged

__all__ = ["Entry", "GlobalTable"]

logger = logging.getLogger(__name__)

Key = tuple[str, ...]

_FETCH_RECORDS = 500
# Between two questions whether there is more. Rooms act on what is not two seconds old: one late answer stops nobody.
_FETCH_SECONDS = 0.75
_BACKOFF_BASE, _BACKOFF_CAP = 0.1, 5.0
# A wait for an entry ends with a RetryableError after this long, so that it shows in logs and metrics.
_WAIT_SECONDS = 10.0
# How much of the entries that can be read again stays in memory: eight of the largest, of what is usual hundreds.
_SHELF_BYTES = 8 * 1024 * 1024
_LATEST = 8  # changes of one thing that are kept for traces: few are asked for within a minute


class GlobalTable:
    """The table. It knows no noun of any room: keys and values are what `decode` makes of a record."""

    def __init__(
        self,
        event_log: EventLog,
        topic: str,
        decode: Callable[[bytes | None], Sequence[Entry]],
        again: EventLog | None = None,
        shelf_bytes: int = _SHELF_BYTES,
        *,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        """Make one; by `again`, a log of its own, entries that left the memory are read. Without it none leaves.

        `heard` is told of each change.
        """
        self._heard = heard
        self._log = event_log
        self._at = TopicPartition(topic, 0)
        self._decode = decode
        self._entries: dict[Key, Entry] = {}
        self._shelf = Shelf(again, self._at, decode, shelf_bytes) if again else None
        self._waiting: defaultdict[Key, list[asyncio.Future[None]]] = defaultdict(list)
        self._led_to: dict[str, Causes] = {}
        self._cursor = Cursor()
        self._complete_at = float("-inf")
        self.changes = 0  # how often an entry was put: whoever derives something from the table sees whether it holds
        self.loaded = asyncio.Event()  # everything that stood in the log when we began is known

    def get(self, key: Key) -> Any | None:
        """Return the value that holds for a key now, None where there is none. One with a size is waited for."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    def items(self) -> Iterator[tuple[Key, Any]]:
        """Return all keys with their values, as they are now, but for those with a size."""
        return iter([(key, entry.value) for key, entry in self._entries.copy().items()])

    def led_to(self, name: str) -> Causes:
        """Return what the latest changes of entries follow from whose key has this second word, the newest first.

        Nothing, unless whoever made them was traced.
        """
        return self._led_to.get(name, ())

    def heard_within(self, seconds: float) -> bool:
        """Tell whether everything is known that stood in the log so many seconds ago, or later."""
        return time.monotonic() - self._complete_at < seconds

    async def wait_for(self, key: Key, version: int = 1, timeout: float = _WAIT_SECONDS) -> Any:  # noqa: ASYNC109
        """Return a key's value once this version of it, or a later one, is known.

        Raises RetryableError where that takes longer than `timeout` seconds.
        """
        if (found := self._in_memory(key, version)) is not None:
            return found
        try:
            async with asyncio.timeout(timeout):
                while (found := self._in_memory(key, version)) is None:
                    if self._shelf and key in self._shelf:
                        return await self._shelf.value(key)
                    await self._change_of(key)
        except TimeoutError:
            raise RetryableError(f"{'/'.join(key)} version {version} is not known here yet") from None
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the topic until `stop`."""
        failures = 0
        while not stop.is_set():
            try:
                await self._follow(stop)
                failures = 0
            except RetryableError as error:
                logger.warning("%s cannot be read: %s", self._at.topic, error, extra={"attempt": failures})
                await pause_until(stop, backoff(failures, base=_BACKOFF_BASE, cap=_BACKOFF_CAP, random=random.random))
                failures += 1

    async def _follow(self, stop: asyncio.Event) -> None:
        await self._log.assign({self._at: self._cursor})
        while not stop.is_set():
            # Asked of the log each time: a fetch alone cannot tell an empty log from one that is away.
            asked = time.monotonic()
            if (await self._log.backlog()).get(self._at, 0) <= 0:
                self._complete_at = asked
                self.loaded.set()
            for record in await self._log.fetch(_FETCH_RECORDS, _FETCH_SECONDS):
                self._take(record)

    def _take(self, record: Record) -> None:
        self._cursor = Cursor(record.offset + 1, {**self._cursor.taken, record.source: record.seq})
        try:
            entries = self._decode(record.value)
        except InvalidMessage as error:
            # No process can set the record aside for all others. Blocks that refer to the entry wait, and say so.
            logger.error(  # noqa: TRY400 - the reason says it all
                "an entry cannot be read",
                extra={"topic": record.topic, "offset": record.offset, "seq": record.seq, "reason": error.reason},
            )
            return
        for entry in entries:
            self._put(entry, record)

    def _in_memory(self, key: Key, version: int) -> Any | None:
        entry = self._entries.get(key)
        if entry is not None:
            return entry.value if entry.version >= version else None
        return self._shelf.find(key) if self._shelf else None

    def _put(self, entry: Entry, record: Record) -> None:
        if entry.size and self._shelf:
            if entry.key in self._shelf:
                return
            self._shelf.put(entry, record)
        else:
            known = self._entries.get(entry.key)
            if known is not None and known.version >= entry.version:
                return
            self._entries[entry.key] = entry
        self.changes += 1
        self._heard()
        if causes := causes_of(record.headers):
            name = entry.key[:2][-1]
            self._led_to[name] = merged([causes, self.led_to(name)])[:_LATEST]
        for future in self._waiting.pop(entry.key, ()):
            if not future.done():
                future.set_result(None)

    async def _change_of(self, key: Key) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting[key].append(future)
        try:
            await future
        finally:
            # After a time-out or a cancellation the future must not stay in the list.
            if future in self._waiting.get(key, ()):
                self._waiting[key].remove(future)
                if not self._waiting[key]:
                    del self._waiting[key]
