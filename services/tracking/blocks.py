"""Notices a row a block: written packed, and found again by their ids, in a database that several processes share.

Whoever writes anything of notices holds them first (`Blocks.hold`), one transaction of all processes at a time. So
blocks are committed in the order of their places, and whoever has read the last one knows of every notice.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Final

from services.core.ids import ID_BYTES
from services.kit.postgres import Connection, Queries
from services.tracking.domain import Finding
from services.tracking.packing import Packed, count_pairs, numbers_in, unpack
from services.tracking.places import BEGINNING, SEGMENT, IdColumns, bucket_of, id_columns, index_of, places_in, stand_in
from services.tracking.sieve import Sieve
from services.wire.columns import split_ids

__all__ = ["Blocks"]

_QUERIES: Final = Queries.load(Path(__file__).with_name("blocks.sql"))
_AT_ONCE: Final = 64  # blocks, of 32 KB of ids each where they are full
_ROWS: Final = 4096  # of indexes, of 1 KB each
_DENSE: Final = 32  # notices of a block that take longer one by one than the whole of it
_MANY, _FEW = 256, 4  # notices that are sought by the blocks of some, and of how many: a try costs as much as two dozen


class Blocks:
    """One for a process. What it keeps in memory follows from what is committed, and from nothing else."""

    def __init__(self, segment: int = SEGMENT) -> None:
        """Know of nothing yet. A `segment` gets an index when it is full; all processes mean the same by it."""
        self._segment = segment
        self._reading = asyncio.Lock()
        self._segments = 0  # how many have an index
        self._next = 0  # the place after what this transaction wrote
        self._forget()

    def _forget(self) -> None:
        self._sieve = Sieve()
        self._written: dict[int, bytes] = {}  # ids that are in the sieve, of blocks that may not be committed
        self._undone: set[bytes] = set()  # ids that are in it, of blocks that were not committed
        self._tail: deque[IdColumns] = deque()  # the ids of blocks, as far as no index has them
        self._tail_first = 0  # the place where they begin
        self._last = 0, b""  # the last block that was read: its first place, and its ids
        self._end = 0  # the place after it

    async def hold(self, connection: Connection) -> None:
        """Keep all others from writing of notices until this transaction ends. Nothing of them is written before."""
        await connection.execute(_QUERIES["hold"])
        await self.catch_up(connection)
        self._next = self._end
        begins = self._segments * self._segment
        if self._end >= begins + self._segment:
            tail = b"".join(block.notices for block in self._tail)
            notices = tail[(begins - self._tail_first) * ID_BYTES :][: self._segment * ID_BYTES]
            await connection.execute(_QUERIES["add_places"], self._segments, *_columns(index_of(notices)))

    @property
    def read_until(self) -> tuple[int, bytes]:
        """What was read last: while it is the same, no more notices are known here."""
        return self._last

    async def catch_up(self, connection: Connection) -> None:
        """Read what was committed since the last time, by this process or another."""
        async with self._reading:
            while await self._read_on(connection):
                pass
            for notices in self._written.values():
                self._undone.update(_ids(notices))
            self._written = {}
            self._drop_indexed()

    async def _read_on(self, connection: Connection) -> bool:
        """Read some blocks, the last one known first; tell whether there may be more."""
        rows = [tuple(row) for row in await connection.fetch(_QUERIES["read_on"], self._last[0], _AT_ONCE)]
        full = len(rows) == _AT_ONCE
        self._segments = rows[0][2] if rows else 0
        if self._end:
            if not rows or rows[0][:2] != self._last:
                self._forget()  # the database was set back, or is another one
                return True
            del rows[0]
        for first, notices, _ in rows:
            if self._written.pop(first, None) != notices:
                self._sieve.put(notices)
            if self._undone:
                self._undone.difference_update(_ids(notices))
            self._tail.append(id_columns(notices))
            self._last, self._end = (first, notices), first + len(notices) // ID_BYTES
        self._drop_indexed()
        return full

    def _drop_indexed(self) -> None:
        """Forget the ids of which there is an index."""
        while self._tail and self._tail_first + len(self._tail[0].firsts) <= self._segments * self._segment:
            self._tail_first += len(self._tail.popleft().firsts)

    def take(self, notices: bytes) -> list[int]:
        """Return which of these, by their positions, may be known: all that are, and a few that are not.

        The others are to be written in this transaction.
        """
        known = self._sieve.put(notices)
        if known and self._undone:
            ids = _ids(notices)
            known = [at for at in known if ids[at] not in self._undone]
        return known

    async def add(self, connection: Connection, blocks: Sequence[Packed]) -> None:
        """Write blocks of notices that were taken."""
        for first, block in zip(self._firsts(blocks), blocks, strict=False):
            self._written[first] = block.notices
        await self._write(connection, blocks)

    async def add_known(self, connection: Connection, known: Packed) -> None:
        """Write that notices are known, which have rows of their own."""
        await self._write(connection, [known])

    async def _write(self, connection: Connection, blocks: Sequence[Packed]) -> None:
        if blocks:
            firsts = self._firsts(blocks)
            self._next = firsts.pop()
            await connection.execute(_QUERIES["add_blocks"], firsts, *_columns(blocks))

    def _firsts(self, blocks: Sequence[Packed]) -> list[int]:
        """Return where each of these blocks begins that are written next, and where they end."""
        return list(accumulate((block.size for block in blocks), initial=self._next))

    async def find(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, Finding]:
        """Return what blocks say of these notices. Those that have rows of their own may be left out.

        Of many, most often many are of the same blocks: those of a few are read whole and tell of others, as long as
        that is so.
        """
        found: dict[bytes, Finding] = {}
        left = set(notices)
        while len(left) >= _MANY:
            some = set(islice(left, _FEW))
            more = await self._read_entries(connection, some, left, whole=0)
            found |= more
            left -= more.keys() | some  # of these that were sought and not found, no block says anything
            if len(more) < _FEW * _DENSE:
                break
        return found | (await self._read_entries(connection, left, left, whole=_DENSE) if left else {})

    async def _read_entries(
        self, connection: Connection, sought: Collection[bytes], wanted: Collection[bytes], *, whole: int
    ) -> dict[bytes, Finding]:
        """Return what blocks say of notices that are sought, and of all wanted where `whole` of them are of one."""
        places = await self._places(connection, sought)
        rows = await connection.fetch(_QUERIES["read_entries"], places, whole) if places else []
        blocks = [Packed(*row) for row in rows]
        numbers = {number for block in blocks for number in numbers_in(block.cohorts)}
        names = await self.name_cohorts(connection, numbers) if numbers else {}
        scopes = {number: names.get(number, "") for number in numbers}
        opened = (unpack(block, scopes) for block in blocks)
        return {one.notice: one for block in opened for one in block.of(wanted).findings()}

    async def find_beginnings(self, connection: Connection, beginnings: Collection[bytes]) -> list[bytes]:
        """Return the notices whose ids begin so, each with the same number of bytes, of those that were read."""
        places = await self._places(connection, beginnings)
        rows = await connection.fetch(_QUERIES["read_ids"], places) if places else []
        return [row["notice"] for row in rows if row["notice"][:BEGINNING] in beginnings]

    async def _places(self, connection: Connection, wanted: Collection[bytes]) -> list[int]:
        """Return where notices stand whose ids begin as these do; a few others among them."""
        found = {self._tail_first + at for at in stand_in(self._tail, wanted)}
        by_bucket: dict[int, list[bytes]] = {}
        for one in wanted if self._segments else ():
            by_bucket.setdefault(bucket_of(one), []).append(one)
        buckets, step = list(by_bucket), max(1, _ROWS // max(1, self._segments))
        for start in range(0, len(buckets), step):
            rows = await connection.fetch(_QUERIES["find_places"], buckets[start : start + step])
            for bucket, segments, lengths, entries in rows:
                places = places_in(segments, lengths, entries, by_bucket[bucket])
                found.update(segment * self._segment + at for segment, at in places)
        return sorted(found)

    async def name_cohorts(self, connection: Connection, numbers: Collection[int]) -> dict[int, str]:
        """Return the names of cohorts by their numbers, as far as they are known."""
        rows = await connection.fetch(_QUERIES["name_cohorts"], list(numbers))
        return {row["number"]: row["scope"] for row in rows}

    async def count_standing(self, connection: Connection) -> Counter[tuple[int, int, int]]:
        """Return how many notices stand where by what blocks say, in one snapshot: cohort's number, state, channel."""
        found: Counter[tuple[int, int, int]] = Counter()
        first = 0
        while rows := await connection.fetch(_QUERIES["read_standing"], first, _AT_ONCE):
            for _, channel, cohorts, states, size in rows:
                for (cohort, state), notices in count_pairs(cohorts, states, size).items():
                    found[cohort, state, channel] += notices
            first = rows[-1]["first"] + 1
        return found


def _ids(notices: bytes) -> list[bytes]:
    return split_ids(notices, len(notices) // ID_BYTES)


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
