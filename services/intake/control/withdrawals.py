"""Records that their source, or an operator, takes back: in the transaction of whoever calls.

An accepted member gets its next version, which says nothing but that it was withdrawn, in its own partition. A rejected
record is rejected no more: it counts as accepted, and as discarded. Both come back with a later upload of theirs.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from notification.topics import MEMBERS_ACCEPTED, TOTALS_CHANGED

from services.core.access import Act
from services.core.incident import Incident
from services.core.numbers import whole
from services.intake.codec import BlockHeader, encode_members
from services.intake.context import SOURCE, Context
from services.intake.control.cohorts import Cohorts
from services.intake.domain import Counts, DoneAct, Stored, withdrawal_of
from services.intake.errors import ConflictError, NotFoundError, UnknownMemberError
from services.intake.homes import places_of
from services.intake.identities.rows import IdentityRows
from services.intake.records.record import readable_ref
from services.intake.store import CohortRow
from services.kit.eventlog import Output
from services.wire.totals import encode_totals

__all__ = ["Found", "Named", "Withdrawals", "read_named"]

_MOST_LINES = 10**12


class Named(NamedTuple):
    """How a record is named: by its memberRef, or a rejected one by the line on which it came."""

    member_ref: str | None
    line: int | None = None


class Found(NamedTuple):
    """The record that was named, its cohort locked, its incident kept from being changed."""

    incident: Incident
    row: CohortRow
    record: bytes
    member: Stored | None  # None = it is a rejected record
    withdrawn: bool  # it was taken back before


def read_named(body: Any) -> tuple[Named, list[dict[str, str]]]:
    """Read which record is meant; returns it with all problems in it."""
    if not isinstance(body, dict):
        return Named(None), [{"field": "", "problem": "must be a JSON object"}]
    problems = [
        {"field": key[:64], "problem": "is not a field of a withdrawal"}
        for key in sorted(set(body) - {"memberRef", "line"})
    ]
    ref, line = whole(body.get("memberRef")), whole(body.get("line"))
    if (ref is None) == (line is None):
        problems.append({"field": "memberRef", "problem": "either memberRef or line must be given"})
    if ref is not None:
        ref = readable_ref(str(ref)) if isinstance(ref, str | int) and not isinstance(ref, bool) else None
        if ref is None:
            problems.append({"field": "memberRef", "problem": "must be a text of 1 to 64 characters"})
    if line is not None and not (type(line) is int and 0 < line < _MOST_LINES):
        problems.append({"field": "line", "problem": "must be a whole number, 1 or more"})
    return Named(ref, line), problems


@dataclass(frozen=True, slots=True)
class Withdrawals:
    """Takes records of a cohort back, for one caller."""

    context: Context
    cohorts: Cohorts

    async def find(self, incident_id: str, cohort_id: str, named: Named) -> Found:
        """Find the record, and lock its cohort against chunks until the transaction ends.

        Raises NotFoundError, UnknownMemberError, and ConflictError where a line names more than one record.
        """
        incident = await self.cohorts.hold_incident(incident_id)
        if incident is None:
            raise NotFoundError("cohort")
        row = await self.cohorts.lock(Act.RECORD_WITHDRAWN, incident_id, cohort_id)
        store, connection = self.cohorts.store, self.cohorts.connection
        if named.member_ref is None:
            records = await store.rejected_on_line(connection, row.number, named.line or 0)
        else:
            record = self.context.hashes.of(incident).members(cohort_id).of(named.member_ref)
            member = (await store.lock_members(connection, [record])).get(record)
            if member:
                return Found(incident, row, record, member, withdrawn=member.withdrawn)
            records = await store.rejected_as(connection, record)
        if not records:
            raise UnknownMemberError("record")
        if len(records) > 1:
            raise ConflictError("several uploads had a rejected record on this line: name it by its memberRef")
        return Found(incident, row, records[0][0], None, withdrawn=records[0][1])

    async def take_back(self, found: Found) -> list[Output]:
        """Withdraw a record that was found, and note who did it; returns the blocks to send.

        What is withdrawn already stays as it is.
        """
        if found.withdrawn:
            return []
        cohorts, cohort = self.cohorts, found.row.cohort
        act = DoneAct.of(cohorts.caller, Act.RECORD_WITHDRAWN, cohort, member=found.record)
        outputs = await (self._member(found, found.member) if found.member else self._rejected(found))
        await cohorts.store.record_acts(cohorts.connection, [act], cohorts.now)
        self.context.metrics.withdrawn.inc()
        return outputs

    async def place_of(self, found: Found) -> int | None:
        """Return the partition that hears of a record's withdrawal; None for a rejected one, of which nobody hears."""
        if found.member is None:
            return None
        pseudonyms = [found.member.pseudonym]
        homes = await IdentityRows().find_homes(self.cohorts.connection, found.row.cohort.incident_id, pseudonyms)
        return places_of(pseudonyms, self.context.partitions, homes)[0]

    async def _member(self, found: Found, member: Stored) -> list[Output]:
        cohorts, cohort = self.cohorts, found.row.cohort
        await cohorts.store.withdraw_member(cohorts.connection, found.record)
        totals = await cohorts.store.lock_totals(cohorts.connection, _scope(found), cohorts.now)
        header = BlockHeader(
            cohort.incident_id,
            found.incident.version,
            cohort.cohort_id,
            cohort.version,
            int(cohorts.now.timestamp() * 1000),
            totals.row(SOURCE, _scope(found), totals.counts),
        )
        homes = await IdentityRows().find_homes(cohorts.connection, cohort.incident_id, [member.pseudonym])
        block = withdrawal_of(found.record, member, self.context.partitions, homes)
        return [Output(MEMBERS_ACCEPTED, block.partition, encode_members(header, block))]

    async def _rejected(self, found: Found) -> list[Output]:
        cohorts, scope = self.cohorts, _scope(found)
        before = await cohorts.store.lock_totals(cohorts.connection, scope, cohorts.now)
        await cohorts.store.withdraw_rejected(cohorts.connection, found.record)
        received, rejected, accepted, discarded = before.counts
        counts = Counts(received, rejected - 1, accepted + 1, discarded + 1)
        await cohorts.store.move_totals(cohorts.connection, scope, before.sequence + 1, counts)
        return [Output(TOTALS_CHANGED, 0, encode_totals([before.row(SOURCE, scope, counts)]))]


def _scope(found: Found) -> str:
    return f"{found.row.cohort.incident_id}/{found.row.cohort.cohort_id}"
