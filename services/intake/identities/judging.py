"""An operator settles a conflict: what is said of records is written, and told to deduplication behind the records.

It is answered once the log has it: it stops notices as a withdrawal does, and whoever said it relies on it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from notification.topics import MEMBERS_ACCEPTED

from services.core.access import Act, Caller
from services.intake.codec import BlockHeader, Judged, SeenRecord, encode_judged
from services.intake.context import SOURCE, Context
from services.intake.domain import DoneAct
from services.intake.errors import ConflictError, NotFoundError
from services.intake.heard import wait_heard
from services.intake.homes import places_of
from services.intake.identities.judgements import NamedRecord, People, Said, disputed, said_before
from services.intake.identities.rows import IdentityRows, LockedRecord
from services.intake.store import CohortRow, IncidentRow
from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import Connection
from services.wire.incident_document import parse_incident

__all__ = ["Judging"]


class _Found(NamedTuple):
    """Records that something is said of, locked, with their incident and cohorts kept as they are."""

    incident_id: str
    incident: IncidentRow
    cohorts: Mapping[str, CohortRow]
    records: Sequence[LockedRecord]


class Judging:
    """The use cases of settling conflicts."""

    def __init__(self, context: Context) -> None:
        self._context, self._rows = context, IdentityRows()

    async def settle(self, caller: Caller, incident_id: str, said: Said) -> dict[str, Any]:
        """Say whose records are; return the judgement, as JSON. The same again is the same judgement.

        Raises NotFoundError, and ConflictError where a record was corrected or withdrawn since it was seen, where the
        records have different identities, or where it cannot be true together with another judgement;
        NotPublishedError where it is written, and nobody has heard of it yet.
        """
        caller.act = Act.IDENTITY_SETTLED
        async with self._context.pool.acquire() as connection, connection.transaction():
            incident = await self._incident(connection, caller, incident_id)
            wanted = self._wanted(incident_id, incident, said.records)
            found = await self._lock(connection, incident_id, incident, wanted)
            _check_as_seen(found.records, wanted)
            await self._check_home(connection, incident_id, found.records)
            seen = {one.member: one.version for one in found.records}
            standing = await self._rows.connected(connection, incident_id, seen)
            number = before = said_before(standing, said.people, seen)
            if number is None:
                if other := disputed(standing, said.people, seen):
                    raise ConflictError(f"it cannot be true together with judgement {other}: undo that first")
                number = await self._put(connection, caller, said, found)
            places = await self._places(connection, found)
            answer = await self._answer(
                connection, incident_id, number, said.people, undone=False, changed=before is None
            )
        await self._wait_heard(incident_id, number, places)
        return answer

    async def unsettle(self, caller: Caller, incident_id: str, number: int) -> dict[str, Any]:
        """Undo a judgement; return it, as JSON. What was told by it stays. Raises NotFoundError, NotPublishedError."""
        caller.act = Act.IDENTITY_UNSETTLED
        async with self._context.pool.acquire() as connection, connection.transaction():
            incident = await self._incident(connection, caller, incident_id)
            locked = await self._rows.lock_judgement(connection, incident_id, number)
            if locked is None:
                raise NotFoundError("judgement")
            people, undone = locked
            seen = await self._rows.judged_records(connection, number)
            found = await self._lock(connection, incident_id, incident, seen)
            if not undone:
                await self._rows.undo_judgement(connection, number, caller.principal.name, self._context.clock.now())
                records = [seen[one.member]._replace(pseudonym=one.pseudonym) for one in found.records]
                judged = Judged(number, people is People.ONE, True, records)
                await self._tell(connection, caller, Act.IDENTITY_UNSETTLED, found, judged)
            places = await self._places(connection, found)
            answer = await self._answer(connection, incident_id, number, people, undone=True, changed=not undone)
        await self._wait_heard(incident_id, number, places)
        return answer

    async def _incident(self, connection: Connection, caller: Caller, incident_id: str) -> IncidentRow:
        incident = await self._context.store.hold_incident(connection, incident_id)
        if incident is None:
            raise NotFoundError("incident")
        caller.incident_id = incident_id
        return incident

    def _wanted(self, incident_id: str, row: IncidentRow, records: Sequence[NamedRecord]) -> dict[bytes, NamedRecord]:
        """Return the records by their ids. Raises ConflictError where one is named twice."""
        incident = parse_incident(incident_id, row.version, orjson.loads(row.document), row.key_versions)
        hashes = self._context.hashes.of(incident)
        wanted = {one.record or hashes.members(one.cohort_id).of(one.member_ref): one for one in records}
        if len(wanted) < len(records):
            raise ConflictError("a record is named twice")
        return wanted

    async def _lock(
        self, connection: Connection, incident_id: str, incident: IncidentRow, wanted: Collection[bytes]
    ) -> _Found:
        """Lock records: cohorts first, as chunks do. Raises NotFoundError where one is not there, or was rejected."""
        cohorts: dict[str, CohortRow] = {}
        for cohort_id in await self._rows.cohorts_of(connection, incident_id, wanted):
            held = await self._context.store.hold_cohort(connection, incident_id, cohort_id)
            assert held is not None  # noqa: S101 - the record is in it, and cohorts are never deleted
            cohorts[cohort_id] = held
        records = await self._rows.lock_records(connection, incident_id, wanted)
        if len(records) < len(wanted):
            raise NotFoundError("record")
        return _Found(incident_id, incident, cohorts, records)

    async def _check_home(self, connection: Connection, incident_id: str, records: Sequence[LockedRecord]) -> None:
        pseudonyms = {one.pseudonym for one in records}
        homes = await self._rows.find_homes(connection, incident_id, pseudonyms)
        if len({homes[one].home if one in homes else one for one in pseudonyms}) > 1:
            raise ConflictError("they have different identities: they are different people, unless these are tied")

    async def _put(self, connection: Connection, caller: Caller, said: Said, found: _Found) -> int:
        now, name = self._context.clock.now(), caller.principal.name
        number = await self._rows.add_judgement(connection, found.incident_id, said, name, now)
        await self._rows.add_judged(connection, number, found.records)
        records = [SeenRecord(one.member, one.version, one.pseudonym, one.witnesses) for one in found.records]
        judged = Judged(number, said.people is People.ONE, False, records)
        await self._tell(connection, caller, Act.IDENTITY_SETTLED, found, judged)
        return number

    async def _tell(self, connection: Connection, caller: Caller, act: Act, found: _Found, judged: Judged) -> None:
        """Note who did it, and send it to where the records are at home."""
        incident_id, store, now = found.incident_id, self._context.store, self._context.clock.now()
        first = found.cohorts[found.records[0].cohort_id]
        detail = {"judgement": judged.number, "people": "one" if judged.are_one else "different"}
        acts = [
            DoneAct.of(caller, act, found.cohorts[one.cohort_id].cohort, member=one.member, detail=detail)
            for one in found.records
        ]
        await store.record_acts(connection, acts, now)
        scope = f"{incident_id}/{first.cohort.cohort_id}"
        totals = await store.lock_totals(connection, scope, now)
        header = BlockHeader(
            incident_id,
            found.incident.version,
            first.cohort.cohort_id,
            first.cohort.version,
            int(now.timestamp() * 1000),
            totals.row(SOURCE, scope, totals.counts),
        )
        block, places = encode_judged(header, judged), await self._places(connection, found)
        await append_outputs(connection, SOURCE, [Output(MEMBERS_ACCEPTED, place, block) for place in places])

    async def _places(self, connection: Connection, found: _Found) -> list[int]:
        """Return the partitions where records are at home."""
        pseudonyms = [one.pseudonym for one in found.records]
        homes = await self._rows.find_homes(connection, found.incident_id, pseudonyms)
        return sorted({*places_of(pseudonyms, self._context.partitions, homes)})

    async def _wait_heard(self, incident_id: str, number: int, places: Sequence[int]) -> None:
        """Wait until deduplication can hear of a judgement. Raises NotPublishedError."""
        about: dict[str, str | int] = {"incidentId": incident_id, "judgement": number}
        for place in places:
            await wait_heard(self._context, f"judgement {number}", topic=MEMBERS_ACCEPTED, partition=place, **about)

    async def _answer(
        self, connection: Connection, incident_id: str, number: int, people: People, *, undone: bool, changed: bool
    ) -> dict[str, Any]:
        # What is on its way to somebody is not known here. Before the first permission there can be nothing.
        maybe = await self._context.store.ever_permitted(connection, incident_id)
        return {
            "incidentId": incident_id,
            "judgement": number,
            "people": people.value,
            "undone": undone,
            "changed": changed,
            "told": "maybe" if maybe else "no",
        }


def _check_as_seen(records: Sequence[LockedRecord], wanted: Mapping[bytes, NamedRecord]) -> None:
    for one in records:
        version = wanted[one.member].version
        if version not in {None, one.version}:
            raise ConflictError(f"record {one.member.hex()} was corrected since: it has version {one.version} now")
        if one.withdrawn:
            raise ConflictError(f"record {one.member.hex()} was withdrawn")
