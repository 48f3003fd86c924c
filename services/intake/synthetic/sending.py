"""Sends a synthetic person into the rooms again and again, as an event of a source would: one process at a time."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import orjson
from notification.topics import INCIDENTS_CHANGED

from services.core.access import Caller, Principal, Role
from services.core.channel import Channel
from services.core.cohort import Cohort
from services.core.incident import Incident
from services.core.synthetic import SYNTHETIC_COHORT, SYNTHETIC_INCIDENT, SYNTHETIC_SOURCE
from services.intake.context import Context
from services.intake.control.changes import CohortRequest
from services.intake.control.cohorts import Cohorts
from services.intake.domain import Chunk
from services.intake.members.acceptance import Acceptance
from services.intake.members.chunks import ChunkBuilder
from services.intake.reading.ndjson import read_object
from services.intake.synthetic.person import Way, document_of, record_of, way_of
from services.intake.synthetic.waiting import SyntheticWaiting
from services.kit.errors import LostOwnershipError
from services.kit.eventlog import Output
from services.kit.postgres import Connection, is_retryable
from services.kit.retry import pause_until
from services.kit.stage import StageHandle
from services.wire.incident_document import normal_form
from services.wire.incidents import encode_incident

__all__ = ["SyntheticSender"]

logger = logging.getLogger(__name__)

_OWNED: Final = 0  # whoever owns this partition sends for all
_LOOK: Final = 2.0  # seconds between two looks of the others: whether it is ours now
# Two looks are never a whole interval apart to the millisecond: what is nearly due is due.
_NEARLY: Final = 0.9
_PRINCIPAL: Final = Principal(SYNTHETIC_SOURCE, frozenset({Role.OPERATOR}))


class SyntheticSender:
    """A job of intake's process."""

    def __init__(
        self,
        context: Context,
        stage: StageHandle,
        waiting: SyntheticWaiting,
        *,
        every: timedelta,
        channels: Sequence[Channel],
    ) -> None:
        """Make it; `every`: how long after one person the next is sent; `channels`: those that are enabled."""
        self._context, self._stage, self._waiting = context, stage, waiting
        self._every, self._channels = every, channels
        self._acceptance = Acceptance(context)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`; what fails is tried again at the next turn, and is seen by what is not sent."""
        while not stop.is_set():
            wait = self._every.total_seconds()
            try:
                if not await self.turn():
                    wait = min(wait, _LOOK)
            except Exception as error:
                if not (isinstance(error, LostOwnershipError) or is_retryable(error)):
                    raise
                logger.warning("no synthetic person was sent", extra={"error_class": type(error).__name__})
            await pause_until(stop, wait)

    async def turn(self) -> bool:
        """Look for who should have arrived, and send the next; tells whether it is this process's work."""
        if _OWNED not in self._stage.owned():
            self._waiting.leave()
            return False
        async with self._stage.fenced([_OWNED]) as transaction:
            await self._waiting.look(transaction.connection)
        async with self._stage.fenced([_OWNED]) as transaction:
            way, outputs = await self._send(transaction.connection)
            transaction.emit(outputs)
        if way:
            self._waiting.sent(way)
        return True

    async def _send(self, connection: Connection) -> tuple[Way | None, list[Output]]:
        """Send the next person, where it is time; returns its way, and the blocks to send."""
        now = self._context.clock.now()
        turn = await self._waiting.rows.take_turn(connection, now, now - self._every * _NEARLY)
        if turn is None:
            return None, []
        incident, cohort, begun = await self._known(connection, now)
        way = way_of(turn, self._context.partitions, self._channels)
        chunk = self._chunk(incident, cohort, turn, way)
        _, outputs = await self._acceptance.accept(connection, [chunk], now)
        await self._waiting.rows.add(connection, chunk.members[0], way, now)
        return way, [*begun, *outputs]

    def _chunk(self, incident: Incident, cohort: Cohort, turn: int, way: Way) -> Chunk:
        hashes, now = self._context.hashes, self._context.clock.now()
        pseudonym = hashes.of(incident).pseudonyms.of
        record = record_of(turn, way, self._context.partitions, pseudonym)
        builder = ChunkBuilder(incident, cohort, hashes, now.date(), secrets.randbits(63))
        builder.take([(1, orjson.dumps(record))], [read_object(record)])
        return builder.give()

    async def _known(self, connection: Connection, now: datetime) -> tuple[Incident, Cohort, list[Output]]:
        """Return the incident and its cohort; they are made before the first person, with blocks that tell of them."""
        caller, begun = Caller(_PRINCIPAL, SYNTHETIC_SOURCE), list[Output]()
        cohorts = Cohorts(connection, self._context.store, caller, self._context.partitions, now)
        if await self._context.store.show_cohort(connection, SYNTHETIC_INCIDENT, SYNTHETIC_COHORT) is None:
            begun = [*await self._begin(connection, now), *await _opened(cohorts)]
        return *await cohorts.for_members(SYNTHETIC_INCIDENT, SYNTHETIC_COHORT), begun

    async def _begin(self, connection: Connection, now: datetime) -> list[Output]:
        """Make the incident, whose words nobody reads; returns the block that tells of it."""
        store, document = self._context.store, normal_form(document_of(now))
        locked = await store.lock_incident(connection, SYNTHETIC_INCIDENT, self._context.hashes.newest, now)
        if locked.version:
            return []
        await store.change_incident(connection, SYNTHETIC_INCIDENT, 1, document, now)
        return [Output(INCIDENTS_CHANGED, 0, encode_incident(SYNTHETIC_INCIDENT, 1, document, locked.key_versions))]


async def _opened(cohorts: Cohorts) -> list[Output]:
    """Open the cohort, which goes by itself; returns the block that tells of it."""
    request = CohortRequest(SYNTHETIC_SOURCE, None, auto_release=True)
    _, outputs = await cohorts.put(SYNTHETIC_INCIDENT, SYNTHETIC_COHORT, request)
    return outputs
