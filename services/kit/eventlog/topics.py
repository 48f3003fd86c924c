"""Which topics there are, who reads and writes them, and their dead letters: pure functions over the contracts.

Some topics have a family: a topic for each source, which follows the same contract. An installation asks for those
that it has; whatever takes the name of a topic takes that of a member as well.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from notification.topics import FAMILY_SOURCE, TOPIC, TOPICS, TopicSpec

from services.kit.errors import ConfigError

__all__ = [
    "DLQ_SOURCE",
    "MAX_BLOCK_BYTES",
    "UPSTREAM",
    "TopicSetting",
    "comes_again_within",
    "config_of",
    "contract_of",
    "dead_letter_topic",
    "dead_letter_topics",
    "dead_letter_topics_among",
    "family_member",
    "family_topics",
    "family_topics_among",
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

_SOURCE_MARK = "{source}"
_FAMILIES = tuple(
    (re.compile(re.escape(spec.family).replace(re.escape(_SOURCE_MARK), FAMILY_SOURCE)), spec)
    for spec in TOPICS
    if spec.family is not None
)


@dataclass(frozen=True, slots=True)
class TopicSetting:
    """A topic as it has to exist: partitions and configuration."""

    name: str
    partitions: int
    config: Mapping[str, str]


def contract_of(topic: str) -> str | None:
    """Return the topic in the contracts that `topic` is or whose family it belongs to; None where there is none."""
    spec = _find(topic)
    return spec.name if spec is not None else None


def family_member(topic: str, source: str) -> str:
    """Return the topic that belongs to `source`, of the family of `topic`.

    Raises ValueError where the topic has no family, or where the source's name cannot stand in the name of a topic.
    """
    family = TOPIC[topic].family
    if family is None or not re.fullmatch(FAMILY_SOURCE, source):
        raise ValueError(f"{topic} has no topic for this source: its name has to be {FAMILY_SOURCE}")
    return family.replace(_SOURCE_MARK, source)


def family_topics(topics: Iterable[str]) -> tuple[str, ...]:
    """Return each of these topics once: those that exist only where an installation asks for them.

    They are topics that have a family, and the members of it. Raises ConfigError where another one is among them.
    """
    asked = tuple(dict.fromkeys(topics))
    possible = [name for spec in TOPICS if spec.family for name in (spec.name, spec.family)]
    faults = [
        f"{topic} is no topic that an installation may ask for: {' or '.join(possible)}, a source being {FAMILY_SOURCE}"
        for topic in asked
        if (spec := _find(topic)) is None or spec.family is None
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    return asked


def family_topics_among(names: Iterable[str]) -> list[str]:
    """Return those of the topics that exist only where an installation asks for them."""
    return [name for name in names if (spec := _find(name)) is not None and spec.family is not None]


def dead_letter_topic(topic: str, stage: str) -> str:
    """Name the topic that holds what `stage` could not read of `topic`."""
    return f"{topic}.{stage}{_SUFFIX}"


def dead_letter_topics() -> list[str]:
    """Name the dead-letter topics of the contracts: one for each topic and each stage that reads it."""
    return [dead_letter_topic(spec.name, stage) for spec in TOPICS for stage in readers_of(spec.name)]


def dead_letter_topics_among(names: Iterable[str]) -> list[str]:
    """Return those of `names` that are dead-letter topics of Heraut, members of families included."""
    return sorted(name for name in names if _origin(name) is not None)


def is_dead_letter_topic(topic: str) -> bool:
    """Tell whether a topic holds dead letters."""
    return topic.endswith(_SUFFIX)


def original_of(topic: str) -> tuple[str, str]:
    """Return the (topic, stage) that a dead-letter topic belongs to. Raises ValueError for any other topic."""
    origin = _origin(topic)
    if origin is None:
        raise ValueError(f"{topic} is not a dead-letter topic")
    return origin


def sources_of(topic: str) -> tuple[str, ...]:
    """Return the sources whose blocks a reader of `topic` has to ask for, replayed dead letters included."""
    if is_dead_letter_topic(topic):
        return (original_of(topic)[1],)
    spec = _spec(topic)
    if is_foreign(topic):
        return ()
    return (*spec.producers, DLQ_SOURCE) if spec.read == "stage" else spec.producers


def is_foreign(topic: str) -> bool:
    """Tell whether others write a topic: its records have no source and no sequence of ours."""
    spec = _find(topic)
    return spec is not None and UPSTREAM in spec.producers


def readers_of(topic: str) -> tuple[str, ...]:
    """Return the stages that must have read a block of `topic` before it may be pruned."""
    spec = _find(topic)
    return spec.consumers if spec is not None and spec.read == "stage" else ()


def is_on(topic: str, log: str) -> bool:
    """Tell whether a log has a topic; `log` is a word of HERAUT_LOG. Some topics of others are on one log only."""
    return _spec(topic).log in {"both", log}


def partitions_of(topic: str, installation: int) -> int:
    """Return the number of partitions of a topic, its dead letters included, in an installation of so many."""
    original = original_of(topic)[0] if is_dead_letter_topic(topic) else topic
    return _spec(original).partitions or installation


def retention_of(topic: str, default: timedelta) -> timedelta | None:
    """Return how long a log inside the database keeps a block that all have read; None = for ever."""
    kafka = int(config_of(topic)["retention.ms"])
    if is_dead_letter_topic(topic):
        return timedelta(milliseconds=kafka)
    return None if kafka == -1 else default


def comes_again_within(topic: str, default: timedelta) -> timedelta:
    """Return for how long a block of a topic may be heard again, by whoever keeps a mark against that.

    It lies in the log, and as a dead letter; sent back it lies in the log once more. `default` is as in `retention_of`.
    """
    kept = max(default, timedelta(milliseconds=int(config_of(topic)["retention.ms"])))
    aside = [retention_of(dead_letter_topic(topic, stage), default) or timedelta() for stage in readers_of(topic)]
    return 2 * kept + max(aside)


def topic_settings(installation: int, log: str, family_members: Iterable[str]) -> Iterator[TopicSetting]:
    """Return every topic of an installation of so many partitions on `log`, a word of HERAUT_LOG.

    Dead-letter topics are included. Of topics that have a family, and of its members, there are those in
    `family_members`. Raises ConfigError where that names another topic.
    """
    always = [spec.name for spec in TOPICS if spec.family is None]
    for topic in (*always, *family_topics(family_members)):
        if is_on(topic, log):
            for name in (topic, *(dead_letter_topic(topic, stage) for stage in readers_of(topic))):
                yield TopicSetting(name, partitions_of(name, installation), config_of(name))


def config_of(topic: str) -> dict[str, str]:
    """Return the configuration that a topic should have in a log outside the database, in Kafka's words."""
    if not is_dead_letter_topic(topic):
        return {**_spec(topic).kafka, **_ALWAYS}
    spec = _spec(original_of(topic)[0])
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


def _origin(topic: str) -> tuple[str, str] | None:
    original, _, stage = topic.removesuffix(_SUFFIX).rpartition(".")
    return (original, stage) if is_dead_letter_topic(topic) and _find(original) is not None else None


def _spec(topic: str) -> TopicSpec:
    """Return the contract of a topic. Raises KeyError where there is none."""
    spec = _find(topic)
    if spec is None:
        raise KeyError(topic)
    return spec


def _find(topic: str) -> TopicSpec | None:
    return TOPIC.get(topic) or _family_of(topic)


@lru_cache(maxsize=1024)  # it is asked for each record that is read; an installation has some dozens of members
def _family_of(topic: str) -> TopicSpec | None:
    return next((spec for members, spec in _FAMILIES if members.fullmatch(topic)), None)
