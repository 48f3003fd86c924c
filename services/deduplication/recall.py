"""Which released notices must not begin any more, and what is learned of them afterwards. Pure.

A notice that was released may still lie somewhere, not begun. Where it should not go as it is, dispatch is asked to
stop it, and answers once: it was stopped, or it had begun. Until then it counts as told, and its group gets no other.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Final

from services.core.notices import FLAG_DECEASED, FLAG_NEXT_OF_KIN, FLAG_NOT_DECEASED
from services.deduplication.corrections import corrects, data_version
from services.deduplication.domain import Claim, Course, Member, Person, Terms, is_withdrawn

__all__ = ["advances", "to_recall"]

_UNSETTLED: Final = frozenset({Course.OPEN, Course.RECALLED})


def advances(claim: Claim, course: Course) -> bool:
    """Tell whether what was heard of a notice says more than what is known of it.

    What was stopped never goes; all else is believed of a notice of which nothing final is known.
    """
    return claim.course != course and (course == Course.STOPPED or claim.course in _UNSETTLED)


def to_recall(person: Person, members: Mapping[bytes, Member], terms: Terms) -> list[bytes]:
    """Return the notices of a person that should not go as they are, and those that name them as the ones before.

    A notice should not go whose bearer was taken back or corrected, that names what nobody says any more, or that is
    for somebody who died. Of which it is known how they ended, or which were recalled, are not returned.
    """
    told = [claim for claim in person.claims if not claim.void]
    if not any(claim.course == Course.OPEN for claim in told):
        return []
    said = [m for m in person.live if not is_withdrawn(m, terms)]
    first = next((at for at, claim in enumerate(told) if _is_stale(claim, told[:at], said, members, terms)), len(told))
    return [claim.notice for claim in told[first:] if claim.course == Course.OPEN]


def _is_stale(
    claim: Claim, before: Sequence[Claim], said: Sequence[Member], members: Mapping[bytes, Member], terms: Terms
) -> bool:
    if claim.course != Course.OPEN:
        return False
    bearer = members[claim.bearer]
    taken_back = is_withdrawn(bearer, terms) and not corrects(claim, before[-1] if before else None)
    if data_version(bearer) > claim.version or taken_back or _may_not_be_read(bearer, said):
        return True
    exposed, confirmed = claim.exposed, claim.confirmed
    for m in said:
        exposed, confirmed = exposed & ~m.exposed, confirmed & ~m.confirmed
    if not (exposed or confirmed):
        return False
    told = before[-1] if before else None
    return bool(exposed & ~(told.exposed if told else 0) or confirmed & ~(told.confirmed if told else 0))


def _may_not_be_read(bearer: Member, said: Sequence[Member]) -> bool:
    """Tell whether the person has died, by what anybody says, and the bearer's data is not that of the next of kin."""
    flags = reduce(or_, (m.flags for m in said), 0)
    return bool(flags & FLAG_DECEASED) and (not bearer.flags & FLAG_NEXT_OF_KIN or bool(flags & FLAG_NOT_DECEASED))
