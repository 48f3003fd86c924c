"""Dispatch's part of its stage: queue what comes in, and give up on what stayed unknown for too long.

Handing over is not done here but by `sender.py`, outside the stage's transactions.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from services.core.channel import Channel
from services.core.clock import Clock
from services.core.incident import Incident
from services.core.notices import Notices
from services.core.status import UNKNOWN_FOR_TOO_LONG, AttemptState
from services.dispatch.codec import decode_routed, encode_attempted, encode_block, encode_refused
from services.dispatch.domain import Batch, Round, Settled, Taken, by_partition, cut, gathered
from services.dispatch.metrics import DispatchMetrics
from services.kit.eventlog import Output, Record
from services.kit.postgres import Connection

__all__ = ["BLOCK_NOTICES", "DispatchHandler", "Incidents", "Outcomes"]

# What is paid per block vanishes, and a block that nobody can read holds no more people than any other.
BLOCK_NOTICES = 2048
# A letter waits this long for company in its batch.
_LETTER_LINGER = timedelta(seconds=1)
# Batches of unknown attempts given up in one transaction, about a thousand people: some tens of milliseconds.
_OVERDUE_AT_ONCE = 64


class Incidents(Protocol):
    """Incident versions as they become known (the global table of incidents)."""

    async def wait_for(self, key: tuple[str, ...], version: int = 1) -> Incident:
        """Return the entry once it is known."""
        ...


class Attempts(Protocol):
    """What the handler needs of the store."""

    async def take(self, db: Connection, batches: Sequence[Taken], now: datetime, due: datetime) -> None:
        """Queue attempts; those that are there already stay as they are."""
        ...

    async def overdue_unknowns(
        self, db: Connection, partitions: Sequence[int], since: datetime, limit: int
    ) -> list[Batch]:
        """Return batches that have been unknown since `since` or longer."""
        ...

    async def settle(self, db: Connection, one: Round, ended: Sequence[Settled], now: datetime) -> list[int]:
        """Write down how attempts ended; returns the rows that this settled."""
        ...


class DispatchHandler:
    """Queues routed notices as attempts of one channel."""

    def __init__(
        self,
        *,
        channel: Channel,
        provider: str,
        store: Attempts,
        incidents: Incidents,
        clock: Clock,
        metrics: DispatchMetrics,
        unknown_after: timedelta,
        batch_size: int,
    ) -> None:
        self._channel = channel
        self._batch_size = batch_size
        self._outcomes = Outcomes(channel, provider)
        self._store = store
        self._incidents = incidents
        self._clock = clock
        self._metrics = metrics
        self._unknown_after = unknown_after
        self._linger = _LETTER_LINGER if channel is Channel.LETTER else timedelta()

    def decode(self, record: Record) -> Taken:
        """Read one block. Raises InvalidMessage."""
        return Taken(record.partition, *decode_routed(record.value))

    async def ready(self, work: Sequence[Taken]) -> None:
        """Wait until the incident versions of these notices are known here."""
        for incident_id, version in sorted({(n.incident_id, n.incident_version) for _, n, _ in work}):
            await self._incidents.wait_for(("incident", incident_id, str(version)))

    async def apply(self, connection: Connection, work: Sequence[Taken]) -> Sequence[Output]:
        """Queue the attempts. What a replay brings again changes nothing."""
        now = self._clock.now()
        batches = [batch for block in work for batch in self._batches(block)]
        await self._store.take(connection, batches, now, now + self._linger)
        return ()

    def _batches(self, block: Taken) -> list[Taken]:
        """Cut a block into batches; nearly always it is one, and then stored as it came."""
        parts = cut(self._channel, block.notices, self._batch_size)
        if len(parts) == 1:
            return [block]
        cuts = [block.notices.pick(rows) for rows in parts if rows]
        return [Taken(block.partition, notices, encode_block(notices)) for notices in cuts]

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Refuse what stayed unknown for HERAUT_UNKNOWN_AFTER, so that routing tries the next channel."""
        now = self._clock.now()
        since = now - self._unknown_after
        found = await self._store.overdue_unknowns(connection, partitions, since, _OVERDUE_AT_ONCE)
        outputs: list[Output] = []
        for partition, batches in by_partition(found).items():
            for one in gathered(partition, batches, now):
                refused = [Settled(AttemptState.REFUSED, reason=UNKNOWN_FOR_TOO_LONG)] * len(one)
                await self._store.settle(connection, one, refused, now)
                outputs += self._outcomes.outputs(partition, one.notices, refused, now)
                self._metrics.count({"refused": len(one)})
        return outputs


class Outcomes:
    """Puts how hand-overs ended into blocks."""

    def __init__(self, channel: Channel, provider: str) -> None:
        self._channel = channel
        self._provider = provider

    def outputs(self, partition: int, notices: Notices, ended: Sequence[Settled], now: datetime) -> list[Output]:
        """Return the blocks for what is settled for good or unknown; refused ones also go back to routing."""
        told = [row for row, one in enumerate(ended) if one.state > AttemptState.INTENT]
        refused: defaultdict[str, list[int]] = defaultdict(list)
        for row in told:
            if ended[row].state is AttemptState.REFUSED:
                refused[ended[row].reason].append(row)
        return [
            *(self._attempted(partition, notices, rows, ended, now) for rows in _blocks(told)),
            *(
                encode_refused(self._tried(notices.pick(block)), reason, partition)
                for reason, rows in refused.items()
                for block in _blocks(rows)
            ),
        ]

    def _attempted(
        self, partition: int, notices: Notices, rows: list[int], ended: Sequence[Settled], now: datetime
    ) -> Output:
        return encode_attempted(
            notices if len(rows) == len(notices) else notices.pick(rows),
            [ended[row].state for row in rows],
            channel=self._channel,
            provider=self._provider,
            partition=partition,
            at=int(now.timestamp() * 1000),
        )

    def _tried(self, notices: Notices) -> Notices:
        notices.tried = [tried | self._channel for tried in notices.tried]
        return notices


def _blocks(rows: list[int]) -> list[list[int]]:
    return [rows[at : at + BLOCK_NOTICES] for at in range(0, len(rows), BLOCK_NOTICES)]
