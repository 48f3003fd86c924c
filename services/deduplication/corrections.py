"""When people hear that something they were told does not hold any more: by the incident's policy. Pure.

A claim keeps what its person was told in all. A *correction* sets that back to what holds: its claim says less than the
one before, so that facts which come back are news again. Nothing else makes a claim that says less.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from services.core.notices import FLAG_RETRACTED, FLAG_WITHDRAWN
from services.core.policy import Correction
from services.deduplication.domain import Claim, Course, Member, Outcome, Standing, Terms, is_reachable

__all__ = [
    "addressee",
    "corrects",
    "data_of",
    "data_version",
    "mistold_in",
    "owed_to",
    "past",
    "since_corrected",
    "staying_owed",
    "wants_correction",
]


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
    """Return, by group, the notice that its people may have read whose bearer turned out to be somebody else.

    Where policy wants no correction there is none to be asked for.
    """
    return {} if policy is Correction.NONE else owed_to(claims, members)


_GONE: Final = frozenset({Outcome.RETRACTED, Outcome.WITHDRAWN, Outcome.UNCORRECTED})


def owed_to(claims: Iterable[Claim], members: Mapping[bytes, Member]) -> dict[int, Claim]:
    """Return, by group, the last notice of somebody else's that it was not told of, whatever policy wants.

    A source that mends the identity of a record has often mended its address with it, so whoever read the notice may be
    of the group. One that was stopped told nobody. Whoever was told as if for the first time after it, as nobody wanted
    a correction then, may be of another group: the first claim of that says which notice it went past.
    """
    every = list(claims)
    told = [claim for claim in every if claim.course != Course.STOPPED]
    wrong = {claim.notice: claim for claim in told if claim.void and _is_somebody_elses(claim, members)}
    if not wrong:
        return {}
    groups: dict[int, list[Claim]] = {claim.group: [] for claim in every}
    for claim in told:
        groups[claim.group].append(claim)
    firsts = {claim.group: claim for claim in reversed(every)}
    found = {group: owed for group, its in groups.items() if (owed := _owed(its, firsts[group], wrong))}
    # What a group went past is its own to be corrected, and not that of the group that it came from.
    passed = {firsts[group].supersedes for group, its in groups.items() if not (its and its[-1].notice in wrong)}
    return {group: owed for group, owed in found.items() if owed.group != group or owed.notice not in passed}


def staying_owed(
    claims: Sequence[Claim],
    members: Mapping[bytes, Member],
    before: Mapping[bytes, Standing],
    after: Mapping[bytes, Standing],
) -> Iterator[tuple[bytes, Standing]]:
    """Return who was not told since a notice of somebody else's, with the group that it was for.

    Where nobody is to be corrected they are told as if for the first time, and another policy may come.
    """
    owed = owed_to(claims, members)
    for m, standing in after.items() if owed else ():
        group = before[m].told_with if m in before else 0
        if group in owed and not standing.told_with and standing.outcome not in _GONE:
            yield m, standing._replace(told_with=group)


def past(claim: Claim, wrong: Claim | None) -> Claim:
    """Return a first claim that goes past a notice of somebody else's, so that it can be corrected later."""
    if wrong is None or not (wrong.exposed & ~claim.exposed or wrong.confirmed & ~claim.confirmed):
        return claim
    return claim._replace(supersedes=wrong.notice)


def _is_somebody_elses(claim: Claim, members: Mapping[bytes, Member]) -> bool:
    bearer = members.get(claim.bearer)
    return bearer is not None and bool(bearer.flags & FLAG_RETRACTED)


def _owed(its: Sequence[Claim], first: Claim, wrong: Mapping[bytes, Claim]) -> Claim | None:
    """Return what a group was told in error and not corrected.

    `its` are those of its claims that were not stopped, in their order, `first` is its very first one.
    """
    if its and its[-1].notice in wrong:
        return its[-1]
    passed, later = _passed(its, first, wrong)
    if passed is None or any(claim.supersedes == passed.notice for claim in later if claim is not first):
        return None
    exposed, confirmed = passed.exposed, passed.confirmed
    for claim in later:
        exposed, confirmed = exposed & ~claim.exposed, confirmed & ~claim.confirmed
    return passed if exposed or confirmed else None


def _passed(its: Sequence[Claim], first: Claim, wrong: Mapping[bytes, Claim]) -> tuple[Claim | None, Sequence[Claim]]:
    """Return the last notice of somebody else's that a group was told past without a word of it, and what it was told.

    One of its own is followed by a claim that names none before it; one of another group is named by its first claim.
    """
    for at in range(len(its) - 1, 0, -1):
        before = wrong.get(its[at - 1].notice)
        if before and its[at].supersedes is None:
            return before, its[at:]
    elsewhere = wrong.get(first.supersedes) if first.supersedes else None
    return (elsewhere, its) if elsewhere and elsewhere.group != first.group else (None, ())


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
    flags, since = known.flags | withdrawal.flags, known.contact_since or known.version
    return withdrawal._replace(
        channels=known.channels, flags=flags, language=known.language, slot=known.slot, contact_since=since
    )


def data_version(member: Member) -> int:
    """Return the version that a member's contact data was sealed for: a withdrawal keeps that of the one before."""
    return member.version - 1 if member.flags & FLAG_WITHDRAWN else member.version
