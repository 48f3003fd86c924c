"""Dispatch's part of its stage: queue attempts that come in, and give up attempts that stayed unknown for too long.

Attempts are handed over by `sending/`, outside the stage's transactions.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.core.clock import Clock
from services.core.notices import BLOCK_ENTRIES, Notices
from services.core.status import UNKNOWN_FOR_TOO_LONG, AttemptState
from services.dispatch.codec import decode_routed, encode_attempted, encode_block, encode_refused
from services.dispatch.domain import Batch, Round, Taken
from services.dispatch.metrics import DispatchMetrics
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.dispatch.rounds import by_partition, cut, gathered
from services.kit.eventlog import Output, Record
from services.kit.postgres import Connection
from services.wire.incidents import Incidents

__all__ = ["Attempts", "DispatchHandler", "OutcomeBlocks"]

# Batches of unknown attempts given up in one transaction, about a thousand people: some tens of milliseconds.
_OVERDUE_AT_ONCE = 64


class Attempts(Protocol):
    """What the handler needs of the store."""

    async def take(self, connection: Connection, batches: Sequence[Taken], now: datetime, due: datetime) -> None:
        """Queue attempts; those that are there already stay as they are."""
        ...

    async def overdue_unknowns(
        self, connection: Connection, partitions: Sequence[int], since: datetime, limit: int
    ) -> list[Batch]:
        """Return batches that have been unknown since `since` or longer."""
        ...

    async def record(
        self, connection: Connection, one: Round, outcomes: Sequence[AttemptOutcome], now: datetime
    ) -> list[int]:
        """Write down how attempts ended; returns the rows that this settled."""
        ...


class DispatchHandler:
    """Queues routed notices as attempts of one channel."""

    def __init__(
        self,
        *,
        traits: Traits,
        store: Attempts,
        incidents: Incidents,
        clock: Clock,
        metrics: DispatchMetrics,
        unknown_after: timedelta,
    ) -> None:
        self._traits = traits
        self._blocks = OutcomeBlocks(traits)
        self._store = store
        self._incidents = incidents
        self._clock = clock
        self._metrics = metrics
        self._unknown_after = unknown_after

    def decode(self, record: Record) -> Taken:
        """Read one block. Raises InvalidMessage."""
        return Taken(record.partition, *decode_routed(record.value))

    async def ready(self, work: Sequence[Taken]) -> None:
        """Wait until the incident versions of these notices are known here."""
        for incident_id, version in sorted({(n.incident_id, n.incident_version) for _, n, _ in work}):
            await self._incidents.wait_for(("incident", incident_id, str(version)))

    async def apply(self, connection: Connection, work: Sequence[Taken]) -> Sequence[Output]:
        """Queue the attempts. An attempt that a replay brings again changes nothing."""
        now = self._clock.now()
        batches = [batch for block in work for batch in self.batches(block)]
        await self._store.take(connection, batches, now, now + self._traits.linger)
        return ()

    def batches(self, block: Taken) -> list[Taken]:
        """Cut a block into batches; nearly always it is one, and then stored as it came."""
        parts = cut(self._traits, block.notices)
        if len(parts) == 1:
            return [block]
        cuts = [block.notices.pick(rows) for rows in parts if rows]
        return [Taken(block.partition, notices, encode_block(notices)) for notices in cuts]

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Refuse attempts that stayed unknown for HERAUT_UNKNOWN_AFTER, so that routing tries the next channel."""
        now = self._clock.now()
        since = now - self._unknown_after
        found = await self._store.overdue_unknowns(connection, partitions, since, _OVERDUE_AT_ONCE)
        outputs: list[Output] = []
        for partition, batches in by_partition(found).items():
            for one in gathered(partition, batches, now):
                refused = [AttemptOutcome(AttemptState.REFUSED, reason=UNKNOWN_FOR_TOO_LONG)] * len(one)
                await self._store.record(connection, one, refused, now)
                outputs += self._blocks.of(partition, one.notices, refused, now)
                self._metrics.count({"refused": len(one)})
        return outputs


class OutcomeBlocks:
    """Makes the blocks that tell the other rooms how hand-overs of one provider ended."""

    def __init__(self, traits: Traits) -> None:
        self._traits = traits

    def of(self, partition: int, notices: Notices, outcomes: Sequence[AttemptOutcome], now: datetime) -> list[Output]:
        """Return the blocks for attempts that are settled for good or unknown; refused ones also go back to routing."""
        told = [row for row, outcome in enumerate(outcomes) if outcome.state > AttemptState.INTENT]
        refused: defaultdict[str, list[int]] = defaultdict(list)
        for row in told:
            if outcomes[row].state is AttemptState.REFUSED:
                refused[outcomes[row].reason].append(row)
        return [
            *(self._attempted(partition, notices, rows, outcomes, now) for rows in _cut(told)),
            *(
                encode_refused(self._tried(notices.pick(rows)), reason, partition)
                for reason, of_reason in refused.items()
                for rows in _cut(of_reason)
            ),
        ]

    def _attempted(
        self, partition: int, notices: Notices, rows: list[int], outcomes: Sequence[AttemptOutcome], now: datetime
    ) -> Output:
        return encode_attempted(
            notices if len(rows) == len(notices) else notices.pick(rows),
            [outcomes[row].state for row in rows],
            channel=self._traits.channel,
            provider=self._traits.name,
            partition=partition,
            at=int(now.timestamp() * 1000),
        )

    def _tried(self, notices: Notices) -> Notices:
        notices.tried = [tried | self._traits.channel for tried in notices.tried]
        return notices


def _cut(rows: list[int]) -> list[list[int]]:
    """Return rows in parts of the size of a block."""
    return [rows[at : at + BLOCK_ENTRIES] for at in range(0, len(rows), BLOCK_ENTRIES)]
