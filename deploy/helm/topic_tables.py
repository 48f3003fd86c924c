"""Which topics there are and who may do what with them, as the Helm chart needs it: from the contracts alone.

The same functions that `heraut topics` makes them with. What a source has is a pattern: `{topic}` is its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from notification.topics import COHORT, TOPIC

from services.core.rooms import ROOMS
from services.kit.eventlog.kafka.room_rights import READ, RoomAcl, needed_rights
from services.kit.eventlog.kafka.room_rights import TOPIC as TOPIC_KIND
from services.kit.eventlog.topics import TopicSetting, is_dead_letter_topic, original_of, topic_settings

__all__ = ["topics"]

_PATTERN = "{topic}"
_DESCRIBE, _WRITE = 8, 4  # Kafka's numbers, as in `kit/eventlog/kafka/acls.py`
_OPERATIONS = {READ: "Read", _WRITE: "Write", _DESCRIBE: "Describe"}


def topics() -> dict[str, Any]:
    """Return the topics and the rights to them."""
    found = list(topic_settings(1, "kafka", [COHORT]))
    return {
        "topics": [_topic(one) for one in found if _original(one.name) != COHORT],
        "users": {room: _rights(needed_rights(room, room)) for room in ROOMS},
        "ofSource": {
            "topics": [_of_source(_topic(one)) for one in found if _original(one.name) == COHORT],
            "users": {room: rights for room in ROOMS if (rights := _rights_to_source(room))},
            "producer": _rights([_producers(_DESCRIBE), _producers(_WRITE)]),
        },
    }


def _topic(one: TopicSetting) -> dict[str, Any]:
    """Return a topic; its partitions are None where they are as many as the installation has."""
    return {"name": one.name, "partitions": TOPIC[_original(one.name)].partitions, "config": dict(one.config)}


def _original(topic: str) -> str:
    return original_of(topic)[0] if is_dead_letter_topic(topic) else topic


def _of_source(named: Mapping[str, Any]) -> dict[str, Any]:
    return dict(named) | {"name": str(named["name"]).replace(COHORT, _PATTERN)}


def _rights_to_source(room: str) -> list[dict[str, Any]]:
    """Return what a room may do with a source's topic, beside what it may do without one."""
    more = needed_rights(room, room, [COHORT]) - needed_rights(room, room)
    return [_of_source(right) for right in _rights(more)]


def _producers(operation: int) -> RoomAcl:
    return RoomAcl(TOPIC_KIND, _PATTERN, 0, "", "", operation, 0)


def _rights(acls: Iterable[RoomAcl]) -> list[dict[str, Any]]:
    """Return rights with one entry for each topic and group, in the order of their names."""
    operations: dict[tuple[str, str], set[str]] = {}
    for acl in acls:
        kind = "topic" if acl.resource == TOPIC_KIND else "group"
        operations.setdefault((kind, acl.name), set()).add(_OPERATIONS[acl.operation])
    return [
        {"type": kind, "name": name, "operations": sorted(some)} for (kind, name), some in sorted(operations.items())
    ]
