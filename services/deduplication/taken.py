"""How far intake's blocks are known, for what is decided by it."""

from collections.abc import Collection, Sequence
from typing import Final

from notification import topics

from services.deduplication.codec import WRITER, Work
from services.kit.postgres import Connection
from services.kit.stage import read_taken
from services.wire.recalls import Answers

__all__ = ["STAGE", "reached_in", "taken_before"]

STAGE: Final = "deduplication"


async def taken_before(connection: Connection, work: Sequence[Work | Answers]) -> dict[int, int]:
    """Return of each partition how far intake's blocks were taken before these.

    These count as taken already, and what they correct is decided block by block: a release that was given after one of
    them must not hold for those before it.
    """
    partitions = {one.partition if isinstance(one, Answers) else one.block.partition for one in work}
    taken = await read_taken(connection, STAGE, topics.MEMBERS_ACCEPTED, WRITER, partitions)
    for one in work:
        if isinstance(one, Work) and one.seq:
            taken[one.block.partition] = min(taken[one.block.partition], one.seq - 1)
    return taken


async def reached_in(connection: Connection, taken: dict[int, int], partitions: Collection[int]) -> dict[int, int]:
    """Return how far intake's blocks are known in these partitions, some of which may be another process's.

    What had to be looked up is added to `taken`.
    """
    if missing := set(partitions) - taken.keys():
        taken |= await read_taken(connection, STAGE, topics.MEMBERS_ACCEPTED, WRITER, missing)
    return {one: taken[one] for one in partitions}
