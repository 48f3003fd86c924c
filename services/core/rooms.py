"""The rooms and their stages: the one word that names process, schema, role, metric prefix and log source."""

from collections.abc import Mapping
from types import MappingProxyType

from services.core.channel import Channel

__all__ = ["DISPATCH_STAGES", "ROOMS", "STAGES", "dispatch_stage"]

ROOMS = ("intake", "deduplication", "routing", "dispatch", "tracking")


def dispatch_stage(channel: Channel) -> str:
    """Return the stage that hands over on this channel: `dispatch-letter`."""
    return f"dispatch-{channel.label}"


# One process for each channel. `heraut up` gives them their ports in this order; a new one comes last.
DISPATCH_STAGES = tuple(map(dispatch_stage, Channel))

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
