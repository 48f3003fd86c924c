"""Members that are their source's work, and those that are so no more: what `members.held` tells. Pure."""

from collections.abc import Mapping
from typing import Final

from services.core.unsettled import Unsettled
from services.deduplication.domain import Member, Outcome, Standing

__all__ = ["BY_OUTCOME", "Said", "said_of"]

Said = tuple[bytes, int, int]  # member, the version that was looked at, `Unsettled`

BY_OUTCOME: Final[Mapping[int, Unsettled]] = {
    Outcome.HELD_UNREACHABLE: Unsettled.UNREACHABLE,
    Outcome.HELD_NOT_AT_ADDRESS: Unsettled.NOT_AT_ADDRESS,
    Outcome.HELD_IDENTITY_CONFLICT: Unsettled.IDENTITY_CONFLICT,
    Outcome.HELD_DECEASED_CONFLICT: Unsettled.DECEASED_CONFLICT,
    Outcome.UNCORRECTED: Unsettled.UNCORRECTED,
}


def said_of(before: tuple[Member, Standing] | None, member: Member, standing: Standing) -> Said | None:
    """Return what is to be said of a member whose row was written; None where that changes nothing.

    It is said again of a later version: what was said of the one before is old by then. Who left for another pseudonym
    is settled here as of the version before, so that what the other partition says of the newer one holds whichever of
    the two is read first.
    """
    now, was, version = _unsettled(standing), Unsettled.NOTHING, member.version
    if before:
        was = _unsettled(before[1])
        if standing.outcome == Outcome.RETRACTED:
            version = before[0].version
    if now == was and (not now or (before and before[0].version == version)):
        return None
    return member.member, version, now


def _unsettled(standing: Standing) -> Unsettled:
    found = BY_OUTCOME.get(standing.outcome)
    return found or (Unsettled.TOLD_APART if standing.conflict else Unsettled.NOTHING)
