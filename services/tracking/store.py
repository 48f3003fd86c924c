"""Tracking's rows: one method a named query, a batch in and a batch out."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg
import orjson

from services.core.channel import Channel
from services.core.ledger import COUNTERS
from services.core.receipts import Receipt, ReceiptKind
from services.kit.postgres import Connection, Queries
from services.kit.stage import TotalsRow
from services.tracking.blocks import Blocks
from services.tracking.domain import Finding, Observed, Outcomes, Refusals, counters_of
from services.tracking.histories import History, Step, kept_history
from services.tracking.ledger import Totals
from services.tracking.packing import number_at, pack, pack_known
from services.tracking.said import Said
from services.tracking.stops import Kept

__all__ = ["Store"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

_AT_ONCE: Final = 2048  # notices that are recounted, with all that was heard of them: some 6 MB
# Of a notice that nothing but receipts were heard of.
_NO_COHORT = {"": 0}


class Store:
    """Reads and writes tracking's own schema on the connection that it is given. One for a process."""

    def __init__(self, blocks: Blocks | None = None) -> None:
        """Make one that knows of no notices yet: `blocks` are those of its process."""
        self.blocks = blocks or Blocks()

    async def number_cohorts(self, connection: Connection, scopes: Collection[str]) -> dict[str, int]:
        """Return each scope its number, a new one where it has none."""
        named = [scope for scope in scopes if scope]
        numbers = await self._numbers(connection, named) if named else {}
        if len(numbers) < len(named):
            await connection.execute(_QUERIES["add_cohorts"], [scope for scope in named if scope not in numbers])
            numbers = await self._numbers(connection, named)
        return numbers | _NO_COHORT

    async def _numbers(self, connection: Connection, scopes: Collection[str]) -> dict[str, int]:
        return {row[0]: row[1] for row in await connection.fetch(_QUERIES["number_cohorts"], list(scopes))}

    async def catch_up(self, connection: Connection) -> None:
        """Read which notices became known since the last time."""
        await self.blocks.catch_up(connection)

    async def hold(self, connection: Connection) -> None:
        """Keep all others from writing of notices until the transaction ends. Call it before anything is written."""
        await self.blocks.hold(connection)

    def take(self, notices: Sequence[bytes]) -> list[int]:
        """Return which of these, by their positions, may be known; the others are to be written (`Blocks.take`)."""
        return self.blocks.take(b"".join(notices))

    async def add_blocks(self, connection: Connection, blocks: Sequence[Outcomes], numbers: Mapping[str, int]) -> None:
        """Write what was heard of notices that were not known and come once, a row a block."""
        await self.blocks.add(connection, [pack(block, numbers) for block in blocks])

    async def read_notices(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, Finding]:
        """Return what the rows of these notices say, as far as they have rows of their own."""
        rows = await connection.fetch(_QUERIES["read_notices"], list(notices))
        return {row["notice"]: Finding(*row) for row in rows}

    async def read_histories(
        self, connection: Connection, notices: Collection[bytes]
    ) -> tuple[dict[bytes, History], set[bytes]]:
        """Return all that was heard of these notices, as far as they are known, and which have rows of their own."""
        own = await self.read_notices(connection, notices)
        others = set(notices) - own.keys()
        packed = await self.blocks.find(connection, others) if others else {}
        return await self._histories(connection, own | packed), set(own)

    async def _histories(self, connection: Connection, known: Mapping[bytes, Finding]) -> dict[bytes, History]:
        if not known:
            return {}
        steps: dict[bytes, set[Step]] = {}
        for notice, *step in await connection.fetch(_QUERIES["read_steps"], list(known)):
            steps.setdefault(notice, set()).add(Step(*step))
        receipts: dict[bytes, set[Receipt]] = {}
        for row in await connection.fetch(_QUERIES["read_receipts"], list(known)):
            receipts.setdefault(row["notice"], set()).add(Receipt(*row))
        return {
            notice: kept_history(finding, steps.get(notice, ()), receipts.get(notice, ()))
            for notice, finding in known.items()
        }

    async def add_steps(self, connection: Connection, steps: Sequence[tuple[bytes, int, int, int, int]]) -> None:
        """Write what our own rooms said of notices beyond their rows, or their blocks: ids, and `Step`s."""
        await connection.execute(_QUERIES["add_steps"], *map(list, zip(*steps, strict=True)))

    async def add_receipts(self, connection: Connection, receipts: Sequence[Receipt]) -> None:
        """Write what receipts say of notices."""
        await connection.execute(_QUERIES["add_receipts"], *map(list, zip(*receipts, strict=True)))

    async def find_beginnings(self, connection: Connection, beginnings: Collection[bytes]) -> list[bytes]:
        """Return the notices whose ids begin so, of those that are known here (`catch_up`).

        `beginnings` have BEGINNING_BYTES each (`wire.references`).
        """
        return await self.blocks.find_beginnings(connection, set(beginnings))

    async def put_inbox(self, connection: Connection, rows: Sequence[Said], now: datetime) -> None:
        """Write down what was said of attempts."""
        await connection.execute(_QUERIES["put_inbox"], now, *map(list, zip(*rows, strict=True)))

    async def inbox_due(self, connection: Connection, now: datetime, limit: int) -> list[Said]:
        """Lock and return what is to be looked at."""
        return [Said(*row) for row in await connection.fetch(_QUERIES["inbox_due"], now, limit)]

    async def end_inbox(self, connection: Connection, rows: Sequence[Said]) -> None:
        """Drop what is among the receipts now."""
        if rows:
            await connection.execute(_QUERIES["end_inbox"], *map(list, zip(*rows, strict=True)))

    async def wait_inbox(self, connection: Connection, rows: Sequence[Said], now: datetime) -> None:
        """Let what names an unknown notice wait longer."""
        if rows:
            await connection.execute(_QUERIES["wait_inbox"], now, [one.named for one in rows])

    async def add_unread(
        self, connection: Connection, incident_id: str, at: int, notices: bytes, attempts: Sequence[int]
    ) -> None:
        """Wait for the readers of messages that were accepted then."""
        await connection.execute(_QUERIES["add_unread"], incident_id, at, notices, list(attempts))

    async def take_unread(
        self, connection: Connection, incident_id: str, until: datetime, limit: int
    ) -> list[tuple[int, bytes, list[int]]]:
        """Return blocks of messages accepted until then: when, ids and attempts. They are waited for no more."""
        rows = await connection.fetch(_QUERIES["take_unread"], incident_id, until, limit)
        return [(row[0], row[1], row[2]) for row in rows]

    async def seen_by_reader(
        self, connection: Connection, attempts: Collection[tuple[bytes, int]], channel: int, at: int
    ) -> set[tuple[bytes, int]]:
        """Return which of these attempts were read, or came back: notices and numbers, accepted on a channel then."""
        notices, numbers = map(list, zip(*attempts, strict=True))
        about = notices, numbers, channel, at, int(ReceiptKind.READ)
        return {(row[0], row[1]) for row in await connection.fetch(_QUERIES["seen_by_reader"], *about)}

    async def add_notices(
        self, connection: Connection, findings: Sequence[Finding], numbers: Mapping[str, int]
    ) -> None:
        """Write rows of notices that have none of their own."""
        await connection.execute(_QUERIES["add_notices"], *_columns(findings, numbers))

    async def add_known(self, connection: Connection, findings: Sequence[Finding]) -> None:
        """Note that these notices are known, which no block says."""
        await self.blocks.add_known(connection, pack_known([one.notice for one in findings], findings[0].at))

    async def change_notices(
        self, connection: Connection, findings: Sequence[Finding], numbers: Mapping[str, int]
    ) -> None:
        """Write what is known now of notices that have rows of their own."""
        await connection.execute(_QUERIES["change_notices"], *_columns(findings, numbers))

    async def recount(self, connection: Connection, incident_id: str | None) -> dict[str, Counter[str]]:
        """Return what the notices' rows count for, by scope, of one incident or of all. Reads every row.

        In a transaction. It holds some thousands of notices at once, a few megabytes, however many there are.
        """
        found: dict[str, Counter[str]] = {}
        await self._recount_blocks(connection, found)
        async for rows in _pieces(connection, "read_odd_notices"):
            await self._count_histories(connection, [Finding(*row) for row in rows], found)
        for scope, state, channel, counted, notices in await connection.fetch(_QUERIES["recount"]):
            _count_alike(found, scope, state, channel, notices, counted=counted)
        for scope, channel, attempts in await connection.fetch(_QUERIES["recount_refusals"]):
            found.setdefault(scope, Counter())[f"refused_{Channel(channel).label}"] += attempts
        beginning = f"{incident_id}/" if incident_id else ""
        return {scope: counts for scope, counts in found.items() if scope.startswith(beginning)}

    async def _recount_blocks(self, connection: Connection, found: dict[str, Counter[str]]) -> None:
        """Count blocks whole, less the notices of which more is known.

        Of those, who have no rows of their own are counted by their histories.
        """
        standing = await self.blocks.count_standing(connection)
        known = await self.blocks.name_cohorts(connection, {number for number, _, _ in standing})
        names = {number: known.get(number, f"?/{number}") for number, _, _ in standing}
        async for rows in _pieces(connection, "read_odd_entries"):
            numbers = [number_at(row["cohorts"]) for row in rows]
            said = [_said_by_block(row, names[number]) for row, number in zip(rows, numbers, strict=True)]
            standing.subtract((number, one.state, one.channel) for number, one in zip(numbers, said, strict=True))
            left = [one for row, one in zip(rows, said, strict=True) if not row["own"]]
            await self._count_histories(connection, left, found)
        for (number, state, channel), notices in standing.items():
            _count_alike(found, names[number], state, channel, notices, counted=True)

    async def _count_histories(
        self, connection: Connection, findings: Sequence[Finding], found: dict[str, Counter[str]]
    ) -> None:
        histories = await self._histories(connection, {one.notice: one for one in findings})
        for one in findings:  # one that stands in two blocks counts twice, as nothing else would show that
            if counters := histories[one.notice].counters():
                found.setdefault(one.scope, Counter()).update(counters)

    async def add_refusals(
        self, connection: Connection, refusals: Refusals, numbers: Mapping[str, int]
    ) -> Counter[int]:
        """Note attempts that were refused; return how many were new, by the number of their cohort."""
        cohorts = [numbers[scope] for scope in refusals.scopes]
        given = refusals.channel, cohorts, list(refusals.attempts), list(refusals.notices)
        return Counter(row[0] for row in await connection.fetch(_QUERIES["add_refusals"], *given))

    async def sum_figures(self, connection: Connection, scopes: Collection[str]) -> dict[str, dict[str, int]]:
        """Return what was counted here of these cohorts, by name."""
        found: dict[str, dict[str, int]] = {}
        for scope, place, count in await connection.fetch(_QUERIES["sum_figures"], list(scopes)):
            found.setdefault(scope, {})[COUNTERS["tracking"][place - 1]] = count
        return found

    async def read_stops(self, connection: Connection, scopes: Collection[str]) -> dict[str, Kept]:
        """Return where stop rules stand with these cohorts; those of which nothing was ever kept are left out."""
        rows = await connection.fetch(_QUERIES["read_stops"], list(scopes))
        return {row["scope"]: Kept(row["counted_from"], row["before"], row["found"]) for row in rows}

    async def keep_stop(self, connection: Connection, scope: str, kept: Kept) -> None:
        """Write where stop rules stand with a cohort."""
        await connection.execute(_QUERIES["keep_stop"], scope, *kept)

    async def note_observed(self, connection: Connection, observed: Observed) -> None:
        """Note what had begun when a cohort was paused, on one channel and in one partition."""
        about = observed.incident_id, observed.pause_id
        await connection.execute(_QUERIES["note_observed"], observed.partition, observed.channel, *about)
        if observed.notices:
            begun = list(observed.notices), list(observed.attempts)
            await connection.execute(_QUERIES["add_begun"], observed.channel, *about, *begun)

    async def count_observed(self, connection: Connection, incident_id: str, pause_id: str) -> dict[int, int]:
        """Return by channel how many partitions have reported of a pause."""
        return {row[0]: row[1] for row in await connection.fetch(_QUERIES["count_observed"], incident_id, pause_id)}

    async def list_begun(self, connection: Connection, incident_id: str, pause_id: str) -> list[tuple[bytes, int, int]]:
        """Return what had begun when a cohort was paused: notice, channel, attempt."""
        return [
            (row[0], row[1], row[2]) for row in await connection.fetch(_QUERIES["list_begun"], incident_id, pause_id)
        ]

    async def keep_totals(self, connection: Connection, rows: Collection[TotalsRow]) -> None:
        """Keep totals where they are higher than those known; one row a source and scope."""
        values = [(r.scope, r.stage, r.source, r.sequence, orjson.dumps(r.counts).decode(), r.at) for r in rows]
        await connection.execute(_QUERIES["keep_totals"], *zip(*values, strict=True))

    async def read_totals(self, connection: Connection, prefix: str) -> list[Totals]:
        """Return what every stage counted of scopes that begin with `prefix`, as of one moment."""
        rows = await connection.fetch(_QUERIES["read_totals"], prefix)
        return [Totals(row["stage"], row["scope"], _named(row["counts"]), row["first_at"]) for row in rows]


