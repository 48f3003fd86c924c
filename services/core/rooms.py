"""The rooms and their stages: the one word that names process, schema, role, metric prefix and log source."""

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DISPATCH_STAGES", "ROOMS", "STAGES"]

ROOMS = ("intake", "deduplication", "routing", "dispatch", "tracking")

DISPATCH_STAGES = ("dispatch-letter", "dispatch-email", "dispatch-portal")

# A stage is a room's consumer group; dispatch has one for each channel. The value is the room, so the schema.
STAGES: Mapping[str, str] = MappingProxyType(
    {
        "intake": "intake",
        "deduplication": "deduplication",
        "routing": "routing",
        **dict.fromkeys(DISPATCH_STAGES, "dispatch"),
        "tracking": "tracking",
    }
)
