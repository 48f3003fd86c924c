"""Kafka as it is configured: what a process, a command and the demo need of it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from services.kit.config import ServiceConfig
from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog.durability import Durability, judged
from services.kit.eventlog.kafka.acls import grant_producers
from services.kit.eventlog.kafka.admin import (
    compare_partitions,
    delete_topics,
    ensure_topics,
    kafka_topics,
    listed_topics,
    topic_copies,
)
from services.kit.eventlog.kafka.client import KafkaSettings
from services.kit.eventlog.kafka.log import KafkaLog
from services.kit.eventlog.kafka.replay import KafkaDeadLetters
from services.kit.eventlog.kafka.room_rights import grant_rooms
from services.kit.eventlog.rights import Granted
from services.kit.eventlog.timelines import Timelines, read_timelines
from services.kit.postgres import Connection, Pool, is_retryable

__all__ = ["KafkaInstallation"]


class KafkaInstallation:
    """The brokers of one configuration, as the user that it names, or as a room's own."""

    outside_database = True

    def __init__(self, config: ServiceConfig, room: str | None = None) -> None:
        self._kafka = KafkaSettings.from_config(config, room)
        self._partitions = config.partitions
        self._replication = config.kafka_replication

    def open(self, stage: str, pool: Pool) -> KafkaLog:
        """Open the log of one stage of one process."""
        return KafkaLog(self._kafka, stage, partial(_timelines, pool))

    def dead_letters(self, connection: Connection) -> KafkaDeadLetters:
        """Open the dead letters; blocks that are sent back pass through the database of `connection`."""
        return KafkaDeadLetters(self._kafka, connection, self._partitions)

    async def make_topics(self, family_members: Iterable[str]) -> Sequence[str]:
        """Make the topics that are missing; returns their names. Raises ConfigError and RetryableError."""
        return await ensure_topics(self._kafka, self._partitions, self._replication, family_members)

    async def grant(self, producers: Mapping[str, str]) -> Granted:
        """Let each of these topics be written by its producer alone. Raises ConfigError and RetryableError."""
        return await grant_producers(self._kafka, producers)

    async def grant_rooms(self, users: Mapping[str, str], family_members: Iterable[str]) -> Granted:
        """Give each room's user what the contracts say, and nothing else. Raises ConfigError and RetryableError."""
        return await grant_rooms(self._kafka, users, family_members)

    async def topics(self) -> Sequence[str]:
        """Return the names of Heraut's topics that exist. Raises RetryableError."""
        return await listed_topics(self._kafka)

    async def delete_topics(self) -> None:
        """Delete all of Heraut's topics. Raises RetryableError."""
        await delete_topics(self._kafka)

    async def compare_partitions(self) -> None:
        """Compare the setting with the topics that exist. Raises ConfigError, RetryableError."""
        await compare_partitions(self._kafka, self._partitions)

    async def durability(self, family_members: Iterable[str]) -> Durability:
        """Say how many copies the topics have, and how many have to agree. Raises RetryableError."""
        wanted = {topic.name for topic in kafka_topics(self._partitions, family_members)}
        return judged(await topic_copies(self._kafka, wanted))

    async def check(self, family_members: Iterable[str]) -> str:
        """Say where the brokers are, once they answered and have every topic. Raises ConfigError, RetryableError."""
        await self.compare_partitions()
        wanted = {topic.name for topic in kafka_topics(self._partitions, family_members)}
        if missing := wanted.difference(await listed_topics(self._kafka)):
            raise ConfigError(f"{len(missing)} of {len(wanted)} topics are missing: run `heraut topics`")
        return f"Kafka at {self._kafka.bootstrap_servers}, {len(wanted)} topics"


async def _timelines(pool: Pool) -> Timelines:
    """Read the timelines of a stage's database. Raises RetryableError."""
    try:
        async with pool.acquire() as connection:
            return await read_timelines(connection)
    except Exception as error:
        if not is_retryable(error):
            raise
        raise RetryableError(f"the database's timelines cannot be read: {type(error).__name__}") from error
