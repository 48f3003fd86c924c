"""Notices whose bearer has other contact data than they were released with: who was not reached by it may be now. Pure.

A source corrects a record after its notice was released. Routing hears where the bearer can be written to now, and
attempts the notice again if no channel is left for it. Whether that is so is not known here, and does not matter.
"""

from typing import NamedTuple

from services.core.notices import FLAG_DECEASED, FLAG_NEXT_OF_KIN, FLAG_RETRACTED
from services.deduplication.domain import Claim, Member, Terms, is_reachable, is_withdrawn
from services.deduplication.dossier import Dossier

__all__ = ["Readdressed", "readdressed"]


class Readdressed(NamedTuple):
    """A notice and its bearer as it is now."""

    notice: bytes
    version: int
    since: int  # the first of the bearer's versions with this contact data
    slot: int
    channels: int  # those that there is data for and that may be used now
    flags: int
    language: str


def readdressed(before: Dossier, after: Dossier, terms: Terms) -> list[Readdressed]:
    """Return the notices whose bearer's contact data is another one than it was at their release.

    Of a group only the last notice counts: it says all that the earlier ones said. Nobody is written to who was taken
    back, or who died.
    """
    last = {claim.group: claim for claim in after.claims if not claim.void}
    found = []
    for claim in last.values():
        bearer = after.members[claim.bearer]
        known = before.members.get(claim.bearer)
        # Where the identity changed with it, the notice could not open what was sealed for the other one.
        if known is None or (known.version != bearer.version and known.pseudonym == bearer.pseudonym):
            first = bearer.contact_since or bearer.version
            if first > claim.version and _may_be_told(bearer, claim, after, terms):
                usable = bearer.channels & terms.usable
                row = (claim.notice, bearer.version, first, bearer.slot, usable, bearer.flags, bearer.language)
                found.append(Readdressed._make(row))
    return found


def _may_be_told(bearer: Member, claim: Claim, dossier: Dossier, terms: Terms) -> bool:
    if bearer.flags & FLAG_RETRACTED or is_withdrawn(bearer, terms):
        return False
    if not is_reachable(bearer.channels, bearer.flags, terms.usable):
        return False
    if bearer.flags & FLAG_NEXT_OF_KIN:
        return True
    together = (m for m in dossier.members.values() if dossier.standings[m.member].told_with == claim.group)
    return not any(m.flags & FLAG_DECEASED and not is_withdrawn(m, terms) for m in together)
