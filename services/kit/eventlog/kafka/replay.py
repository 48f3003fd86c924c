"""Dead letters on Kafka."""

from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import RecordsToDelete
from aiokafka.structs import TopicPartition as KafkaPartition

from services.core.access import Act, Caller
from services.kit.eventlog.dead_letters import DeadLetter
from services.kit.eventlog.kafka.client import Closing, KafkaSettings, connected_admin, passing_faults, started
from services.kit.eventlog.kafka.reader import between, new_consumer
from services.kit.eventlog.kafka.writer import KafkaWriter
from services.kit.eventlog.port import TopicPartition
from services.kit.eventlog.replay import Place, note_act, noted_as_sent, send_back
from services.kit.eventlog.timelines import read_timelines
from services.kit.eventlog.topics import dead_letter_topics_among, partitions_of
from services.kit.postgres import Connection

__all__ = ["KafkaDeadLetters"]


class KafkaDeadLetters:
    """Dead letters on Kafka. An entry stays in its topic after a replay: Kafka takes nothing out of the middle."""

    def __init__(self, kafka: KafkaSettings, connection: Connection, partitions: int) -> None:
        self._kafka = kafka
        self._connection = connection
        self._partitions = partitions
        self._closing = Closing()
        self._writer = KafkaWriter(kafka, "heraut-dlq", self._closing)
        self._consumer: AIOKafkaConsumer | None = None

    async def entries(self, limit: int, topic: str | None = None, after: Place | None = None) -> Sequence[DeadLetter]:
        """Return the first entries, of one dead-letter topic or of all, behind `after`."""
        found: list[DeadLetter] = []
        for at, (begin, end) in sorted((await self._extents(topic)).items()):
            first = max(begin, after[1] + 1) if after and at == after[0] else begin
            if after and at < after[0]:
                continue
            if first < end and len(found) < limit:
                found += await self._read(at, first, min(end, first + limit - len(found)))
        return found

    async def entry(self, at: TopicPartition, offset: int) -> DeadLetter | None:
        """Return one entry, None where it is not there (any more)."""
        first, end = (await self._extents(at.topic)).get(at, (0, 0))
        found = await self._read(at, offset, offset + 1) if first <= offset < end else []
        return found[0] if found else None

    async def replay(self, at: TopicPartition, offset: int, caller: Caller) -> bool:
        """Send one entry back to its topic; False where it is not there (any more)."""
        entry = await self.entry(at, offset)
        if entry is None:
            return False
        await note_act(self._connection, caller, Act.DEAD_LETTER_REPLAYED, at, offset)
        self._writer.timeline = (await read_timelines(self._connection)).current
        await send_back(entry, self._connection, self._writer)
        return True

    async def sent_back(self) -> frozenset[Place]:
        """Return which entries were sent back once; they stay."""
        return await noted_as_sent(self._connection)

    async def purge(self, at: TopicPartition, through: int, caller: Caller) -> None:
        """Delete the entries of a partition up to and with this one, and write down who did."""
        await note_act(self._connection, caller, Act.DEAD_LETTERS_PURGED, at, through)
        async with connected_admin(self._kafka) as admin:
            with passing_faults(f"{at.topic}/{at.partition} cannot be purged"):
                await admin.delete_records({KafkaPartition(*at): RecordsToDelete(before_offset=through + 1)})

    async def close(self) -> None:
        """Let go of all connections to Kafka."""
        self._writer.close()
        if self._consumer is not None:
            self._closing.add(self._consumer)
            self._consumer = None
        await self._closing.wait()

    async def _extents(self, topic: str | None) -> dict[TopicPartition, tuple[int, int]]:
        """Return first and end offset of every partition of one dead-letter topic or of all.

        The brokers say which ones there are: a source that sends nothing any more may have left some.
        """
        with passing_faults("the dead letters cannot be read"):
            consumer = await self._connected()
            wanted = [
                KafkaPartition(name, partition)
                for name in dead_letter_topics_among(await consumer.topics())
                if topic in {None, name}
                for partition in range(partitions_of(name, self._partitions))
            ]
            first, end = await consumer.beginning_offsets(wanted), await consumer.end_offsets(wanted)
        return {TopicPartition(*where): (first[where], end[where]) for where in wanted}

    async def _read(self, at: TopicPartition, start: int, end: int) -> list[DeadLetter]:
        """Read entries, but for those of a timeline that the database does not go on from: they are nobody's."""
        with passing_faults(f"{at.topic}/{at.partition} cannot be read"):
            records = await between(await self._connected(), KafkaPartition(*at), start, end)
        timelines = await read_timelines(self._connection)
        return [DeadLetter(record) for record in records if timelines.holds(record)]

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            self._consumer = await started(new_consumer(self._kafka, "heraut-dlq"), self._closing)
        return self._consumer
