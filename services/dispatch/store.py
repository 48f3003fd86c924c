"""Dispatch's tables: one method a named query, a batch in and a batch out."""

import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from services.core.channel import Channel
from services.core.ids import ID_BYTES
from services.core.ledger import MOVED_ON, SET_ASIDE, UNPRINTED
from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.codec import decode_block, encode_block
from services.dispatch.domain import Batch, Key, Round, Taken
from services.dispatch.outcomes import AttemptOutcome, Fate, part_ways, staying
from services.dispatch.pauses import Pause
from services.dispatch.recalls import Answering, RecalledAttempt
from services.dispatch.receipts import SettledAttempt
from services.kit.errors import RetryableError
from services.kit.postgres import Connection, Queries, copy_packed
from services.kit.tracing import Causes, merged, read_causes
from services.wire.recalls import Recall

__all__ = ["Store"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
# A row of `attempts` in COPY's binary format, sizes before values: notice, attempt, batch.
_ATTEMPT = struct.Struct(f">hi{ID_BYTES}sihiq")
_HELD_AS = {AttemptState.PAUSED: SET_ASIDE, AttemptState.UNPRINTED: UNPRINTED}
_BLOCKS_AT_ONCE = 256  # some tens of thousands of notices: some megabytes
_BATCHES = ("batch", "at", "due", "partition", "count", "channel", "state", "tries", "block", "trace")


class Store:
    """Reads and writes the batches of one channel, on the connection that it is given."""

    def __init__(self, channel: Channel) -> None:
        self._channel = int(channel)

    @property
    def channel(self) -> Channel:
        """Return whose batches these are."""
        return Channel(self._channel)

    async def take(self, connection: Connection, batches: Sequence[Taken], now: datetime, due: datetime) -> None:
        """Queue attempts, batch by batch. An attempt that is there already stays as it is, and where it is."""
        numbered = list(zip(await self._numbers(connection, len(batches)), batches, strict=True))
        # In the order of their keys rows find their places in the index next to each other.
        rows = sorted(row for number, batch in numbered for row in _packed(number, batch.notices))
        try:
            async with connection.transaction():  # a savepoint: COPY knows no `on conflict`, and nearly never needs it
                columns = ("notice", "attempt", "batch")
                await copy_packed(connection, "attempts", columns, rows)
        except asyncpg.UniqueViolationError:
            numbered = await self._only_new(connection, numbered)
        records = [
            (number, now, due, one.partition, len(one.notices), self._channel, 0, 0, one.block, one.trace or None)
            for number, one in numbered
        ]
        await connection.copy_records_to_table("batches", records=records, columns=list(_BATCHES))

    async def led_to(self, connection: Connection, numbers: Collection[int]) -> Causes:
        """Return what these batches follow from, as far as that was traced."""
        rows = await connection.fetch(_QUERIES["led_to"], list(numbers))
        return merged(read_causes(row["trace"]) for row in rows)

    async def _numbers(self, connection: Connection, count: int) -> list[int]:
        return [row[0] for row in await connection.fetch(_QUERIES["next_numbers"], count)]

    async def _only_new(self, connection: Connection, numbered: Iterable[tuple[int, Taken]]) -> list[tuple[int, Taken]]:
        """Take attempts some of which are there already; returns the batches with what was new."""
        keys = [
            (number, attempt, notice)
            for number, batch in numbered
            for notice, attempt in zip(batch.notices.ids, batch.notices.attempts, strict=True)
        ]
        added = await connection.fetch(_QUERIES["add_attempts"], *map(list, zip(*keys, strict=True)))
        fresh: defaultdict[int, set[Key]] = defaultdict(set)
        for batch, attempt, notice in added:
            fresh[batch].add((notice, attempt))
        found = ((number, _less(batch, fresh[number])) for number, batch in numbered)
        return [(number, batch) for number, batch in found if batch.notices]

    async def first_due(self, connection: Connection, partitions: Collection[int]) -> dict[int, datetime]:
        """Return when it is the turn of the first batch in the queue, by partition; without those that are empty."""
        rows = await connection.fetch(_QUERIES["first_due"], self._channel, list(partitions))
        return {row["partition"]: row["due"] for row in rows}

    async def partitions_begun(
        self, connection: Connection, partitions: Collection[int], now: datetime
    ) -> frozenset[int]:
        """Return those of the partitions that have a batch whose hand-over is begun and whose wait is over."""
        rows = await connection.fetch(_QUERIES["partitions_begun"], self._channel, list(partitions), now)
        return frozenset(row["partition"] for row in rows)

    async def queue(self, connection: Connection, partition: int, now: datetime, limit: int) -> list[Batch]:
        """Return batches whose turn it is, the longest waiting first: one, or more with `limit` attempts at most."""
        return _batches(await connection.fetch(_QUERIES["queue"], self._channel, partition, now, limit))

    async def queued_batches(self, connection: Connection, partition: int, after: int, limit: int) -> list[Batch]:
        """Return batches of the queue whose number is higher: one, or more with `limit` attempts at most."""
        return _batches(await connection.fetch(_QUERIES["queued_batches"], self._channel, partition, after, limit))

    async def reword(self, connection: Connection, blocks: dict[int, bytes]) -> None:
        """Give batches of the queue blocks with another version of their incident."""
        await connection.execute(_QUERIES["reword"], list(blocks), list(blocks.values()))

    async def open_intents(self, connection: Connection, partition: int, now: datetime) -> list[Batch]:
        """Return batches whose hand-over was begun and is not settled, and whose wait is over."""
        return _batches(await connection.fetch(_QUERIES["open_intents"], self._channel, partition, now))

    async def overdue_unknowns(
        self, connection: Connection, partitions: Sequence[int], since: datetime, limit: int
    ) -> list[Batch]:
        """Return `limit` batches at most that have been unknown since `since` or longer."""
        rows = await connection.fetch(_QUERIES["overdue_unknowns"], self._channel, list(partitions), since, limit)
        return _batches(rows)

    async def waiting_refusals(
        self, connection: Connection, partitions: Sequence[int], until: datetime, limit: int
    ) -> list[Batch]:
        """Return `limit` batches at most that were refused and wait to be told, until then or shorter."""
        rows = await connection.fetch(_QUERIES["waiting_refusals"], self._channel, list(partitions), until, limit)
        return _batches(rows)

    async def standing(self, connection: Connection) -> dict[AttemptState, tuple[int, datetime]]:
        """Return how many attempts are in each open state, and since when the first of them is."""
        rows = await connection.fetch(_QUERIES["standing"], self._channel)
        return {AttemptState(row["state"]): (row["attempts"], row["since"]) for row in rows}

    async def oldest_open(self, connection: Connection, limit: int) -> dict[int, datetime]:
        """Return the `limit` batches that came first and are not handed over, and since when each is in its state."""
        return {
            row["batch"]: row["at"] for row in await connection.fetch(_QUERIES["oldest_open"], self._channel, limit)
        }

    async def unknowns(self, connection: Connection, after: int, limit: int) -> list[Batch]:
        """Return `limit` batches at most whose outcome is unknown, behind the number `after`."""
        return _batches(await connection.fetch(_QUERIES["unknowns"], self._channel, after, limit))

    async def wait_again(self, connection: Connection, partitions: Sequence[int], due: datetime) -> None:
        """Let the refusals of partitions wait until `due`, or longer where they do anyway."""
        await connection.execute(_QUERIES["wait_again"], self._channel, list(partitions), due)

    async def note_taken_back(self, connection: Connection, notices: Notices, now: datetime) -> None:
        """List whose refusals were taken back."""
        await connection.execute(
            _QUERIES["note_taken_back"], now, self._channel, list(notices.attempts), list(notices.ids)
        )

    async def hands_over_to(self, connection: Connection, provider: str, now: datetime) -> tuple[datetime, str, int]:
        """Note whom this channel hands over to from now on; returns since when, to whom before, and what is left begun.

        Before: empty where it was nobody else. Begun: attempts whose hand-over to that one is not settled.
        """
        row = await connection.fetchrow(_QUERIES["hands_over_to"], self._channel, provider, now)
        if row is None:
            raise RetryableError("somebody else notes it")
        return row["since"], row["before"], row["begun"]

    async def note_absent(self, connection: Connection, keys: Sequence[Key], now: datetime) -> None:
        """List attempts that a provider was asked for and does not know: these may be handed over again."""
        notices, attempts = map(list, zip(*keys, strict=True))
        await connection.execute(_QUERIES["note_absent"], now, self._channel, attempts, notices)

    async def intend(self, connection: Connection, rounds: Sequence[Round], now: datetime) -> None:
        """Write down that the hand-over of these rounds is about to begin.

        Raises RetryableError where a batch is not as it was read: somebody in it was recalled.
        """
        begun = [(number, count, one.print_job) for one in rounds for number, count in one.parts]
        if begun:
            written = await connection.fetch(_QUERIES["intend"], *map(list, zip(*begun, strict=True)), now)
            if len(written) < len(begun):
                raise RetryableError("batches were changed while their hand-over was about to begin")

    async def record(
        self,
        connection: Connection,
        one: Round,
        outcomes: Sequence[AttemptOutcome],
        now: datetime,
        waiting: AttemptState = AttemptState.UNKNOWN,
    ) -> list[int]:
        """Write down how a round's hand-overs ended; returns the rows that this call settled, and not somebody else.

        Beside what was begun it settles what waits in one state: what is unknown, or refused and not told.
        """
        stored = {row["batch"]: row for row in await connection.fetch(_QUERIES["lock_batches"], one.numbers)}
        done: list[int] = []
        alike: list[tuple[int, Fate]] = []
        for number, rows in one.rows():
            row = stored.get(number)
            if row is None or row["count"] != len(rows):
                continue  # another process split it meanwhile, and then also sees to what is left of it
            fates = part_ways(AttemptState(row["state"]), outcomes[rows.start : rows.stop], waiting)
            done += [rows.start + at for fate, ats in fates.items() if fate for at in ats]
            stays = staying(fates)
            if len(fates) > 1:
                await self._split(connection, row, one.notices.pick(list(rows)), fates, now)
            if stays:
                alike.append((number, stays))
        if alike:
            await self._move(connection, alike, now)
        return sorted(done)

    async def add_recalls(self, connection: Connection, recalls: Sequence[Recall], now: datetime) -> None:
        """Remember notices that must not begin any more."""
        columns = [list(column) for column in zip(*recalls, strict=True)]
        await connection.execute(_QUERIES["add_recalls"], now, self._channel, *columns)

    async def end_recalls(self, connection: Connection, recalls: Sequence[Recall], now: datetime) -> None:
        """Note of which notices it is known how they ended, be their recall known here or not."""
        columns = [list(column) for column in zip(*recalls, strict=True)]
        await connection.execute(_QUERIES["end_recalls"], now, self._channel, *columns)

    async def forget_recalls(
        self, connection: Connection, partitions: Collection[int], before: datetime, limit: int
    ) -> int:
        """Drop marks that were answered before that time, up to `limit`; returns how many went."""
        gone = await connection.fetchval(_QUERIES["forget_recalls"], self._channel, list(partitions), before, limit)
        return int(gone)

    async def has_recalls(self, connection: Connection, partitions: Collection[int]) -> bool:
        """Tell whether a recall of these partitions is not answered here."""
        return bool(await connection.fetchval(_QUERIES["has_recalls"], self._channel, list(partitions)))

    async def recalls_under_way(self, connection: Connection, partitions: Collection[int], limit: int) -> list[bytes]:
        """Return `limit` notices at most that had begun when they were recalled, and have to be looked at again."""
        rows = await connection.fetch(_QUERIES["recalls_under_way"], self._channel, list(partitions), limit)
        return [row["notice"] for row in rows]

    async def recalled_attempts(self, connection: Connection, notices: Collection[bytes]) -> list[RecalledAttempt]:
        """Return the attempts of these notices whose recall is not answered, and lock their batches."""
        rows = await connection.fetch(_QUERIES["recalled_attempts"], self._channel, list(notices))
        return [
            RecalledAttempt(
                Recall(row["partition"], row["notice"], row["pseudonym"], row["incident_id"]),
                row["batch"],
                AttemptState(row["state"]),
                posted=bool(row["posted"]),
                elsewhere=frozenset(map(AttemptState, row["elsewhere"])),
            )
            for row in rows
        ]

    async def settled_attempts(self, connection: Connection, keys: Collection[Key]) -> list[SettledAttempt]:
        """Return those of these attempts that there are, and lock their batches."""
        notices, attempts = zip(*sorted(keys), strict=True)
        rows = await connection.fetch(_QUERIES["settled_attempts"], self._channel, list(notices), list(attempts))
        return [SettledAttempt((row[0], row[1]), row[2], AttemptState(row[3])) for row in rows]

    async def batches_of(self, connection: Connection, numbers: Collection[int]) -> list[Batch]:
        """Return batches by their numbers."""
        return _batches(await connection.fetch(_QUERIES["batches_of"], list(numbers)))

    async def mark_recalls(
        self, connection: Connection, notices: Collection[bytes], state: Answering, now: datetime
    ) -> None:
        """Note how far recalls are answered."""
        await connection.execute(_QUERIES["mark_recalls"], self._channel, list(notices), int(state), now)

    async def reopen_recalls(self, connection: Connection, notices: Collection[bytes], now: datetime) -> None:
        """Look again at those of these notices that wait, and whose recall was answered."""
        await connection.execute(_QUERIES["reopen_recalls"], self._channel, list(notices), now)

    async def keep_known(self, connection: Connection, known: Mapping[int, Sequence[int]]) -> None:
        """Note how far deduplication knows intake's blocks, of each partition, as it said in some."""
        rows = [(self._channel, partition, taken) for partition, taken in sorted(known.items())]
        await connection.executemany(_QUERIES["keep_known"], rows)

    async def read_known(self, connection: Connection, partitions: Collection[int]) -> dict[int, Sequence[int]]:
        """Return how far deduplication knows intake's blocks, of each partition, as it said in these."""
        rows = await connection.fetch(_QUERIES["read_known"], self._channel, list(partitions))
        return {row["partition"]: row["up_to"] for row in rows}

    async def see_pauses(self, connection: Connection, partitions: Collection[int], pauses: Sequence[Pause]) -> bool:
        """Note pauses in partitions; tells whether any was new."""
        columns = map(list, zip(*pauses, strict=True))
        return bool(await connection.fetch(_QUERIES["see_pauses"], self._channel, list(partitions), *columns))

    async def unreported_pauses(self, connection: Connection, partitions: Collection[int]) -> list[tuple[Pause, int]]:
        """Return pauses of which it was not reported what had begun, with the partition."""
        rows = await connection.fetch(_QUERIES["unreported_pauses"], self._channel, list(partitions))
        return [(Pause(row["incident_id"], row["pause_id"], row["cohort_id"]), row["partition"]) for row in rows]

    async def note_begun(self, connection: Connection, pause: Pause, partition: int, begun: Sequence[Key]) -> None:
        """Note attempts that had begun when a pause came."""
        notices, attempts = zip(*begun, strict=True)
        about = (partition, self._channel, pause.incident_id, pause.pause_id)
        await connection.execute(_QUERIES["note_begun"], *about, notices, attempts)

    async def begun(self, connection: Connection, pause: Pause, partition: int) -> list[Key]:
        """Return the attempts that were noted."""
        about = (pause.incident_id, pause.pause_id, self._channel, partition)
        return [(row["notice"], row["attempt"]) for row in await connection.fetch(_QUERIES["begun"], *about)]

    async def report_pause(self, connection: Connection, pause: Pause, partition: int) -> None:
        """Note that it is reported what had begun."""
        about = (pause.incident_id, pause.pause_id, self._channel, partition)
        await connection.execute(_QUERIES["report_pause"], *about)

    async def all_open_intents(self, connection: Connection, partition: int) -> list[Batch]:
        """Return all batches whose hand-over was begun and is not settled."""
        return _batches(await connection.fetch(_QUERIES["all_open_intents"], self._channel, partition))

    async def paused_batches(self, connection: Connection, partition: int, after: int, limit: int) -> list[Batch]:
        """Return batches that are paused, and whose number is higher; they are locked."""
        return _batches(await connection.fetch(_QUERIES["paused_batches"], self._channel, partition, after, limit))

    @staticmethod
    async def recount(connection: Connection, incident_id: str | None) -> dict[str, Counter[str]]:
        """Return how many notices are held here, and moved on, by scope, of one incident or of all, on all channels."""
        found: dict[str, Counter[str]] = {}
        last = 0
        while rows := await connection.fetch(_QUERIES["counted_blocks"], last, _BLOCKS_AT_ONCE):
            last = rows[-1]["batch"]
            for row in rows:
                notices = decode_block(row["block"])
                counter = _HELD_AS.get(row["state"]) or MOVED_ON[Channel(row["channel"])]
                if incident_id in {None, notices.incident_id}:
                    for cohort, count in Counter(notices.cohorts).items():
                        found.setdefault(f"{notices.incident_id}/{cohort}", Counter())[counter] += count
        return found

    async def _move(self, connection: Connection, alike: Sequence[tuple[int, Fate]], now: datetime) -> None:
        await connection.execute(
            _QUERIES["move"],
            [number for number, _ in alike],
            [int(fate.state) for _, fate in alike],
            [fate.tries for _, fate in alike],
            [now + timedelta(seconds=fate.wait) for _, fate in alike],
            now,
        )

    async def _split(
        self,
        connection: Connection,
        row: asyncpg.Record,
        notices: Notices,
        fates: dict[Fate | None, list[int]],
        now: datetime,
    ) -> None:
        """Give each fate a batch of its own, but the one that keeps the batch that there is."""
        stays = staying(fates)
        leaving = [(fate, notices.pick(ats)) for fate, ats in fates.items() if fate and fate != stays]
        for number, (fate, part) in zip(await self._numbers(connection, len(leaving)), leaving, strict=True):
            begun = fate.state is AttemptState.INTENT
            await connection.execute(
                _QUERIES["split_off"], number, row["at"] if begun else now, now + timedelta(seconds=fate.wait),
                row["partition"], len(part), row["channel"], int(fate.state), fate.tries,
                None if fate.state is AttemptState.TAKEN else row["job"], encode_block(part), row["batch"],
            )  # fmt: skip
            await connection.execute(_QUERIES["move_attempts"], number, part.ids, part.attempts)
        left = notices.pick(fates[stays])
        await connection.execute(_QUERIES["shrink"], row["batch"], len(left), encode_block(left))


def _packed(number: int, notices: Notices) -> list[bytes]:
    pack = _ATTEMPT.pack
    return [
        pack(3, ID_BYTES, notice, 2, attempt, 8, number)
        for notice, attempt in zip(notices.ids, notices.attempts, strict=True)
    ]


def _less(batch: Taken, fresh: set[Key]) -> Taken:
    """Return a batch with its `fresh` attempts alone, each once."""
    rows = []
    for row, key in enumerate(zip(batch.notices.ids, batch.notices.attempts, strict=True)):
        if key in fresh:
            fresh.remove(key)
            rows.append(row)
    if len(rows) == len(batch.notices):
        return batch
    notices = batch.notices.pick(rows)
    return batch._replace(notices=notices, block=encode_block(notices))


def _batches(rows: Iterable[asyncpg.Record]) -> list[Batch]:
    return [
        Batch(row[0], row["partition"], decode_block(row["block"]), row["tries"], row["at"], row["job"], row.get("run"))
        for row in rows
    ]
