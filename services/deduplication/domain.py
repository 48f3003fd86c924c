"""Who is told what, once: decides over all members of one person together. Pure.

A decision follows from what is known of a person now (its members' highest versions, the notices that were
released to it) and from the terms (channels that may be used, cohorts that are released), and not from how that
came about. Who is one person is decided in `dossier`. The rules are listed in the room's README.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from services.core.channel import ALL_CHANNELS, TO_THE_ADDRESS
from services.core.ids import ID_BYTES, hash_begun, notice_id
from services.core.notices import FLAG_NOT_AT_ADDRESS, FLAG_WITHDRAWN
from services.core.policy import Correction
from services.deduplication.judgements import NO_JUDGEMENTS, Judgements
from services.deduplication.outcomes import COUNTED_AS, Course, Outcome, Waits
from services.deduplication.quotas import Allowance

__all__ = [
    "COUNTED_AS",
    "FOR_GOOD",
    "HELD_BARE",
    "RETRACTED",
    "TORN",
    "UNCORRECTED",
    "WITHDRAWN",
    "Claim",
    "Course",
    "Member",
    "NoticeIds",
    "Outcome",
    "Person",
    "Release",
    "Settled",
    "Standing",
    "Superseded",
    "Terms",
    "Waits",
    "age",
    "covers",
    "is_reachable",
    "is_withdrawn",
]


FOR_GOOD: Final = 2**31 - 1  # the mark of a notice that never stands again
_REVISION_BYTES: Final = (4).to_bytes(4, "big")  # the length before the field, as in `core.ids`


class Member(NamedTuple):
    """The highest version of a member that is known. Times are ms since 1970: when it was first heard of."""

    member: bytes
    version: int
    cohort: int  # number, see `Terms.cohorts`
    accepted_at: int
    exposed: int
    confirmed: int
    channels: int
    flags: int
    language: str
    slot: int  # of the vault: where this version's data lies
    witnesses: bytes  # of who it is about: see `core.witnesses`
    pseudonym: bytes | None = None  # that its data is sealed for, where its person is at home under another one
    contact_since: int | None = None  # the version that brought its contact data, where that is an earlier one


class Standing(NamedTuple):
    """What was decided about a member; `usable` is the set of channels that it was decided with, while it waits."""

    outcome: int
    waits: int = Waits.NOTHING
    usable: int = 0
    told_with: int = 0  # number of the group of its pseudonym that was told and that it stays with; 0 = of none
    conflict: bool = False  # others have its pseudonym, and are somebody else
    merged_into: bytes | None = None
    joined: bool = False  # it says neither name nor birth date, and is one person with others by its identity alone


RETRACTED: Final = Standing(Outcome.RETRACTED)
UNCORRECTED: Final = Standing(Outcome.UNCORRECTED)
WITHDRAWN: Final = Standing(Outcome.WITHDRAWN)
TORN: Final = Standing(Outcome.HELD_IDENTITY_CONFLICT, conflict=True)
HELD_BARE: Final = Standing(Outcome.HELD_IDENTITY_CONFLICT, Waits.BARE)


class Claim(NamedTuple):
    """A notice that was released: one of (incident, pseudonym, group, revision).

    `exposed`, `confirmed`: all that its group was told so far.
    """

    revision: int
    notice: bytes
    bearer: bytes
    version: int
    exposed: int
    confirmed: int
    supersedes: bytes | None = None
    void: bool = False  # this person was not told by it: its bearer is somebody else, or it was stopped
    group: int = 1  # number among the groups of the pseudonym that were told
    course: int = Course.OPEN
    through: int | None = None  # the partition that it went through, where its person is at home in another one now


class NoticeIds:
    """Makes the ids of one incident's notices: those of `core.ids.notice_id`, with the beginning hashed once."""

    def __init__(self, key: bytes, incident_id: str) -> None:
        self._key, self._incident_id = key, incident_id
        self._begun = hash_begun(key, b"heraut-notice", incident_id.encode())
        self._begun.update(ID_BYTES.to_bytes(4, "big"))  # the length before the next field

    def of(self, named: bytes, revision: int) -> bytes:
        """Return the id of a notice: of the first of a group by who the group is, of others by the first one's id."""
        if len(named) != ID_BYTES:
            return notice_id(self._key, self._incident_id, named, revision)
        state = self._begun.copy()
        state.update(named + _REVISION_BYTES + revision.to_bytes(4, "big"))
        return state.digest()

    def first(self, persons: Sequence[bytes]) -> list[bytes]:
        """Return the ids of the first notices of people who are alone with their pseudonyms."""
        copy, end = self._begun.copy, _REVISION_BYTES + (1).to_bytes(4, "big")
        ids = []
        for person in persons:
            state = copy()
            state.update(person + end)
            ids.append(state.digest())
        return ids


