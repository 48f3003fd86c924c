"""Events of one transaction: what each of them changes, and which of them are set aside."""

from datetime import datetime

import orjson

from services.core.access import Act, Caller
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.context import SOURCE, Context
from services.intake.control.changes import sealed
from services.intake.control.cohorts import Cohorts
from services.intake.control.withdrawals import Withdrawals
from services.intake.domain import Chunk, DoneAct
from services.intake.errors import (
    ConflictError,
    InvalidEventError,
    NotFoundError,
    NotPermittedError,
    UnknownMemberError,
)
from services.intake.events.cloudevents import NOT_PERMITTED, CohortOpened, Event, MembersAffected, MemberWithdrawn
from services.intake.members.acceptance import Acceptance
from services.intake.members.chunks import CHUNK_RECORDS, ChunkBuilder
from services.intake.reading.ndjson import read_object
from services.kit.errors import HerautError, InvalidMessage
from services.kit.eventlog import Output, dead_letter
from services.kit.postgres import Connection
from services.kit.principals import Accounts

__all__ = ["EventBatch", "scope_of"]

_REASONS: dict[type[HerautError], str] = {
    NotFoundError: "unknown-cohort",
    UnknownMemberError: "unknown-member",
    ConflictError: "conflict",
    NotPermittedError: NOT_PERMITTED,
}


class EventBatch:
    """Events of one transaction. Members wait until they can be taken together."""

    def __init__(self, context: Context, producers: Accounts, connection: Connection, now: datetime) -> None:
        self._context, self._store = context, context.store
        self._producers = producers
        self._connection, self._now = connection, now
        self._waiting: list[tuple[Event, Chunk]] = []
        self._acts: list[DoneAct] = []
        self._known: dict[tuple[str, str, str], tuple[Incident, Cohort]] = {}
        self.outputs: list[Output] = []

    async def take(self, event: Event) -> None:
        """Take one event, unless it was taken before.

        Raises NotFoundError, NotPermittedError, ConflictError, InvalidEventError.
        """
        data, caller = event.data, self._caller(event)
        if isinstance(data, MembersAffected):
            if len(data.members) > CHUNK_RECORDS:
                raise InvalidEventError("too-many-members")
            known = await self._find(caller, data)
            key = self._context.hashes.of(known[0]).fingerprints.event(event.named)
            if await self._store.take_event(self._connection, key, self._now):
                upload = int.from_bytes(key[:8], "big") >> 1
                self._acts.append(DoneAct.of(caller, Act.MEMBERS_SENT, known[1], upload=upload))
                self._waiting.append((event, self._chunk(data, *known, upload)))
            return
        await self.flush()
        self.outputs += await self._change(caller, event)

    async def _change(self, caller: Caller, event: Event) -> list[Output]:
        """Open or seal a cohort, or take a member back; returns the blocks to send."""
        cohorts, scope = self._cohorts(caller), scope_of(event)
        if isinstance(event.data, MemberWithdrawn):
            withdrawals = Withdrawals(self._context, cohorts)
            found = await withdrawals.find(*scope, event.data.named)  # what cannot be found may be replayed: not taken
            key = self._context.hashes.of(found.incident).fingerprints.event(event.named)
            if await self._store.take_event(self._connection, key, self._now):
                return await withdrawals.take_back(found)
            return []
        if isinstance(event.data, CohortOpened):
            _, outputs = await cohorts.put(*scope, event.data.request)
        else:
            _, outputs = await cohorts.change(Act.COHORT_SEALED, *scope, sealed)
        self._known.clear()
        return outputs

    def _cohorts(self, caller: Caller) -> Cohorts:
        return Cohorts(self._connection, self._store, caller, self._context.partitions, self._now)

    def _caller(self, event: Event) -> Caller:
        """Return who sent an event: whoever alone may write to its topic, whatever the event says of its source.

        Raises NotPermittedError where no principal has that topic (any more).
        """
        record = event.record
        account = self._producers.of_topic(record.topic)
        if account is None:
            raise NotPermittedError("nobody may write to this topic")
        return Caller(account.principal, f"{record.topic}/{record.partition}/{record.offset}")

    async def flush(self) -> None:
        """Take the members that wait."""
        waiting, self._waiting = self._waiting, []
        acts, self._acts = self._acts, []
        if not waiting:
            return
        await self._store.record_acts(self._connection, acts, self._now)
        chunks = [chunk for _, chunk in waiting]
        accepted, outputs = await Acceptance(self._context).accept(self._connection, chunks, self._now)
        self.outputs += outputs
        for (event, _), each in zip(waiting, accepted, strict=True):
            self._context.metrics.count(each)
            if each.classified.refused:
                # Their cohort is sealed or cancelled: upstream must hear of members whom nobody will write to.
                self.set_aside(event, InvalidEventError(each.refusal))
            elif each.unreadable_lines:
                # Nothing else tells upstream of them: without a memberRef they are in no ledger.
                self.set_aside(event, InvalidEventError("members-without-ref"))

    def set_aside(self, event: Event, error: HerautError) -> None:
        """Send an event to the dead letters, untouched; it may be replayed."""
        reason = error.reason if isinstance(error, InvalidMessage) else _REASONS[type(error)]
        self.outputs.append(dead_letter(event.record, SOURCE, type(error).__name__, reason))
        self._context.metrics.set_aside(reason)

    async def _find(self, caller: Caller, data: MembersAffected) -> tuple[Incident, Cohort]:
        scope = caller.principal.name, data.incident_id, data.cohort_id
        known = self._known.get(scope)
        if known is None:
            known = self._known[scope] = await self._cohorts(caller).for_members(*scope[1:])
        return known

    def _chunk(self, data: MembersAffected, incident: Incident, cohort: Cohort, upload: int) -> Chunk:
        builder = ChunkBuilder(incident, cohort, self._context.hashes, self._now.date(), upload)
        lines = [(at, orjson.dumps(member)) for at, member in enumerate(data.members, 1)]
        builder.take(lines, [read_object(member) for member in data.members])
        chunk = builder.give()
        chunk.likely_repeats = True  # an event has few members: looking them up costs less than a COPY that fails
        return chunk


def scope_of(event: Event) -> tuple[str, str]:
    """Return the incident and cohort that an event is about."""
    return event.data.incident_id, event.data.cohort_id
