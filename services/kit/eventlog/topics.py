"""Which topics there are, who reads and writes them, and their dead letters: pure functions over the contracts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from notification.topics import TOPIC, TOPICS, TopicSpec

__all__ = [
    "DLQ_SOURCE",
    "MAX_BLOCK_BYTES",
    "UPSTREAM",
    "TopicSetting",
    "config_of",
    "dead_letter_topic",
    "dead_letter_topics",
    "is_dead_letter_topic",
    "is_foreign",
    "is_on",
    "max_message_bytes",
    "original_of",
    "partitions_of",
    "readers_of",
    "retention_of",
    "sources_of",
    "topic_settings",
]

# The source of replayed dead letters: an operator's, with sequences of its own, read by every stage.
DLQ_SOURCE = "dlq"

# The producer of topics that are not ours.
UPSTREAM = "upstream"

# A block with its headers and the batch around it must stay under the topics' max.message.bytes of 1,000,000.
MAX_BLOCK_BYTES = 980_000

# What a dead letter has on top of the record it holds: its headers, names and reasons of bounded length.
_DEAD_LETTER_MARGIN = 48_576

# Long enough that a fault found after a holiday can still be replayed.
_DEAD_LETTER_RETENTION_MS = 30 * 86_400_000

# A block's time is its writer's clock. A broker whose clock is behind it must not refuse the block for that.
_ALWAYS = {"message.timestamp.after.max.ms": str(2**63 - 1)}

_SUFFIX = ".dlq"


@dataclass(frozen=True, slots=True)
class TopicSetting:
    """A topic as it has to exist: partitions and configuration."""

    name: str
    partitions: int
    config: Mapping[str, str]


def dead_letter_topic(topic: str, stage: str) -> str:
    """Name the topic that holds what `stage` could not read of `topic`."""
    return f"{topic}.{stage}{_SUFFIX}"


def dead_letter_topics() -> list[str]:
    """Name all dead-letter topics: one for each topic and each stage that reads it."""
    return [dead_letter_topic(spec.name, stage) for spec in TOPICS for stage in readers_of(spec.name)]


def is_dead_letter_topic(topic: str) -> bool:
    """Tell whether a topic holds dead letters."""
    return topic.endswith(_SUFFIX)


def original_of(topic: str) -> tuple[str, str]:
    """Return the (topic, stage) that a dead-letter topic belongs to. Raises ValueError for any other topic."""
    original, _, stage = topic.removesuffix(_SUFFIX).rpartition(".")
    if not is_dead_letter_topic(topic) or original not in TOPIC:
        raise ValueError(f"{topic} is not a dead-letter topic")
    return original, stage


def sources_of(topic: str) -> tuple[str, ...]:
    """Return the sources whose blocks a reader of `topic` has to ask for, replayed dead letters included."""
    if is_dead_letter_topic(topic):
        return (original_of(topic)[1],)
    spec = TOPIC[topic]
    if is_foreign(topic):
        return ()
    return (*spec.producers, DLQ_SOURCE) if spec.read == "stage" else spec.producers


def is_foreign(topic: str) -> bool:
    """Tell whether others write a topic: its records have no source and no sequence of ours."""
    spec = TOPIC.get(topic)
    return spec is not None and UPSTREAM in spec.producers


def readers_of(topic: str) -> tuple[str, ...]:
    """Return the stages that must have read a block of `topic` before it may be pruned."""
    spec = TOPIC.get(topic)
    return spec.consumers if spec is not None and spec.read == "stage" else ()


def is_on(topic: str, log: str) -> bool:
    """Tell whether a log has a topic; `log` is a word of HERAUT_LOG. Some topics of others are on one log only."""
    return _exists_on(TOPIC[topic], log)


def partitions_of(topic: str, installation: int) -> int:
    """Return the number of partitions of a topic, its dead letters included, in an installation of so many."""
    original = original_of(topic)[0] if is_dead_letter_topic(topic) else topic
    return TOPIC[original].partitions or installation


def retention_of(topic: str, default: timedelta) -> timedelta | None:
    """Return how long a log inside the database keeps a block that all have read; None = for ever."""
    kafka = int(config_of(topic)["retention.ms"])
    if is_dead_letter_topic(topic):
        return timedelta(milliseconds=kafka)
    return None if kafka == -1 else default


def topic_settings(installation: int, log: str) -> Iterator[TopicSetting]:
    """Return every topic of an installation of so many partitions on `log`, a word of HERAUT_LOG.

    Dead-letter topics are included.
    """
    for spec in TOPICS:
        if _exists_on(spec, log):
            for name in (spec.name, *(dead_letter_topic(spec.name, stage) for stage in readers_of(spec.name))):
                yield TopicSetting(name, partitions_of(name, installation), config_of(name))


def config_of(topic: str) -> dict[str, str]:
    """Return the configuration that a topic should have in a log outside the database, in Kafka's words."""
    if not is_dead_letter_topic(topic):
        return {**TOPIC[topic].kafka, **_ALWAYS}
    spec = TOPIC[original_of(topic)[0]]
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(_DEAD_LETTER_RETENTION_MS),
        "max.message.bytes": str(int(spec.kafka["max.message.bytes"]) + _DEAD_LETTER_MARGIN),
        **spec.dead_letters,
        **_ALWAYS,
    }


def max_message_bytes(topic: str) -> int:
    """Return how large a record batch of a topic may be."""
    return int(config_of(topic)["max.message.bytes"])


def _exists_on(spec: TopicSpec, log: str) -> bool:
    return spec.log in {"both", log}
