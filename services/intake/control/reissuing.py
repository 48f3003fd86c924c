"""A document that notices which wait shall follow: `reissue` of PUT, beside the document and no part of it."""

from pathlib import Path
from typing import Any, Final

from services.kit.postgres import Connection, Queries
from services.wire.incident_document import InvalidDocument

__all__ = ["WAITING", "Reissues", "read_reissue"]

_QUERIES = Queries.load(Path(__file__).parents[1] / "queries.sql")
WAITING: Final = "waiting"  # the notices that were released and not begun yet: those that a channel stopped on, too


def read_reissue(body: Any) -> tuple[Any, bool]:
    """Return the document of a body, and whether the notices that wait shall follow it. Raises InvalidDocument."""
    if not isinstance(body, dict) or "reissue" not in body:
        return body, False
    if body["reissue"] != WAITING:
        raise InvalidDocument([{"field": "reissue", "problem": f"must be {WAITING}, or left out"}])
    return {key: value for key, value in body.items() if key != "reissue"}, True


class Reissues:
    """Which versions of incidents are followed, as rows."""

    async def mark(self, connection: Connection, incident_id: str, version: int) -> None:
        """Note that a version is."""
        await connection.execute(_QUERIES["mark_reissue"], incident_id, version)

    async def is_marked(self, connection: Connection, incident_id: str, version: int) -> bool:
        """Tell whether a version is."""
        return bool(await connection.fetchval(_QUERIES["is_reissue"], incident_id, version))