@dataclass(frozen=True, slots=True)
class Terms:
    """What a decision about an incident's people rests on, apart from the people themselves."""

    incident_id: str
    number: int  # what rows carry in place of the incident's id
    version: int
    usable: int  # set of channels that a notice may take
    cohorts: Mapping[int, str]  # ids by number, at least those of the members at hand
    released: Collection[int]  # numbers of the cohorts whose notices may go out
    ids: NoticeIds
    hold_conflicts: bool = False  # what the incident's policy says of people who contradict each other
    cancelled: Collection[int] = ()  # numbers of the cohorts that were taken back as a whole
    correction: Correction = Correction.NONE  # when people hear that what they were told does not hold any more
    correction_changed: bool = True  # some people may have been decided under another `correction`
    paused: Collection[int] = ()  # numbers of the cohorts of which no fact may be told just now
    limited: Collection[int] = ()  # numbers of the cohorts that are released under a limit
    allowance: Allowance | None = None  # what may go of those, where a turn is given
    named: int = ALL_CHANNELS  # set of channels that a notice may name: less than all while some do not hold yet
    judgements: Judgements = NO_JUDGEMENTS  # what operators said of members, at least of those at hand
    hold_bare: bool = False  # what the incident's policy says of records that are known by their identity alone

    @property
    def may_go(self) -> Collection[int]:
        """The cohorts whose notices may go out, while limits leave something."""
        return {*self.released, *self.allowance.open} if self.allowance else self.released


class Superseded(NamedTuple):
    """A notice that stands for its bearer in the ledger no more, or again: the highest mark of a notice holds.

    The mark is odd where a later notice stands for the bearer, and even where that one was stopped.
    """

    notice: bytes
    cohort: int
    mark: int = FOR_GOOD


class Person(NamedTuple):
    """Members that are one person.

    Who was withdrawn is of it only as long as it bears a notice, and says nothing any more.
    """

    live: Sequence[Member]  # the oldest first
    claims: Sequence[Claim]  # of its group: what it was told, void ones included
    number: int  # of its group, if it is told or was told
    conflict: bool  # others have its pseudonym, and are somebody else
    mistold: Claim | None = None  # its last notice, if the bearer turned out to be somebody else: see `corrections`


class Release(NamedTuple):
    """A notice that goes out; `exposed`, `confirmed`: what it says, which is what its group's members say now."""

    claim: Claim
    before: Claim | None  # the notice before it
    bearer: Member
    exposed: int
    confirmed: int
    cohorts: frozenset[int]  # those whose facts it names
    rests_on: frozenset[int] | None  # cohorts under a limit without whose permission it could not go; None = correction


class Settled(NamedTuple):
    """What becomes of one person."""

    standings: dict[bytes, Standing]
    released: Release | None
    superseded: Superseded | None
    uncorrected: bool = False  # a correction of `mistold` is due, and did not go out


def age(member: Member) -> tuple[int, bytes]:
    """Order members from the oldest; those of one moment by their id, so that the order is the same again."""
    return member.accepted_at, member.member


def is_withdrawn(member: Member, terms: Terms) -> bool:
    """Tell whether a member was taken back, by itself or with its cohort."""
    return bool(member.flags & FLAG_WITHDRAWN) or member.cohort in terms.cancelled


def covers(claim: Claim, member: Member) -> bool:
    """Tell whether somebody told this would learn nothing from the member's facts (`core.facts.Facts.covers`)."""
    return not (member.exposed & ~claim.exposed or member.confirmed & ~claim.confirmed)


def is_reachable(channels: int, flags: int, usable: int) -> bool:
    """Tell whether a member can be written to; a letter to an address where the person does not live does not count."""
    open_to = channels & usable
    return bool(open_to & ~TO_THE_ADDRESS if flags & FLAG_NOT_AT_ADDRESS else open_to)
