"""How far a stage has taken what a source wrote: for what must not hold before that is known."""

from collections.abc import Collection
from pathlib import Path

from services.kit.postgres import Connection, Queries

__all__ = ["read_taken"]

_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


async def read_taken(
    connection: Connection, stage: str, topic: str, source: str, partitions: Collection[int]
) -> dict[int, int]:
    """Return the last sequence of `source` that the stage took of each partition of a topic, 0 where none was.

    As this transaction sees it: in `Handler.apply` the blocks at hand are among those taken.
    """
    rows = await connection.fetch(_QUERIES["read_taken"], stage, topic, source, list(partitions))
    return dict.fromkeys(partitions, 0) | {row["partition"]: row["taken"] for row in rows}
