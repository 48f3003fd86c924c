"""Takes away the rows of synthetic people, who are nobody: they would pile up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from services.core.synthetic import SYNTHETIC_INCIDENT
from services.kit.postgres import Connection, Queries

__all__ = ["KEPT", "forget_synthetic"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
KEPT: Final = timedelta(hours=1)  # far longer than anybody is on its way


async def forget_synthetic(connection: Connection, partitions: Sequence[int], before: datetime, limit: int) -> int:
    """Drop synthetic people of these partitions who came before that time, up to `limit`; returns how many went."""
    arguments = SYNTHETIC_INCIDENT, list(partitions), int(before.timestamp() * 1000), limit
    return int(await connection.fetchval(_QUERIES["forget_synthetic"], *arguments))
