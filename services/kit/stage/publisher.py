"""From the log table to Kafka: what was committed is published, in order, whoever committed it.

The owner of a partition publishes all rows of its stage and partition. Per place there is at most one
unacknowledged batch; after a failure the same rows come again, never later ones, so the log holds each sequence
only behind the one before it, and a repeat is all that readers ever have to drop.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.kit.errors import RetryableError
from services.kit.eventlog import EventLog, Row, TopicPartition, decode_headers
from services.kit.postgres import Pool, Queries
from services.kit.stage.failpoints import Steps
from services.kit.stage.leases import LostEpochsError, fence

__all__ = ["Relay"]


logger = logging.getLogger(__name__)

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

# Two full batches of one place (kafka_writer: 980 kB each) keep a request in flight while little is kept in memory:
# 8 partitions and a few topics are tens of megabytes at the very worst.
_PLACE_ROWS = 100
_PLACE_BYTES = 2_000_000


class Relay:
    """Publishes what the owned partitions of a stage have committed."""

    def __init__(self, pool: Pool, event_log: EventLog, stage: str, steps: Steps, *, mark_every: float) -> None:
        self._pool = pool
        self._log = event_log
        self._stage = stage
        self._steps = steps
        self._mark_every = mark_every
        self._marked_at = 0.0
        self._epochs: dict[int, int] = {}
        self._acknowledged: dict[TopicPartition, int] = {}
        self._marked: dict[TopicPartition, int] = {}
        self._publishing = asyncio.Lock()
        self.failures = 0  # passes in a row in which some place failed
        self.holes: dict[int, str] = {}  # partitions whose rows are not all there any more

    def begin(self, epochs: Mapping[int, int], published: Mapping[TopicPartition, int]) -> None:
        """Relay these partitions from what the database says is published; all that was remembered is forgotten."""
        self._epochs = dict(epochs)
        self._acknowledged = dict(published)
        self._marked = dict(published)
        self.holes = {}

    async def publish_once(self) -> int:
        """Publish the next rows of every place; returns how many were acknowledged.

        A place that fails stays where it is, and `failures` counts up. Raises LostEpochsError where a
        partition has a newer owner: what was published then is a repeat at worst.
        """
        async with self._publishing:
            epochs, acknowledged = dict(self._epochs), self._acknowledged
            places = await self._unpublished(epochs, acknowledged)
            if places:
                await self._steps.reached("relay: rows read")
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(self._publish(at, rows, acknowledged)) for at, rows in sorted(places.items())
                    ]
                counts = [task.result() for task in tasks]
                self.failures = 0 if all(counts) else self.failures + 1
                await self._steps.reached("relay: acknowledged")
            if not places or time.monotonic() - self._marked_at >= self._mark_every:
                await self._mark(epochs, acknowledged)
            return sum(counts) if places else 0

    async def _unpublished(
        self, epochs: Mapping[int, int], acknowledged: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, list[Row]]:
        """Read rows past the acknowledged ones, of all places that have any."""
        async with self._pool.acquire() as connection:
            heads = await connection.fetch(_QUERIES["read_heads"], self._stage, list(epochs))
            behind = [
                (topic, partition, done)
                for topic, partition, last in heads
                if last > (done := acknowledged.get(TopicPartition(topic, partition), 0))
                and partition not in self.holes
            ]
            if not behind:
                return {}
            columns = [list(column) for column in zip(*behind, strict=True)]
            rows = await connection.fetch(_QUERIES["unpublished"], self._stage, *columns, _PLACE_ROWS, _PLACE_BYTES)
        places: dict[TopicPartition, list[Row]] = {}
        for topic, partition, seq, at, headers, block in rows:
            place = places.setdefault(TopicPartition(topic, partition), [])
            place.append(Row(seq, at, block, decode_headers(headers)))
        self._note_holes(behind, places)
        return places

    def _note_holes(self, behind: Sequence[tuple[str, int, int]], places: dict[TopicPartition, list[Row]]) -> None:
        """Publish nothing where a row is missing: every reader would stop at it."""
        for topic, partition, done in behind:
            rows = places.get(TopicPartition(topic, partition), [])
            if [row.seq for row in rows] != list(range(done + 1, done + 1 + len(rows))) or not rows:
                places.pop(TopicPartition(topic, partition), None)
                self.holes[partition] = f"{topic}/{partition}: the row after {done} is not in the log table any more"

    async def _publish(self, at: TopicPartition, rows: Sequence[Row], acknowledged: dict[TopicPartition, int]) -> int:
        """Publish one place's rows; returns how many were acknowledged, 0 after a failure."""
        try:
            await self._steps.reached("relay: publishing")
            await self._log.publish(self._stage, at, rows)
            await self._steps.reached("relay: published")
        except RetryableError as error:
            logger.warning(
                "not published, the same again soon: %s", error,
                extra={"stage": self._stage, "topic": at.topic, "partition": at.partition, "seq": rows[0].seq},
            )  # fmt: skip
            return 0
        except Exception as error:
            logger.exception(
                "not publishable", extra={"stage": self._stage, "topic": at.topic, "partition": at.partition}
            )
            self.holes[at.partition] = f"publishing to {at.topic} raised {type(error).__name__}"
            return 0
        acknowledged[at] = rows[-1].seq
        return len(rows)

    async def _mark(self, epochs: Mapping[int, int], acknowledged: Mapping[TopicPartition, int]) -> None:
        """Note what is acknowledged in one fenced transaction."""
        news = [
            (at, seq)
            for at, seq in sorted(acknowledged.items())
            if at.partition in epochs and seq > self._marked.get(at, 0)
        ]
        if not news or acknowledged is not self._acknowledged:
            return
        touched = {at.partition: epochs[at.partition] for at, _ in news}
        marks = [at.topic for at, _ in news], [at.partition for at, _ in news], [seq for _, seq in news]
        async with self._pool.acquire() as connection, connection.transaction():
            try:
                await fence(connection, self._stage, touched)
            except LostEpochsError as error:
                self._drop(error.epochs)
                raise
            # A mark that a crash of the server forgets costs a repeat, so nobody waits for its flush.
            await connection.execute("set local synchronous_commit = off")
            await connection.execute(_QUERIES["mark_published"], self._stage, *marks)
            await self._steps.reached("relay: marking")
        self._marked.update(news)
        self._marked_at = time.monotonic()
        await self._steps.reached("relay: marked")

    def _drop(self, epochs: Mapping[int, int]) -> None:
        """Relay no more what has a newer owner, unless it was begun anew meanwhile."""
        for partition, epoch in epochs.items():
            if self._epochs.get(partition) == epoch:
                del self._epochs[partition]
