"""The event log on Kafka, through aiokafka: what one stage of one process reads and publishes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition as KafkaPartition

from services.kit.errors import LogPositionError
from services.kit.eventlog.dead_letters import by_reference
from services.kit.eventlog.kafka.client import Closing, KafkaSettings, passing_faults, started
from services.kit.eventlog.kafka.progress import KafkaProgress
from services.kit.eventlog.kafka.reader import KafkaReader, between, new_consumer
from services.kit.eventlog.kafka.writer import KafkaWriter, fits
from services.kit.eventlog.port import Cursor, Output, Record, Row, TopicPartition
from services.kit.eventlog.timelines import Timelines

__all__ = ["KafkaLog", "KafkaSettings"]

# A take-over looks at some dozens of places one after the other, and each look waits for the fetch of the one before,
# which finds nothing more.
_PROBE_MS = 5
# Looking for a source's last record from the end: first so many records, then eight times as many, at most the last.
# Usually it is among the first: a partition has one writer, or a few that take turns.
_LOOK_BACK = (8, 64, 512, 4096)


async def _first_alone() -> Timelines:
    return Timelines()


class KafkaLog:
    """The log as one stage reads and writes it.

    The stage's own table has the offsets that count; the group's committed offsets are for lag exporters. What is not
    of the database's timelines does not come out.
    """

    outside_database = True

    def __init__(
        self, settings: KafkaSettings, stage: str, timelines: Callable[[], Awaitable[Timelines]] = _first_alone
    ) -> None:
        """`timelines` reads those of the database, once. Raises RetryableError where that is away."""
        self._read_timelines, self._timelines = timelines, Timelines()
        self._knows_timelines = False
        self._settings = settings
        self._client_id = f"heraut-{stage}"
        self._closing = Closing()
        self._reader = KafkaReader(settings, self._client_id, self._closing)
        self._writer = KafkaWriter(settings, self._client_id, self._closing)
        self._progress = KafkaProgress(settings, stage)
        self._probe: AIOKafkaConsumer | None = None
        self._probing = asyncio.Lock()

    async def assign(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Read these partitions, and no others, from these offsets.

        Raises LogPositionError where an offset lies outside the log (another cluster, or records gone before
        they were read), RetryableError where the brokers cannot be reached.
        """
        await self._learn_timelines()
        await self._reader.assign(cursors)

    async def fetch(self, limit: int, wait: float) -> Sequence[Record]:
        """Return up to `limit` records past those given before; waits up to `wait` seconds for the first."""
        records = await self._reader.fetch(limit, wait)
        if not self._timelines.begun and not any(record.timeline for record in records):
            return records
        return [record for record in records if self._timelines.holds(record)]

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Return no records of these partitions until they are assigned anew; connections are kept alive."""
        self._reader.pause(partitions)

    async def publish(self, source: str, at: TopicPartition, rows: Sequence[Row]) -> None:
        """Write rows, in sequence order; returns when all in-sync replicas have them.

        Raises RetryableError: then the same rows must be published again before any later ones.
        """
        if rows:
            await self._learn_timelines()
            await self._writer.publish(source, at, rows)

    async def forward(self, output: Output) -> None:
        """Write a dead letter past the outbox, without a sequence: one of a topic that is not ours.

        Its payload may show people in the open and so must not lie in the database. Call it before the commit
        that steps over the record; after a crash in between it is written twice. One that its topic cannot take is
        written as a reference: a record that is small where it lies may be unpacked to any size. Raises RetryableError,
        and LogRefusedError where the brokers will never take it.
        """
        aside = output if fits(output.topic, output.value, output.headers) else by_reference(output)
        await self._writer.send(TopicPartition(aside.topic, aside.partition), None, aside.value, aside.headers)

    async def last_sequence(self, source: str, at: TopicPartition) -> int | None:
        """Return the highest sequence of `source` among the last few thousand records, None where it is not there.

        Those of other timelines do not count. Raises LogPositionError where one of them began later than all that the
        database knows of.
        """
        await self._learn_timelines()
        async with self._probing:
            try:
                with passing_faults(f"{at.topic}/{at.partition} cannot be looked at"):
                    probe = await self._connected_probe()
                    last = await _last_sequence(probe, source, at, self._timelines)
                    probe.unsubscribe()  # else it would go on asking for what comes next
                    return last
            except BaseException:
                self._drop_probe()
                raise

    async def backlog(self) -> Mapping[TopicPartition, int]:
        """Return how many records lie between the reading position and the end, by assigned partition."""
        return await self._reader.backlog()

    async def note_progress(self, cursors: Mapping[TopicPartition, Cursor]) -> None:
        """Commit offsets of the group for lag exporters: seldom, in the background, and without harm if it fails."""
        self._progress.note(cursors)

    async def close(self) -> None:
        """Let go of all connections."""
        self._reader.close()
        self._writer.close()
        self._drop_probe()
        await self._progress.close()
        await self._closing.wait()

    async def _learn_timelines(self) -> None:
        """Read the database's timelines, once: another one begins only while no process runs."""
        if not self._knows_timelines:
            self._timelines = await self._read_timelines()
            self._writer.timeline = self._timelines.current
            self._knows_timelines = True

    async def _connected_probe(self) -> AIOKafkaConsumer:
        if self._probe is None:
            fresh = new_consumer(self._settings, self._client_id, long_poll_ms=_PROBE_MS)
            self._probe = await started(fresh, self._closing)
        return self._probe

    def _drop_probe(self) -> None:
        if self._probe is not None:
            self._closing.add(self._probe)
            self._probe = None


async def _last_sequence(
    consumer: AIOKafkaConsumer, source: str, at: TopicPartition, timelines: Timelines
) -> int | None:
    """Look further and further back from the end; a later record of a source has a higher sequence or is a repeat."""
    where = KafkaPartition(at.topic, at.partition)
    first = (await consumer.beginning_offsets([where]))[where]
    end = (await consumer.end_offsets([where]))[where]
    for records in _LOOK_BACK:
        start = max(first, end - records)
        found = [record for record in await between(consumer, where, start, end) if record.source == source]
        if any(map(timelines.is_behind, found)):
            raise LogPositionError(f"{at.topic}/{at.partition}: the log has blocks of ours of a later timeline")
        if held := [record.seq for record in found if timelines.holds(record)]:
            return max(held)
        if start == first:
            return None
    return None
