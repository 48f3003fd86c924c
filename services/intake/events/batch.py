"""Events of one transaction: what each of them changes, and which of them are set aside."""

from dataclasses import replace
from datetime import datetime

import orjson

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.intake.context import SOURCE, Context
from services.intake.control.control import add_cohort, change_cohort, find_cohort
from services.intake.domain import Chunk
from services.intake.errors import ConflictError, InvalidEventError, NotFoundError
from services.intake.events.cloudevents import CohortOpened, Event, MembersAffected
from services.intake.members.acceptance import Acceptance
from services.intake.members.chunks import CHUNK_RECORDS, ChunkBuilder
from services.intake.reading.ndjson import read_object
from services.kit.errors import HerautError, InvalidMessage
from services.kit.eventlog import Output, dead_letter
from services.kit.postgres import Connection

__all__ = ["EventBatch", "scope_of"]

_REASONS: dict[type[HerautError], str] = {NotFoundError: "unknown-cohort", ConflictError: "conflict"}


class EventBatch:
    """Events of one transaction. Members wait until they can be taken together."""

    def __init__(self, context: Context, connection: Connection, now: datetime) -> None:
        self._context, self._store = context, context.store
        self._connection, self._now = connection, now
        self._waiting: list[tuple[Event, Chunk]] = []
        self._known: dict[tuple[str, str], tuple[Incident, Cohort]] = {}
        self.outputs: list[Output] = []

    async def take(self, event: Event) -> None:
        """Take one event, unless it was taken before. Raises NotFoundError, ConflictError, InvalidEventError."""
        data = event.data
        if isinstance(data, MembersAffected):
            if len(data.members) > CHUNK_RECORDS:
                raise InvalidEventError("too-many-members")
            known = await self._find(data)
            if await self._store.take_event(self._connection, event.key, self._now):
                self._waiting.append((event, self._chunk(event, data, *known)))
            return
        await self.flush()
        scope = scope_of(event)
        if isinstance(data, CohortOpened):
            _, outputs = await add_cohort(self._connection, self._store, *scope, data.request, now=self._now)
        else:
            _, outputs = await change_cohort(self._connection, self._store, *scope, _sealed, now=self._now)
        self._known.pop(scope, None)
        self.outputs += outputs

    async def flush(self) -> None:
        """Take the members that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        chunks = [chunk for _, chunk in waiting]
        accepted, outputs = await Acceptance(self._context).accept(self._connection, chunks, self._now)
        self.outputs += outputs
        for (event, _), each in zip(waiting, accepted, strict=True):
            self._context.metrics.count(each)
            if each.classified.refused:
                # Their cohort is sealed: upstream must hear of members whom nobody will write to.
                self.set_aside(event, InvalidEventError("cohort-sealed"))
            elif each.unreadable_lines:
                # Nothing else tells upstream of them: without a memberRef they are in no ledger.
                self.set_aside(event, InvalidEventError("members-without-ref"))

    def set_aside(self, event: Event, error: HerautError) -> None:
        """Send an event to the dead letters, untouched; it may be replayed."""
        reason = error.reason if isinstance(error, InvalidMessage) else _REASONS[type(error)]
        self.outputs.append(dead_letter(event.record, SOURCE, type(error).__name__, reason))

    async def _find(self, data: MembersAffected) -> tuple[Incident, Cohort]:
        scope = data.incident_id, data.cohort_id
        known = self._known.get(scope)
        if known is None:
            known = self._known[scope] = await find_cohort(self._connection, self._store, *scope)
        return known

    def _chunk(self, event: Event, data: MembersAffected, incident: Incident, cohort: Cohort) -> Chunk:
        upload = int.from_bytes(event.key[:8], "big") >> 1
        builder = ChunkBuilder(incident, cohort, self._context.hashes, self._now.date(), upload)
        lines = [(at, orjson.dumps(member)) for at, member in enumerate(data.members, 1)]
        builder.take(lines, [read_object(member) for member in data.members])
        chunk = builder.give()
        chunk.likely_repeats = True  # an event has few members: looking them up costs less than a COPY that fails
        return chunk


def scope_of(event: Event) -> tuple[str, str]:
    """Return the incident and cohort that an event is about."""
    return event.data.incident_id, event.data.cohort_id


def _sealed(cohort: Cohort) -> Cohort:
    return replace(cohort, sealed=True)
