"""Topics on Kafka: made with their configuration, checked, and waited for until each partition has its leader."""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog.durability import TopicCopies
from services.kit.eventlog.kafka.client import KafkaAdmin, KafkaSettings, connected_admin, passing_faults
from services.kit.eventlog.topics import TopicSetting, family_topics_among, topic_settings

__all__ = ["compare_partitions", "delete_topics", "ensure_topics", "kafka_topics", "listed_topics", "topic_copies"]

# Leaders are elected within a second; a cluster that is busy starting may take some.
_LEADER_SECONDS = 30.0
_POLL_SECONDS = 0.1
# Every topic of Heraut begins so; another system's topics on the same brokers are never touched.
_OURS = "heraut."
_LEAST_IN_SYNC = "min.insync.replicas"


def kafka_topics(partitions: int, family_members: Iterable[str]) -> list[TopicSetting]:
    """Return the topics of an installation of so many partitions, as they have to exist on Kafka.

    Raises ConfigError where `family_members` names a topic that is none.
    """
    return list(topic_settings(partitions, "kafka", family_members))


async def listed_topics(kafka: KafkaSettings) -> list[str]:
    """Return the names of Heraut's topics that exist. Raises RetryableError where the brokers cannot be reached."""
    async with connected_admin(kafka) as admin:
        with passing_faults("the topics cannot be listed"):
            return [name for name in await admin.list_topics() if name.startswith(_OURS)]


async def delete_topics(kafka: KafkaSettings) -> None:
    """Delete all topics of Heraut. Raises RetryableError where the brokers cannot be reached."""
    if names := await listed_topics(kafka):
        async with connected_admin(kafka) as admin:
            with passing_faults("the topics cannot be deleted"):
                await admin.delete_topics(names)


async def ensure_topics(
    kafka: KafkaSettings, partitions: int, replication_factor: int, family_members: Iterable[str]
) -> Sequence[str]:
    """Make the topics that are missing, dead-letter topics included; returns their names.

    Of the topics that have a family, and of its members, it makes those in `family_members`. Safe to repeat. Returns
    when every partition has a leader. An existing topic's configuration is left to its operators. Raises ConfigError
    where an existing topic has another number of partitions, where the brokers refuse one, or where `family_members`
    names a topic that is none; RetryableError where they cannot be reached.
    """
    wanted = {setting.name: setting for setting in kafka_topics(partitions, family_members)}
    async with connected_admin(kafka) as admin:
        with passing_faults("the topics cannot be made"):
            _check(wanted, await _partitions(admin, wanted))
            # All are asked for: only the controller knows for certain which ones there are.
            made = await _create(admin, list(wanted.values()), replication_factor)
            await _wait_for_leaders(admin, wanted)
            _check(wanted, await _partitions(admin, wanted))
            return made


async def compare_partitions(kafka: KafkaSettings, partitions: int) -> None:
    """Compare the topics that exist with an installation of so many partitions.

    Raises ConfigError where one has another number, RetryableError where the brokers cannot be reached.
    """
    members = family_topics_among(await listed_topics(kafka))
    wanted = {setting.name: setting for setting in kafka_topics(partitions, members)}
    async with connected_admin(kafka) as admin:
        with passing_faults("the topics cannot be compared"):
            _check(wanted, await _partitions(admin, wanted))


async def topic_copies(kafka: KafkaSettings, names: Collection[str]) -> list[TopicCopies]:
    """Return how the brokers keep those of these topics that exist. Raises RetryableError."""
    async with connected_admin(kafka) as admin:
        with passing_faults("the topics' copies cannot be counted"):
            found = await _partitions(admin, dict.fromkeys(names))
            least = await _least_in_sync(admin, found)
    return [
        TopicCopies(
            name, [len(one["replicas"]) for one in partitions], [len(one["isr"]) for one in partitions], least[name]
        )
        for name, partitions in sorted(found.items())
    ]


async def _least_in_sync(admin: KafkaAdmin, names: Iterable[str]) -> dict[str, int]:
    """Return how many copies have to have a block before it is acknowledged, by topic; 1 where nobody says."""
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {_LEAST_IN_SYNC: None}) for name in names]
    if not asked:
        return {}
    (answer,) = await admin.describe_configs(asked)
    found = dict.fromkeys(names, 1)
    for _, _, _, name, entries in answer.resources:
        found[name] = next((int(value) for key, value, *_ in entries if key == _LEAST_IN_SYNC), 1)
    return found


async def _partitions(admin: KafkaAdmin, wanted: Mapping[str, object]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the partitions of those wanted topics that exist. All topics are listed: asking by name may make them."""
    topics = await admin.describe_topics()
    return {t["topic"]: t["partitions"] for t in topics if t["topic"] in wanted and not t["error_code"]}


def _check(wanted: Mapping[str, TopicSetting], existing: Mapping[str, Sequence[object]]) -> None:
    faults = [
        f"{name} has {len(found)} partitions, HERAUT_PARTITIONS asks for {wanted[name].partitions}"
        for name, found in sorted(existing.items())
        if len(found) != wanted[name].partitions
    ]
    if faults:
        raise ConfigError("\n".join(faults))


async def _create(admin: KafkaAdmin, topics: Sequence[TopicSetting], replication_factor: int) -> Sequence[str]:
    """Ask for topics; returns the names of those that were not there."""
    # Of three copies two have to have a block: with one alone its broker could be lost with what it acknowledged.
    agreed = {_LEAST_IN_SYNC: "2"} if replication_factor > 2 else {}
    new = [NewTopic(t.name, t.partitions, replication_factor, topic_configs={**t.config, **agreed}) for t in topics]
    answer = await admin.create_topics(new)
    made, faults = [], []
    for name, code, *message in answer.topic_errors:
        error = for_code(code)
        if not code:
            made.append(name)
        elif getattr(error, "retriable", False):
            raise RetryableError(f"{name} cannot be made: {error.__name__}")
        elif error is not TopicAlreadyExistsError:
            faults.append(f"{name} cannot be made: {message[0] if message and message[0] else error.__name__}")
    if faults:
        raise ConfigError("\n".join(faults))
    return made


async def _wait_for_leaders(admin: KafkaAdmin, wanted: Mapping[str, TopicSetting]) -> None:
    deadline = time.monotonic() + _LEADER_SECONDS
    while True:
        found = await _partitions(admin, wanted)
        led = {name for name, partitions in found.items() if all(p["leader"] >= 0 for p in partitions)}
        if led == wanted.keys():
            return
        if time.monotonic() > deadline:
            raise RetryableError(f"no leader yet for {', '.join(sorted(wanted.keys() - led))}")
        await asyncio.sleep(_POLL_SECONDS)
