"""How far intake's blocks are known, for what is decided by it."""

from collections.abc import Sequence
from typing import Final

from notification import topics

from services.deduplication.codec import WRITER, Work
from services.kit.postgres import Connection
from services.kit.stage import read_taken
from services.wire.recalls import Answers

__all__ = ["STAGE", "taken_before", "taken_now"]

STAGE: Final = "deduplication"


async def taken_now(connection: Connection, partitions: int) -> list[int]:
    """Return of each partition, those of other processes too, how far intake's blocks are known."""
    known = await read_taken(connection, STAGE, topics.MEMBERS_ACCEPTED, WRITER, range(partitions))
    return [known[one] for one in range(partitions)]


async def taken_before(connection: Connection, work: Sequence[Work | Answers], partitions: int) -> list[int]:
    """Return of each partition how far intake's blocks were taken before these.

    These count as taken already, and what they correct is decided block by block: a release that was given after one of
    them must not hold for those before it.
    """
    taken = await taken_now(connection, partitions)
    for one in work:
        if isinstance(one, Work) and one.seq:
            at = one.block.partition
            taken[at] = min(taken[at], one.seq - 1)
    return taken
