"""Deduplication's real stage on the configured log, held back in the middle of what it reads."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from notification.topics import INCIDENTS_CHANGED

from services.deduplication.handlers import STAGE, TOPICS, DeduplicationHandler
from services.kit.config import ServiceConfig
from services.kit.eventlog import Cursor, EventLog, GlobalTable, Output, Record, Row, TopicPartition, installation_of
from services.kit.postgres import Connection, Pool
from services.kit.process.metrics import new_registry
from services.kit.stage import Stage, StageContext, StageMetrics, StagePolicy
from services.kit.stage.failpoints import Failpoints, NoFailpoints
from services.kit.vault import KeyRing
from services.wire.incidents import decode_incidents
from tests.waiting import until

__all__ = ["EVERY_PARTITION", "Deduplicating"]

EVERY_PARTITION = range(8)
_PATIENCE = 60.0  # seconds; a busy machine is slow, not wrong


class _HeldBack:
    """A log that keeps back the blocks of some partitions until it is opened."""

    def __init__(self, log: EventLog, gate: "Gate") -> None:
        self._log = log
        self._gate = gate
        self._kept: list[Record] = []

    @property
    def outside_database(self) -> bool:
        """Return what the log says."""
        return self._log.outside_database

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read from these positions; what was kept back is read again."""
        self._kept = []
        await self._log.assign(cursors)

    async def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return blocks, less those that are kept back."""
        records = [*self._kept, *await self._log.fetch(limit, wait)]
        self._kept = [record for record in records if self._gate.keeps(record)]
        return [record for record in records if not self._gate.keeps(record)]

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Pause the log."""
        self._log.pause(partitions)

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Publish to the log."""
        await self._log.publish(source, at, rows)

    async def forward(self, output: Output) -> None:
        """Forward to the log."""
        await self._log.forward(output)

    async def last_sequence(self, source: str, at: TopicPartition) -> int | None:
        """Ask the log."""
        return await self._log.last_sequence(source, at)

    async def backlog(self) -> Mapping[TopicPartition, int]:
        """Ask the log."""
        return await self._log.backlog()

    async def note_progress(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Tell the log."""
        await self._log.note_progress(cursors)

    async def close(self) -> None:
        """Close the log."""
        await self._log.close()


class Gate:
    """Which partitions are behind, and how often the room looked for people who may be told now."""

    def __init__(self) -> None:
        self.shut: Collection[int] = ()
        self.topics: Collection[str] = TOPICS  # of which topics
        self.ticks = 0

    def keeps(self, record: Record) -> bool:
        """Tell whether a block is kept back."""
        return record.partition in self.shut and record.topic in self.topics


class _Ticking(DeduplicationHandler):
    """Counts its ticks."""

    gate: Gate

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> Sequence[Output]:
        """Tick and count."""
        outputs = await super().tick(connection, partitions)
        self.gate.ticks += 1
        return outputs


class Deduplicating:
    """The room as its process runs it, and its tables as a bystander sees them."""

    def __init__(self, pool: Pool, config: ServiceConfig, keys: KeyRing) -> None:
        self._pool = pool
        self._keys = keys
        self._config = config
        self.gate = Gate()
        self.incidents: GlobalTable

    @asynccontextmanager
    async def running(self, failpoints: Failpoints | None = None) -> AsyncIterator[None]:
        """Run the stage as long as the context lasts. Each time it remembers nothing of the time before."""
        installation = installation_of(self._config)
        members = _HeldBack(installation.open(STAGE, self._pool), self.gate)
        changes = installation.open(STAGE, self._pool)
        self.incidents = GlobalTable(changes, INCIDENTS_CHANGED, decode_incidents)
        stage = self._stage(members, failpoints or NoFailpoints())
        stop = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.incidents.run(stop))
                group.create_task(stage.run(stop))
                try:
                    yield
                finally:
                    stop.set()
        finally:
            await members.close()
            await changes.close()

    def _stage(self, log: EventLog, failpoints: Failpoints) -> Stage:
        handler = _Ticking(self.incidents, lambda _: None, len(EVERY_PARTITION), self._keys)
        handler.gate = self.gate
        context = StageContext(
            stage=STAGE, topics=TOPICS, partitions=len(EVERY_PARTITION), pool=self._pool, log=log, handler=handler,
            policy=StagePolicy(tick_every=0.02, fetch_wait=0.1, lease=5.0),
            metrics=StageMetrics(STAGE, new_registry()), failpoints=failpoints,
        )  # fmt: skip
        return Stage(context)

    async def knows(self, incident_id: str, cohort_id: str, version: int) -> None:
        """Wait until a version of a cohort is known, and everybody was looked at under it."""
        await self._looked(("cohort", incident_id, cohort_id), version)

    async def has_version(self, incident_id: str, version: int) -> None:
        """Wait until a version of an incident is known, and everybody was looked at under it."""
        await self._looked(("incident", incident_id), version)

    async def _looked(self, key: tuple[str, ...], version: int) -> None:
        await self.incidents.wait_for(key, version, timeout=_PATIENCE)
        before = self.gate.ticks

        async def ticked() -> bool:
            return self.gate.ticks >= before + 3

        await until(ticked)

    async def has_members(self, count: int) -> None:
        """Wait until so many members are known."""

        async def known() -> bool:
            return bool(await self._pool.fetchval("select count(*) from members") == count)

        await until(known)

    async def partitions(self, cohort_id: str) -> set[int]:
        """Return the partitions in which a cohort has members."""
        query = "select distinct partition from members join cohorts on number = cohort where cohort_id = $1"
        return {row["partition"] for row in await self._pool.fetch(query, cohort_id)}

    async def told(self, count: int) -> Mapping[int, list[int]]:
        """Wait until so many notices stand; return the version of the record that each says, by partition."""

        async def stand() -> bool:
            return sum(map(len, (await self.notices()).values())) >= count

        await until(stand)
        return await self.notices()

    async def totals(self) -> list[Any]:
        """Return the rows of totals, of every partition."""
        return await self._pool.fetch("select scope, counts from totals")

    async def notices(self) -> Mapping[int, list[int]]:
        """Return the versions of the records that people were told by, by partition; void notices included."""
        found: dict[int, list[int]] = {}
        query = """select distinct members.partition, told.person, told.revision, told.version
                   from told join members using (incident, person) order by 1, 2, 3"""
        for partition, _, _, version in await self._pool.fetch(query):
            found.setdefault(partition, []).append(version)
        return found