async def _pieces(connection: Connection, query: str) -> AsyncIterator[list[asyncpg.Record]]:
    """Return the rows of a query, some thousands at once, which others may be asked between."""
    cursor = await connection.cursor(_QUERIES[query])
    while rows := await cursor.fetch(_AT_ONCE):
        yield rows


def _said_by_block(row: asyncpg.Record, scope: str) -> Finding:
    state, attempt = number_at(row["states"]), number_at(row["attempts"])
    return Finding(row["notice"], scope, None, 0, state, attempt, row["at"], row["channel"])


def _count_alike(
    found: dict[str, Counter[str]], scope: str, state: int, channel: int, notices: int, *, counted: bool
) -> None:
    for counter in counters_of(state, channel, counted=counted):
        found.setdefault(scope, Counter())[counter] += notices


def _named(counts: Mapping[str, int] | list[int]) -> Mapping[str, int]:
    # A row of our own that was written before a counter was added is shorter.
    return dict(zip(COUNTERS["tracking"], counts, strict=False)) if isinstance(counts, list) else counts


def _columns(findings: Sequence[Finding], numbers: Mapping[str, int]) -> list[list[object]]:
    rows = [f._replace(scope=numbers[f.scope]) for f in findings]  # type: ignore[arg-type]  # its number stands for it
    return [list(column) for column in zip(*rows, strict=True)]
