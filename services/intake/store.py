"""Intake's rows: one method a named query, a batch in and a batch out."""

import struct
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from services.core.cohort import Cohort, Figures, Grant
from services.core.ids import ID_BYTES
from services.core.incident import KeyVersions
from services.core.variants import Certainty
from services.intake.domain import Chunk, Counts, DoneAct, Rejected, Stored, Uses
from services.kit.postgres import Connection, Queries, copy_packed
from services.kit.stage import TotalsRow

__all__ = ["Answer", "CohortRow", "IncidentRow", "LockedIncident", "Store", "TotalsState"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_COLUMNS = ("upload", "version", "cohort", "contact_since", "ref_block", "member", "pseudonym", "content", "likeness")
# A row of `members` in COPY's binary format has a size before each value. All rows of an upload begin with the same
# bytes, and the same size stands between the three ids of each: joining takes half the time of packing each row. Of
# likenesses, which come last, there are few sizes.
_ROW_BEGIN, _ID_SIZE = struct.Struct(">hiqiiiiiiiii"), struct.pack(">i", ID_BYTES)
_SIZES = [struct.pack(">i", size) for size in range(64)]
_WHOLE_RECORD = "*"  # in place of a field, where the record as a whole is wrong


class IncidentRow(NamedTuple):
    """An incident as it stands."""

    version: int
    document: bytes
    changed_at: datetime
    key_versions: KeyVersions


class LockedIncident(NamedTuple):
    """An incident, locked for its next version; version 0 = it is new."""

    version: int
    document: bytes
    key_versions: KeyVersions


class CohortRow(NamedTuple):
    """A cohort as it stands, with the number that its members carry."""

    number: int
    cohort: Cohort
    changed_at: datetime
    asked_by: str | None = None  # who asked for a release that somebody else has to approve; None = nobody
    approved_by: str | None = None
    asked: Grant = Grant()  # what was asked for
    paused_by: str | None = None  # a principal, or the rule; None = it is not paused, or as its incident is
    stopped: Mapping[str, Any] | None = None  # what a stop rule found, while that pause lasts

    @property
    def waits(self) -> bool:
        """Tell whether a release was asked for that nobody approved yet."""
        return self.asked_by is not None and self.approved_by is None


class TotalsState(NamedTuple):
    """The totals of a cohort, locked."""

    sequence: int
    counts: Counts
    first_at: datetime

    def row(self, source: str, scope: str, counts: Counts) -> TotalsRow:
        """Return the totals as they travel, once they are these counts."""
        sequence = self.sequence if counts == self.counts else self.sequence + 1
        return TotalsRow(source, source, scope, sequence, counts._asdict(), int(self.first_at.timestamp() * 1000))


class Answer(NamedTuple):
    """What was answered to an Idempotency-Key; `body` is the keyed hash of the request's."""

    body: bytes
    status: int
    answer: bytes


class Store:
    """Reads and writes intake's own schema on the connection that it is given."""

    async def lock_incident(
        self, connection: Connection, incident_id: str, newest: KeyVersions, now: datetime
    ) -> LockedIncident:
        """Lock an incident, known or not; a new one begins with the newest keys."""
        await connection.execute(_QUERIES["add_incident"], incident_id, now, newest._asdict())
        row = await connection.fetchrow(_QUERIES["lock_incident"], incident_id)
        assert row is not None  # noqa: S101 - just made, and rows are never deleted
        return LockedIncident(row["version"], row["document"], KeyVersions(**row["key_versions"]))

    async def change_incident(
        self, connection: Connection, incident_id: str, version: int, document: bytes, now: datetime
    ) -> None:
        """Write an incident's next version."""
        await connection.execute(_QUERIES["change_incident"], incident_id, version, document, now)

    async def count_versions(self, connection: Connection, incident_id: str, since: datetime) -> tuple[int, int]:
        """Return how many bytes an incident's versions have together, and how many of them came since."""
        row = await connection.fetchrow(_QUERIES["count_versions"], incident_id, since)
        assert row is not None  # noqa: S101 - an aggregate always has a row
        return row["size"], row["lately"]

    async def show_incident(self, connection: Connection, incident_id: str) -> IncidentRow | None:
        """Return an incident, if it is known."""
        row = await connection.fetchrow(_QUERIES["show_incident"], incident_id)
        return _incident(row) if row else None

    async def hold_incident(self, connection: Connection, incident_id: str) -> IncidentRow | None:
        """Return an incident, if it is known, and keep it from being changed until the transaction ends."""
        row = await connection.fetchrow(_QUERIES["hold_incident"], incident_id)
        return _incident(row) if row else None

    async def list_cohorts(self, connection: Connection, incident_id: str) -> list[CohortRow]:
        """Return the cohorts of an incident."""
        rows = await connection.fetch(_QUERIES["list_cohorts"], incident_id)
        return [_cohort(incident_id, row["cohort_id"], row) for row in rows]

    async def record_acts(self, connection: Connection, acts: Sequence[DoneAct], now: datetime) -> None:
        """Note who did what, in the transaction that does it."""
        await connection.execute(_QUERIES["record_acts"], now, *map(list, zip(*acts, strict=True)))

    async def list_acts(self, connection: Connection, incident_id: str, after: int, limit: int) -> list[asyncpg.Record]:
        """Return acts on an incident and its cohorts, up to `limit`, past the act of this number."""
        return await connection.fetch(_QUERIES["list_acts"], incident_id, after, limit)

    async def add_cohort(self, connection: Connection, cohort: Cohort, now: datetime) -> bool:
        """Open a cohort; tells whether it was not there yet. Raises ForeignKeyViolationError: no such incident."""
        given = cohort.incident_id, cohort.cohort_id, cohort.source, cohort.declared, cohort.auto_release, now
        more = cohort.release_after, cohort.group, cohort.paused_since
        return await connection.fetchval(_QUERIES["add_cohort"], *given, *more) is not None

    async def lock_cohort(self, connection: Connection, incident_id: str, cohort_id: str) -> CohortRow | None:
        """Lock a cohort for its next version: no chunk is being taken while it is held."""
        return await self._cohort("lock_cohort", connection, incident_id, cohort_id)

    async def hold_cohort(self, connection: Connection, incident_id: str, cohort_id: str) -> CohortRow | None:
        """Return a cohort and keep it from being changed until the transaction ends."""
        return await self._cohort("hold_cohort", connection, incident_id, cohort_id)

    async def show_cohort(self, connection: Connection, incident_id: str, cohort_id: str) -> CohortRow | None:
        """Return a cohort, if it is known."""
        return await self._cohort("show_cohort", connection, incident_id, cohort_id)

    async def change_cohort(self, connection: Connection, c: Cohort, now: datetime) -> None:
        """Write a cohort's next version."""
        state = (
            *(c.declared, c.auto_release, c.sealed, c.released, now, c.release_after, c.cancelled),
            *(c.paused_since, c.resumed_after, c.canary, c.per_day, c.counted_from, c.figures, c.figures_before),
        )
        await connection.execute(_QUERIES["change_cohort"], c.incident_id, c.cohort_id, c.version, *state)

    async def note_release(self, connection: Connection, row: CohortRow) -> None:
        """Write who asked for what release of a cohort, and who approved it."""
        given = row.cohort.incident_id, row.cohort.cohort_id, row.asked_by, row.approved_by, *row.asked
        await connection.execute(_QUERIES["note_release"], *given)

    async def show_uses(self, connection: Connection, number: int) -> Uses:
        """Return what the accepted members of a cohort use."""
        row = await connection.fetchrow(_QUERIES["show_uses"], number)
        if row is None:
            return Uses()
        return Uses(row["categories"], frozenset(row["languages"]), frozenset(map(Certainty, row["certainties"])))

    async def grow_uses(self, connection: Connection, number: int, uses: Uses) -> None:
        """Note what members use. Call it with the cohort's totals locked."""
        certainties = sorted(certainty.value for certainty in uses.certainties)
        given = number, uses.categories, sorted(uses.languages), certainties
        await connection.execute(_QUERIES["grow_uses"], *given)

    async def count_cohort(self, connection: Connection, scope: str) -> Counts:
        """Return what was counted of a cohort so far."""
        row = await connection.fetchrow(_QUERIES["count_cohort"], scope)
        return Counts(*row["counts"]) if row else Counts()

    async def copy_members(self, connection: Connection, chunk: Chunk, number: int) -> None:
        """Write all rows of a chunk as new members. Raises UniqueViolationError where one is known already."""
        # In the order of their keys: two uploads of the same people may wait for each other, but never in a ring.
        members, pseudonyms, contents = chunk.members, chunk.pseudonyms, chunk.contents
        order = sorted(range(len(members)), key=members.__getitem__)
        head = 8, chunk.upload, 4, 1, 4, number, 4, 1, 4, chunk.ref_block, ID_BYTES
        begin = _ROW_BEGIN.pack(len(_COLUMNS), *head)
        likenesses = [_sized(chunk.likenesses[at]) for at in order]
        ids = [_ID_SIZE.join((members[at], pseudonyms[at], contents[at])) for at in order]
        rows = begin.join([b"", *map(add, ids, likenesses)])
        await copy_packed(connection, "members", _COLUMNS, [rows])

    async def next_ref_block(self, connection: Connection) -> int:
        """Return a number for a block of memberRefs."""
        return int(await connection.fetchval(_QUERIES["next_reference_block"]))

    async def add_ref_block(self, connection: Connection, number: int, cohort: int, sealed: bytes) -> None:
        """Write a block of sealed memberRefs."""
        await connection.execute(_QUERIES["add_reference_block"], number, cohort, sealed)

    async def sealed_refs(self, connection: Connection, numbers: Sequence[int]) -> dict[int, bytes]:
        """Return blocks of sealed memberRefs by number."""
        return {row["number"]: row["sealed"] for row in await connection.fetch(_QUERIES["sealed_references"], numbers)}

    async def lock_members(self, connection: Connection, members: Sequence[bytes]) -> dict[bytes, Stored]:
        """Lock those of these members that are known, and return them by member."""
        rows = await connection.fetch(_QUERIES["lock_members"], members)
        return {row[0]: Stored(*row[1:]) for row in rows}

    async def add_members(self, connection: Connection, chunk: Chunk, rows: Sequence[int], number: int) -> set[bytes]:
        """Write rows as new members; returns the members that were new, the others another upload added meanwhile."""
        columns = ([column[row] for row in rows] for column in _stored(chunk))
        added = await connection.fetch(_QUERIES["add_members"], chunk.upload, number, chunk.ref_block, *columns)
        return {row["member"] for row in added}

    async def correct_members(
        self, connection: Connection, chunk: Chunk, rows: Sequence[int], versions: Sequence[int], since: Sequence[int]
    ) -> None:
        """Write the next versions of members that are locked; `since`: the versions that brought their contact data."""
        members, *said = ([column[row] for row in rows] for column in _stored(chunk))
        columns = members, versions, since, *said
        await connection.execute(_QUERIES["correct_members"], chunk.upload, chunk.ref_block, *columns)

    async def touch_members(self, connection: Connection, members: Sequence[bytes], upload: int) -> None:
        """Note that this upload repeated these members."""
        await connection.execute(_QUERIES["touch_members"], upload, members)

    async def rejected_before(self, connection: Connection, records: Sequence[bytes]) -> set[bytes]:
        """Return those of the records that are counted as rejected."""
        return {row["record"] for row in await connection.fetch(_QUERIES["rejected_before"], records)}

    async def still_rejected(self, connection: Connection, records: Sequence[bytes]) -> set[bytes]:
        """Return those of the records that are rejected, and were not withdrawn."""
        return {row["record"] for row in await connection.fetch(_QUERIES["still_rejected"], records)}

    async def lock_totals(self, connection: Connection, scope: str, now: datetime) -> TotalsState:
        """Lock a cohort's totals until the transaction ends, and return them."""
        row = await connection.fetchrow(_QUERIES["lock_totals"], scope, now)
        assert row is not None  # noqa: S101 - the query inserts it where it is missing
        return TotalsState(row["sequence"], Counts(*row["counts"]), row["first_at"])

    async def move_totals(self, connection: Connection, scope: str, sequence: int, counts: Counts) -> None:
        """Write a cohort's totals."""
        await connection.execute(_QUERIES["move_totals"], scope, sequence, list(counts))

    async def recount(self, connection: Connection, incident_id: str | None) -> dict[str, dict[str, int]]:
        """Return what rows there are of each cohort, of one incident or of all, by scope. Reads every row."""
        rows = await connection.fetch(_QUERIES["recount"], incident_id)
        return {
            scope: Counts(members + rejected + discarded, rejected, members + discarded, discarded)._asdict()
            for scope, members, rejected, discarded in rows
        }

    async def take_back_rejections(self, connection: Connection, records: Sequence[bytes]) -> list[bool]:
        """Forget that these records were rejected; tells of each that was whether it was withdrawn."""
        return [row["withdrawn"] for row in await connection.fetch(_QUERIES["take_back_rejections"], records)]

    async def list_rejected(
        self, connection: Connection, number: int, after: tuple[int, bytes], limit: int
    ) -> list[asyncpg.Record]:
        """Return rejected records of a cohort, up to `limit`, past this line and record."""
        return await connection.fetch(_QUERIES["list_rejected"], number, *after, limit)

    async def note_unsettled(
        self, connection: Connection, sequence: int, rows: Sequence[tuple[bytes, int, int]], now: datetime
    ) -> None:
        """Note what deduplication says of members: (member, version, `Unsettled`), each member once."""
        columns = map(list, zip(*rows, strict=True))
        await connection.execute(_QUERIES["note_unsettled"], sequence, now, *columns)

    async def note_unprinted(
        self,
        connection: Connection,
        why: str,
        fields: Sequence[str],
        rows: Sequence[tuple[bytes, int]],
        now: datetime,
    ) -> None:
        """Note members whose letters cannot be printed, or whose notice came back: (member, version), each once."""
        columns = map(list, zip(*rows, strict=True))
        await connection.execute(_QUERIES["note_unprinted"], now, list(fields), *columns, why)

    async def list_unsettled(
        self, connection: Connection, number: int, after: tuple[int, bytes], limit: int
    ) -> list[asyncpg.Record]:
        """Return members of a cohort that are held or told apart, up to `limit`, past this block and member."""
        return await connection.fetch(_QUERIES["list_unsettled"], number, *after, limit)

    async def rejected_as(self, connection: Connection, record: bytes) -> list[tuple[bytes, bool]]:
        """Return the record if it was rejected, and whether it was withdrawn."""
        return [tuple(row) for row in await connection.fetch(_QUERIES["rejected_as"], record)]

    async def rejected_on_line(self, connection: Connection, number: int, line: int) -> list[tuple[bytes, bool]]:
        """Return records of a cohort that were rejected on this line, two at most, and whether they were withdrawn."""
        return [tuple(row) for row in await connection.fetch(_QUERIES["rejected_on_line"], number, line)]

    async def withdraw_rejected(self, connection: Connection, record: bytes) -> None:
        """Note that a rejected record was taken back."""
        await connection.execute(_QUERIES["withdraw_rejected"], record)

    async def withdraw_member(self, connection: Connection, member: bytes) -> None:
        """Write the next version of a member that is locked: it says nothing."""
        await connection.execute(_QUERIES["withdraw_member"], member)

    async def ever_permitted(self, connection: Connection, incident_id: str) -> bool:
        """Tell whether any notice of an incident was ever let go."""
        return bool(await connection.fetchval(_QUERIES["ever_permitted"], incident_id))

    async def accepted_before(self, connection: Connection, records: Collection[bytes]) -> set[bytes]:
        """Return those of the records that are accepted members."""
        return {row["member"] for row in await connection.fetch(_QUERIES["accepted_before"], list(records))}

    async def add_rejections(
        self, connection: Connection, rejected: Sequence[Rejected], number: int, ref_block: int, now: datetime
    ) -> dict[bytes, bool | None]:
        """Write rejected records; those come back that are rejected anew, or otherwise than before.

        Of each it is told whether it had been withdrawn; None = it was not known as rejected.
        """
        columns: list[list[Any]] = [
            [r.record for r in rejected],
            [r.line for r in rejected],
            [",".join(fault.field or _WHOLE_RECORD for fault in r.faults) for r in rejected],
            [",".join(fault.problem for fault in r.faults) for r in rejected],
        ]
        rows = await connection.fetch(_QUERIES["add_rejections"], number, ref_block, now, *columns)
        return {row["record"]: row["withdrawn"] for row in rows}

    async def find_answer(self, connection: Connection, key: bytes) -> Answer | None:
        """Return what was answered to a key."""
        row = await connection.fetchrow(_QUERIES["find_answer"], key)
        return Answer(*row) if row else None

    async def keep_answer(self, connection: Connection, key: bytes, answer: Answer, now: datetime) -> bool:
        """Remember an answer; tells whether the key had none yet."""
        return await connection.fetchval(_QUERIES["keep_answer"], key, *answer, now) is not None

    async def take_event(self, connection: Connection, event: bytes, now: datetime) -> bool:
        """Note an event; tells whether it was not taken before."""
        return await connection.fetchval(_QUERIES["take_event"], event, now) is not None

    async def forget(self, connection: Connection, before: datetime, limit: int) -> None:
        """Drop answers and events from before that time, up to `limit` of each."""
        await connection.execute(_QUERIES["forget_answers"], before, limit)
        await connection.execute(_QUERIES["forget_events"], before, limit)

    async def forget_settled(self, connection: Connection, before: datetime, limit: int) -> int:
        """Drop members that are nobody's work since before that time, up to `limit`; returns how many went."""
        return int(await connection.fetchval(_QUERIES["forget_settled"], before, limit))

    async def _cohort(self, query: str, connection: Connection, incident_id: str, cohort_id: str) -> CohortRow | None:
        row = await connection.fetchrow(_QUERIES[query], incident_id, cohort_id)
        return _cohort(incident_id, cohort_id, row) if row else None


def _incident(row: asyncpg.Record) -> IncidentRow:
    return IncidentRow(row["version"], row["document"], row["changed_at"], KeyVersions(**row["key_versions"]))


def _cohort(incident_id: str, cohort_id: str, row: asyncpg.Record) -> CohortRow:
    cohort = Cohort(
        incident_id=incident_id,
        cohort_id=cohort_id,
        version=row["version"],
        source=row["source"],
        declared=row["declared"],
        auto_release=row["auto_release"],
        sealed=row["sealed"],
        released=row["released"],
        release_after=tuple(row["release_after"]),
        cancelled=row["cancelled"],
        paused_since=row["paused_since"],
        resumed_after=tuple(row["resumed_after"]),
        canary=row["canary"],
        per_day=row["per_day"],
        group=row["word_group"],
        counted_from=row["counted_from"],
        figures=Figures(*row["figures"]),
        figures_before=Figures(*row["figures_before"]),
    )
    asked = Grant(row["asked_canary"], row["asked_per_day"])
    return CohortRow(
        *(row["number"], cohort, row["changed_at"], row["release_asked_by"], row["release_approved_by"], asked),
        *(row["paused_by"], row["stopped"]),
    )


def _stored(chunk: Chunk) -> tuple[list[bytes], list[bytes], list[bytes], list[bytes]]:
    return chunk.members, chunk.pseudonyms, chunk.contents, chunk.likenesses


def _sized(value: bytes) -> bytes:
    return _SIZES[len(value)] + value
