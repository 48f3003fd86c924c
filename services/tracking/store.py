"""Tracking's rows: one method a named query, a batch in and a batch out."""

import struct
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from pathlib import Path

import orjson

from services.core.channel import Channel
from services.core.ledger import COUNTERS
from services.core.receipts import Receipt, ReceiptKind
from services.kit.postgres import Connection, Queries, binary_copy
from services.kit.stage import TotalsRow
from services.tracking.domain import Finding, Observed, Outcomes, Refusals, counters_of
from services.tracking.histories import History, Step, kept_history
from services.tracking.ledger import Totals
from services.tracking.said import Said
from services.tracking.stops import Kept

__all__ = ["Store"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

_COLUMNS = ("at", "cohort", "revision", "attempt", "state", "channel", "mark", "notice", "member")
# All of a row of `notices` in COPY's binary format but its two ids, sizes before values.
_HEAD = struct.Struct(">hiqiiiiiiihihii")
# Rows are written in the order of their keys: neighbours in the index cost PostgreSQL a third less work.
_BY_NOTICE = itemgetter(slice(_HEAD.size + 4, _HEAD.size + 20))
_ID = struct.pack(">i", 16)
# Of a notice that nothing but receipts were heard of.
_NO_COHORT = {"": 0}
_POSTGRES_EPOCH_MS = 946_684_800_000  # 2000-01-01, where PostgreSQL's timestamps count from


class Store:
    """Reads and writes tracking's own schema on the connection that it is given."""

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

    async def copy_outcomes(
        self, connection: Connection, blocks: Sequence[Outcomes], numbers: Mapping[str, int]
    ) -> None:
        """Write all notices of the blocks as new rows. Raises UniqueViolationError where one is there already."""
        rows = [row for block in blocks for row in _packed(block, numbers)]
        rows.sort(key=_BY_NOTICE)
        await connection.copy_to_table("notices", source=binary_copy(rows), columns=_COLUMNS, format="binary")

    async def lock_notices(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, Finding]:
        """Lock the rows that there are of these notices, and return what is known of them."""
        rows = await connection.fetch(_QUERIES["lock_notices"], list(notices))
        return {row["notice"]: Finding(*row) for row in rows}

    async def lock_histories(self, connection: Connection, notices: Collection[bytes]) -> dict[bytes, History]:
        """Lock the rows that there are of these notices, and return all that was heard of them."""
        return await self._histories(connection, await self.lock_notices(connection, notices))

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

    async def add_heard(self, connection: Connection, histories: Sequence[History]) -> None:
        """Write what was heard of notices beyond their rows, which are locked."""
        steps = [(one.notice, *step) for one in histories if one.needs_steps for step in sorted(one.steps)]
        if steps:
            await connection.execute(_QUERIES["add_steps"], *map(list, zip(*steps, strict=True)))
        receipts = [receipt for one in histories for receipt in sorted(one.receipts)]
        if receipts:
            await connection.execute(_QUERIES["add_receipts"], *map(list, zip(*receipts, strict=True)))

    async def find_notices(self, connection: Connection, first: bytes, last: bytes) -> list[bytes]:
        """Return the notices whose ids lie between these, both included."""
        return [row[0] for row in await connection.fetch(_QUERIES["find_notices"], first, last)]

    async def find_beginnings(
        self, connection: Connection, first: Sequence[bytes], last: Sequence[bytes]
    ) -> list[bytes]:
        """Return the notices whose ids lie between any two of these, both included."""
        return [row[0] for row in await connection.fetch(_QUERIES["find_beginnings"], list(first), list(last))]

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

    async def seen_by_reader(self, connection: Connection, notices: Sequence[bytes]) -> set[bytes]:
        """Return which of these were read, or came back."""
        rows = await connection.fetch(_QUERIES["seen_by_reader"], list(notices), int(ReceiptKind.READ))
        return {row[0] for row in rows}

    async def add_notices(
        self, connection: Connection, findings: Sequence[Finding], numbers: Mapping[str, int]
    ) -> set[bytes]:
        """Write new rows; return the notices that had none."""
        added = await connection.fetch(_QUERIES["add_notices"], *_columns(findings, numbers))
        return {row["notice"] for row in added}

    async def change_notices(
        self, connection: Connection, findings: Sequence[Finding], numbers: Mapping[str, int]
    ) -> None:
        """Write what is known now of notices whose rows are locked."""
        await connection.execute(_QUERIES["change_notices"], *_columns(findings, numbers))

    async def recount(self, connection: Connection, incident_id: str | None) -> dict[str, Counter[str]]:
        """Return what the notices' rows count for, by scope, of one incident or of all. Reads every row."""
        found: dict[str, Counter[str]] = {}
        for scope, state, channel, counted, notices in await connection.fetch(_QUERIES["recount"], incident_id):
            for counter in counters_of(state, channel, counted=counted):
                found.setdefault(scope, Counter())[counter] += notices
        odd = await connection.fetch(_QUERIES["read_odd_notices"], incident_id)
        histories = await self._histories(connection, {row["notice"]: Finding(*row) for row in odd})
        for history in histories.values():
            if counters := history.counters():
                found.setdefault(history.scope, Counter()).update(counters)
        for scope, channel, attempts in await connection.fetch(_QUERIES["recount_refusals"], incident_id):
            found.setdefault(scope, Counter())[f"refused_{Channel(channel).label}"] += attempts
        return found

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


def _packed(block: Outcomes, numbers: Mapping[str, int]) -> list[bytes]:
    """Pack a block's rows; rows that differ in their ids alone share all else."""
    at = (block.at - _POSTGRES_EPOCH_MS) * 1000
    heads: dict[tuple[str, int, int, int], bytes] = {}
    rows = []
    keys = zip(block.scopes, block.revisions, block.attempts, block.states, strict=True)
    for key, notice, member in zip(keys, block.notices, block.members, strict=True):
        head = heads.get(key)
        if head is None:
            scope, revision, attempt, state = key
            fixed = (8, at, 4, numbers[scope], 4, revision, 4, attempt, 2, state, 2, block.channel, 4, 0)
            head = heads[key] = _HEAD.pack(len(_COLUMNS), *fixed) + _ID
        rows.append(b"%b%b%b%b" % (head, notice, _ID, member))
    return rows


def _named(counts: Mapping[str, int] | list[int]) -> Mapping[str, int]:
    # A row of our own that was written before a counter was added is shorter.
    return dict(zip(COUNTERS["tracking"], counts, strict=False)) if isinstance(counts, list) else counts


def _columns(findings: Sequence[Finding], numbers: Mapping[str, int]) -> list[list[object]]:
    rows = [f._replace(scope=numbers[f.scope]) for f in findings]  # type: ignore[arg-type]  # its number stands for it
    return [list(column) for column in zip(*rows, strict=True)]
