"""The channels that a version of an incident closes: its answer names them, as nothing begins on them any more."""

from pathlib import Path
from typing import Final

import orjson

from services.core.channel import CHANNELS
from services.core.incident import Incident
from services.kit.postgres import Connection, Queries
from services.wire.incident_document import parse_incident

__all__ = ["closed_by"]

_QUERIES: Final = Queries.load(Path(__file__).parents[1] / "queries.sql")


async def closed_by(connection: Connection, incident: Incident, version: int) -> list[str]:
    """Return the channels that a version of an incident closes, which is given as it is: the one before has them."""
    before = await connection.fetchval(_QUERIES["read_document"], incident.incident_id, version - 1)
    if before is None:
        return []
    allowed = parse_incident(incident.incident_id, version - 1, orjson.loads(before)).usable_mask
    return [channel.label for channel in CHANNELS if channel & allowed & ~incident.usable_mask]
