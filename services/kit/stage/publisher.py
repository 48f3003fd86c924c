"""From the log table to a log outside the database: what was committed is published, in order, whoever committed it.

The owner of a partition publishes all rows of its stage and partition. Of each place (a topic partition) at most
one batch is unacknowledged; after a failure the same rows are published again, never later ones. So the log holds
each sequence only behind the one before it, and readers have nothing to drop but repeats.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.kit.errors import RetryableError
from services.kit.eventlog import Row, TopicPartition, decode_headers
from services.kit.postgres import Queries, is_retryable
from services.kit.retry import Wait, pause_until
from services.kit.stage.context import StageContext
from services.kit.stage.epochs import LostEpochsError, fence

__all__ = ["Publisher"]


logger = logging.getLogger(__name__)

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))

# Two full batches of one place (kafka_writer: 980 kB each) keep a request in flight while little is kept in memory:
# 8 partitions and a few topics are tens of megabytes at the very worst.
_PLACE_ROWS = 100
_PLACE_BYTES = 2_000_000
_QUIET = 5  # times as long as at first waits who found nothing for a while


class Publisher:
    """Publishes what the owned partitions of a stage have committed."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._marked_at = 0.0
        self._epochs: dict[int, int] = {}
        self._acknowledged: dict[TopicPartition, int] = {}
        self._marked: dict[TopicPartition, int] = {}
        self._publishing = asyncio.Lock()
        self._failures = 0  # passes in a row in which some place failed
        self._oldest: int | None = None  # ms since 1970 of the oldest row that was read and not acknowledged
        self._holes: dict[int, str] = {}  # partition -> why its rows cannot be published, such as one that is missing

    def begin(self, epochs: Mapping[int, int], published: Mapping[TopicPartition, int]) -> None:
        """Publish these partitions from what the database says is published; forget all that was remembered."""
        self._epochs = dict(epochs)
        self._acknowledged = dict(published)
        self._marked = dict(published)
        self._holes = {}

    def oldest(self) -> int | None:
        """Return the time of the oldest row that waits to be published, in ms since 1970; None where none does."""
        return self._oldest

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`: at once what this process commits, soon what others do (uploads)."""
        committed, policy = self._context.committed, self._context.policy
        idle = Wait(policy.publish_every, _QUIET * policy.publish_every)
        while not stop.is_set():
            committed.clear()
            published = await self._publish_if_possible()
            self._stop_at_holes()
            if self._failures:
                await pause_until(stop, policy.wait_after(self._failures))
            elif published:
                idle.reset()
            else:
                await pause_until(committed, idle.next())

    async def publish_all(self) -> None:
        """Publish until nothing is left; a place that fails is tried again and again."""
        while await self.publish_once() or self._failures:
            if self._failures:
                await asyncio.sleep(self._context.policy.wait_after(self._failures))

    async def publish_once(self) -> int:
        """Publish the next rows of every place; returns how many were acknowledged.

        A place that fails stays where it is, and is tried again after a while. Raises LostEpochsError where a
        partition has a newer owner: what was published then is a repeat at worst.
        """
        async with self._publishing:
            epochs, acknowledged = dict(self._epochs), self._acknowledged
            places = await self._unpublished(epochs, acknowledged)
            self._oldest = min((rows[0].at for rows in places.values()), default=None)
            counts = await self._publish_places(places, acknowledged) if places else []
            self._failures = 0 if all(counts) else self._failures + 1
            if not places or time.monotonic() - self._marked_at >= self._context.policy.mark_every:
                await self._mark(epochs, acknowledged)
            return sum(counts)

    async def _publish_if_possible(self) -> int:
        """Publish once; returns how many were acknowledged, 0 where a newer owner or a passing fault prevented it."""
        stage = self._context.stage
        try:
            return await self.publish_once()
        except LostEpochsError as error:
            logger.warning("%s", error, extra={"stage": stage})
            self._context.assignment.disown(error.epochs)
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("the log table cannot be read", extra={"stage": stage}, exc_info=True)
            self._failures += 1
        return 0

    def _stop_at_holes(self) -> None:
        """Let partitions stand still whose rows cannot be published."""
        context = self._context
        for partition, reason in self._holes.items():
            if partition not in context.assignment.stopped:
                logger.error(
                    "partition stands still: %s", reason, extra={"stage": context.stage, "partition": partition}
                )
                context.assignment.stop(partition, reason, wholly=True)

    async def _unpublished(
        self, epochs: Mapping[int, int], acknowledged: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, list[Row]]:
        """Read rows past the acknowledged ones, of all places that have any."""
        async with self._context.pool.acquire() as connection:
            heads = await connection.fetch(_QUERIES["read_heads"], self._context.stage, list(epochs))
            behind = [
                (topic, partition, done)
                for topic, partition, last in heads
                if last > (done := acknowledged.get(TopicPartition(topic, partition), 0))
                and partition not in self._holes
            ]
            if not behind:
                return {}
            columns = [list(column) for column in zip(*behind, strict=True)]
            rows = await connection.fetch(
                _QUERIES["unpublished"], self._context.stage, *columns, _PLACE_ROWS, _PLACE_BYTES
            )
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
                self._holes[partition] = f"{topic}/{partition}: the row after {done} is not in the log table any more"

    async def _publish_places(
        self, places: Mapping[TopicPartition, Sequence[Row]], acknowledged: dict[TopicPartition, int]
    ) -> list[int]:
        """Publish rows of places side by side; returns how many of each were acknowledged."""
        await self._context.failpoints.reached("publisher: rows read")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._publish(at, rows, acknowledged)) for at, rows in sorted(places.items())]
        await self._context.failpoints.reached("publisher: acknowledged")
        return [task.result() for task in tasks]

    async def _publish(self, at: TopicPartition, rows: Sequence[Row], acknowledged: dict[TopicPartition, int]) -> int:
        """Publish one place's rows; returns how many were acknowledged, 0 after a failure."""
        try:
            await self._context.failpoints.reached("publisher: publishing")
            await self._context.log.publish(self._context.stage, at, rows)
            await self._context.failpoints.reached("publisher: published")
        except RetryableError as error:
            logger.warning(
                "not published, the same again soon: %s", error,
                extra={"stage": self._context.stage, "topic": at.topic, "partition": at.partition, "seq": rows[0].seq},
            )  # fmt: skip
            return 0
        except Exception as error:
            logger.exception(
                "not publishable", extra={"stage": self._context.stage, "topic": at.topic, "partition": at.partition}
            )
            self._holes[at.partition] = f"publishing to {at.topic} raised {type(error).__name__}"
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
        async with self._context.pool.acquire() as connection, connection.transaction():
            try:
                await fence(connection, self._context.stage, touched)
            except LostEpochsError as error:
                self._drop(error.epochs)
                raise
            # A mark that a crash of the server forgets costs a repeat, so nobody waits for its flush.
            await connection.execute("set local synchronous_commit = off")
            await connection.execute(_QUERIES["mark_published"], self._context.stage, *marks)
            await self._context.failpoints.reached("publisher: marking")
        self._marked.update(news)
        self._marked_at = time.monotonic()
        await self._context.failpoints.reached("publisher: marked")

    def _drop(self, epochs: Mapping[int, int]) -> None:
        """Publish no more what has a newer owner, unless it was begun anew meanwhile."""
        for partition, epoch in epochs.items():
            if self._epochs.get(partition) == epoch:
                del self._epochs[partition]
