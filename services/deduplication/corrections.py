"""When people hear that something they were told does not hold any more: by the incident's policy. Pure.

A claim keeps what its person was told in all. A *correction* sets that back to what holds: its claim says less than the
one before, so that facts which come back are news again. Nothing else makes a claim that says less.
"""

from collections.abc import Iterable, Mapping, Sequence

from services.core.notices import FLAG_RETRACTED, FLAG_WITHDRAWN
from services.core.policy import Correction
from services.deduplication.domain import Claim, Course, Member, Terms, is_reachable

__all__ = ["addressee", "corrects", "data_of", "data_version", "mistold_in", "since_corrected", "wants_correction"]


def wants_correction(policy: Correction, told: Claim, exposed: int, confirmed: int) -> bool:
    """Tell whether somebody who was told this is to hear that no more than these facts hold."""
    if policy is Correction.NONE:
        return False
    if policy is Correction.WHEN_WHOLLY_WITHDRAWN:
        return bool(told.exposed and not told.exposed & exposed)
    return bool(told.exposed & ~exposed or told.confirmed & ~confirmed)


def corrects(claim: Claim, before: Claim | None) -> bool:
    """Tell whether a notice corrects the one before it."""
    return before is not None and bool(before.exposed & ~claim.exposed or before.confirmed & ~claim.confirmed)


def since_corrected(told: Sequence[Claim]) -> Sequence[Claim]:
    """Return the claims of a group that still hold: the last that corrects, and those after it; all where none does."""
    first = max((at for at in range(1, len(told)) if corrects(told[at], told[at - 1])), default=0)
    return told[first:]


def mistold_in(claims: Iterable[Claim], members: Mapping[bytes, Member], policy: Correction) -> dict[int, Claim]:
    """Return, by group, the last notice of groups whose last bearer turned out to be somebody else.

    A source that mends the identity of a record has often mended its address with it, so whoever read the notice may be
    of the group. One that was stopped told nobody. Where policy wants no correction there is none to be asked for.
    """
    if policy is Correction.NONE:
        return {}
    last = {claim.group: claim for claim in claims if claim.course != Course.STOPPED}
    void = ((group, claim, members.get(claim.bearer)) for group, claim in last.items() if claim.void)
    return {group: claim for group, claim, bearer in void if bearer and bearer.flags & FLAG_RETRACTED}


def addressee(told: Sequence[Claim], members: Sequence[Member], live: Sequence[Member], terms: Terms) -> Member | None:
    """Return whose contact data a correction goes to, None where nobody can be written to (yet).

    The bearer of the last notice, or else the oldest other member that is not withdrawn, of a released cohort. Where
    all are withdrawn, whoever was told: they read something that is not true, whoever's record it was. `members` has
    all of the person, the bearers that were withdrawn included.
    """
    if live:
        last = told[-1].bearer
        first = sorted(live, key=lambda m: m.member != last)
        released = {*terms.released, *terms.limited}
        return next((m for m in first if m.cohort in released and _can_be_told(m, terms)), None)
    by_id = {m.member: m for m in members}
    bearers = (by_id[claim.bearer] for claim in reversed(told) if claim.bearer in by_id)
    return next((m for m in bearers if _can_be_told(m, terms)), None)


def _can_be_told(member: Member, terms: Terms) -> bool:
    return is_reachable(member.channels, member.flags, terms.usable)


def data_of(withdrawal: Member, known: Member) -> Member:
    """Return the withdrawal of a bearer with the contact data of the version before it, which may be needed once more.

    Where that version was not heard of, there is none: its place in the vault is not known.
    """
    if known.version != withdrawal.version - 1 or known.flags & FLAG_WITHDRAWN:
        return withdrawal
    flags = known.flags | withdrawal.flags
    return withdrawal._replace(channels=known.channels, flags=flags, language=known.language, slot=known.slot)


def data_version(member: Member) -> int:
    """Return the version that a member's contact data was sealed for: a withdrawal keeps that of the one before."""
    return member.version - 1 if member.flags & FLAG_WITHDRAWN else member.version
