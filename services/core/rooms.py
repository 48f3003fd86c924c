"""The rooms and their stages: the one word that names process, schema, role, metric prefix and log source."""

from collections.abc import Mapping
from types import MappingProxyType

from services.core.channel import CHANNELS

__all__ = ["DISPATCH_STAGES", "ROOMS", "STAGES"]

ROOMS = ("intake", "deduplication", "routing", "dispatch", "tracking")

# One process for each channel. `heraut up` gives them their ports in this order, from letter to portal.
DISPATCH_STAGES = tuple(f"dispatch-{channel.label}" for channel in reversed(CHANNELS))

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
