"""The blocks that tell deduplication of homes that change."""

from collections.abc import Mapping

from notification.topics import MEMBERS_ACCEPTED

from services.core.ids import partitions_of
from services.intake.codec import BlockHeader, encode_moves
from services.intake.homes import Home
from services.kit.eventlog import Output

__all__ = ["moved_outputs"]


def moved_outputs(header: BlockHeader, moves: Mapping[bytes, Home], partitions: int) -> list[Output]:
    """Return the blocks to send before any that rests on these homes."""
    if not moves:
        return []
    by_partition: dict[int, dict[bytes, Home]] = {}
    places = partitions_of([home.home for home in moves.values()], partitions)
    for (pseudonym, home), partition in zip(moves.items(), places, strict=True):
        by_partition.setdefault(partition, {})[pseudonym] = home
    return [
        Output(MEMBERS_ACCEPTED, partition, encode_moves(header, theirs))
        for partition, theirs in sorted(by_partition.items())
    ]
