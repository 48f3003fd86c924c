"""Who is told what, once: decides over all members of one person together. Pure.

A decision follows from what is known of a person now (its members' highest versions, the notices that were
released to it) and from the terms (channels that may be used, cohorts that are released), and not from how that
came about. The rules are listed in the room's README.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from services.core.channel import TO_THE_ADDRESS
from services.core.ids import ID_BYTES
from services.core.ledger import HoldReason
from services.core.notices import FLAG_DECEASED, FLAG_NOT_AT_ADDRESS, FLAG_RETRACTED

__all__ = [
    "COUNTED_AS",
    "Claim",
    "Decision",
    "Group",
    "Member",
    "NoticeIds",
    "Outcome",
    "Standing",
    "Superseded",
    "Terms",
    "Waits",
    "decide",
    "told_already",
]


_REVISION_BYTES: Final = (4).to_bytes(4, "big")  # the length before the field, as in `core.ids`
_TAKES_A_DECISION: Final = FLAG_DECEASED | FLAG_RETRACTED


class Outcome(IntEnum):
    """Where deduplication leaves a member. The numbers are stored: they are never reused."""

    RELEASED = 0  # bears a notice that went out
    MERGED = 1  # another member bears the notice for this person and these facts
    SUPPRESSED = 2  # the person is deceased
    HELD_UNRELEASED = 3
    HELD_UNREACHABLE = 4
    HELD_NOT_AT_ADDRESS = 5
    RETRACTED = 6  # not of this person any more: the row stays, so that an older version cannot bring it back


# The counter of `core.ledger` that a member stands in. Who was retracted is counted nowhere: intake counts that member
# as another person's.
COUNTED_AS: Final[Mapping[int, str]] = {
    Outcome.RELEASED: "released",
    Outcome.MERGED: "merged",
    Outcome.SUPPRESSED: "suppressed",
    Outcome.HELD_UNRELEASED: HoldReason.UNRELEASED.counter,
    Outcome.HELD_UNREACHABLE: HoldReason.UNREACHABLE.counter,
    Outcome.HELD_NOT_AT_ADDRESS: HoldReason.NOT_AT_ADDRESS.counter,
}


class Waits(IntEnum):
    """What a member's news waits for. The numbers are stored."""

    NOTHING = 0
    RELEASE = 1  # the release of a cohort that carries the news
    CHANNEL = 2  # a channel by which the person can be written to


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


class Standing(NamedTuple):
    """What was decided about a member; `usable` is the set of channels that it was decided with, while it waits."""

    outcome: int
    waits: int = Waits.NOTHING
    usable: int = 0
    merged_into: bytes | None = None


_RELEASED: Final = Standing(Outcome.RELEASED)
_SUPPRESSED: Final = Standing(Outcome.SUPPRESSED)
_RETRACTED: Final = Standing(Outcome.RETRACTED)


class Claim(NamedTuple):
    """A notice that was released: one of (incident, person, revision). `exposed`, `confirmed`: all told so far."""

    revision: int
    notice: bytes
    bearer: bytes
    version: int
    exposed: int
    confirmed: int
    supersedes: bytes | None = None
    void: bool = False  # its bearer turned out to be somebody else: this person was not told by it


class Group(NamedTuple):
    """What is known of one person in one incident; members and standings by the member's id."""

    person: bytes
    partition: int
    members: dict[bytes, Member]
    standings: dict[bytes, Standing]
    claims: list[Claim]  # by revision

    @classmethod
    def unknown(cls, person: bytes, partition: int) -> "Group":
        """Return a person of whom nothing is known."""
        return cls(person, partition, {}, {}, [])


class NoticeIds:
    """Makes the ids of one incident's notices: those of `core.ids.notice_id`, with the beginning hashed once."""

    def __init__(self, incident_id: str) -> None:
        self._begun = blake2b(digest_size=ID_BYTES, person=b"heraut-notice")
        name = incident_id.encode()
        self._begun.update(len(name).to_bytes(4, "big") + name + ID_BYTES.to_bytes(4, "big"))

    def of(self, person: bytes, revision: int) -> bytes:
        """Return the id of a person's notice."""
        state = self._begun.copy()
        state.update(person + _REVISION_BYTES + revision.to_bytes(4, "big"))
        return state.digest()

    def first(self, persons: Sequence[bytes]) -> list[bytes]:
        """Return the ids of the first notices of many persons."""
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


class Superseded(NamedTuple):
    """A notice that no longer stands for its bearer in the ledger."""

    notice: bytes
    cohort: int


class Decision(NamedTuple):
    """What becomes of one person."""

    group: Group  # as it is now
    new: Sequence[bytes]  # members that were not known
    changed: Sequence[bytes]  # known members that were corrected or stand elsewhere now
    released: Sequence[tuple[Claim, Claim | None, Member]]  # with the notice before it, if any, and the bearer
    voided: Sequence[bytes]  # notices known before
    superseded: Sequence[Superseded]


def decide(group: Group, arrivals: Iterable[Sequence[Member]], terms: Terms) -> Decision:
    """Take what arrived for one person, block by block in the order of the log, and decide after each block.

    Members of one block are decided together: a person who is twice in it is told everything at once. With
    `[()]` nothing arrives and the person is decided again under these terms. Deciding after each block makes
    the result the same however blocks were batched.
    """
    case = _Case(group, terms)
    for block in arrivals:
        for member in block:
            case.hear(member)
        case.classify()
    return case.decision()


def told_already(group: Group, member: Member) -> Claim | None:
    """Return the notice that a member of a known person is merged into, if there is nothing else to decide.

    Return None where `decide` is needed: for news, a correction, a deceased or retracted member, or news that waits.
    """
    if member.member in group.members or member.flags & _TAKES_A_DECISION:
        return None
    for known in group.members.values():
        if known.flags & _TAKES_A_DECISION or group.standings[known.member].waits:
            return None
    return next((claim for claim in group.claims if not claim.void and _covers(claim, member)), None)


class _Case:
    """The state of one call of `decide`."""

    def __init__(self, group: Group, terms: Terms) -> None:
        self.before = group
        self.terms = terms
        self.members = dict(group.members)
        self.standings: dict[bytes, Standing] = {}
        self.claims = list(group.claims)
        self.released: list[tuple[Claim, Claim | None, Member]] = []
        self.superseded: list[Superseded] = []

    def hear(self, member: Member) -> None:
        """Take a member's version if it is higher than the one known."""
        known = self.members.get(member.member)
        if known is not None:
            if member.version <= known.version:
                return
            member = member._replace(accepted_at=known.accepted_at)
        self.members[member.member] = member
        if member.flags & FLAG_RETRACTED:
            self._void(member)

    def _void(self, bearer: Member) -> None:
        """Void the notices of a bearer who turned out to be somebody else: this person was not told by them."""
        latest = self._borne_by(bearer.member)
        if latest:
            self.superseded.append(Superseded(latest.notice, bearer.cohort))
            self.claims = [c._replace(void=True) if c.bearer == bearer.member else c for c in self.claims]

    def _borne_by(self, member: bytes) -> Claim | None:
        return next((c for c in reversed(self.claims) if c.bearer == member and not c.void), None)

    def classify(self) -> None:
        """Decide where each member stands, and release what may go out."""
        live = sorted((m for m in self.members.values() if not m.flags & FLAG_RETRACTED), key=_age)
        deceased = any(m.flags & FLAG_DECEASED for m in live)
        carriers = [] if deceased else self._carriers(live)
        waits = self._release(live, carriers) if carriers else Waits.NOTHING
        told = [claim for claim in self.claims if not claim.void]
        bearers = {claim.bearer for claim in told}
        front = self._front(carriers, bearers) if waits else None
        self.standings = {}
        if len(live) < len(self.members):
            self.standings.update(dict.fromkeys(self.members, _RETRACTED))
        for m in live:
            if m.member in bearers:
                self.standings[m.member] = _RELEASED
            elif deceased:
                self.standings[m.member] = _SUPPRESSED
            else:
                self.standings[m.member] = _merged_or_held(m, front, told, waits, self.terms.usable)
        if waits:
            for m in carriers:
                self.standings[m.member] = self.standings[m.member]._replace(waits=waits, usable=self.terms.usable)

    def _carriers(self, live: Sequence[Member]) -> list[Member]:
        """Return the members that have news for the person."""
        told = [claim for claim in self.claims if not claim.void]
        # The latest that counts includes what the earlier ones told.
        return [m for m in live if not _covers(told[-1], m)] if told else list(live)

    def _release(self, live: Sequence[Member], carriers: Sequence[Member]) -> Waits:
        """Release the news if it may go out and can be written; say what it waits for otherwise."""
        usable = self.terms.usable
        # The member that brought the news has the newest data; one that was told before can still be written to.
        bearer = next((m for m in (*carriers, *live) if _reachable(m.channels, m.flags, usable)), None)
        if bearer is None:
            return Waits.CHANNEL
        if not any(m.cohort in self.terms.released for m in carriers):
            return Waits.RELEASE
        before = next((c for c in reversed(self.claims) if not c.void), None)
        borne = self._borne_by(bearer.member)
        claim = self._claim(live, bearer, before)
        self.claims.append(claim)
        self.released.append((claim, before, bearer))
        if borne:
            self.superseded.append(Superseded(borne.notice, bearer.cohort))
        return Waits.NOTHING

    def _claim(self, live: Sequence[Member], bearer: Member, before: Claim | None) -> Claim:
        exposed, confirmed = (before.exposed, before.confirmed) if before else (0, 0)
        for m in live:
            exposed |= m.exposed
            confirmed |= m.confirmed
        revision = max((c.revision for c in self.claims), default=0) + 1
        notice = self.terms.ids.of(self.before.person, revision)
        supersedes = before.notice if before else None
        return Claim(revision, notice, bearer.member, bearer.version, exposed, confirmed, supersedes)

    def _front(self, carriers: Sequence[Member], bearers: Collection[bytes]) -> Member | None:
        """Return the member that is held for the news; None where all members that bring it bear earlier notices."""
        free = [m for m in carriers if m.member not in bearers]
        reachable = (m for m in free if _reachable(m.channels, m.flags, self.terms.usable))
        return next(reachable, free[0] if free else None)

    def decision(self) -> Decision:
        """Return what differs now."""
        known, stood = self.before.members, self.before.standings
        return Decision(
            group=self.before._replace(members=self.members, standings=self.standings, claims=self.claims),
            new=[m for m in self.members if m not in known],
            changed=[m for m in known if self.members[m] != known[m] or self.standings[m] != stood[m]],
            released=self.released,
            voided=[c.notice for was, c in zip(self.before.claims, self.claims, strict=False) if c.void > was.void],
            superseded=self.superseded,
        )


def _merged_or_held(m: Member, front: Member | None, told: Sequence[Claim], waits: Waits, usable: int) -> Standing:
    """Return the standing of a member that bears no notice."""
    covering = next((claim for claim in told if _covers(claim, m)), None)
    if covering or not front:
        return Standing(Outcome.MERGED, merged_into=covering.bearer if covering else None)
    if m.member != front.member:
        return Standing(Outcome.MERGED, merged_into=front.member)
    return Standing(Outcome.HELD_UNRELEASED if waits == Waits.RELEASE else _unreachable(front.channels, usable))


def _age(member: Member) -> tuple[int, bytes]:
    """Order members from the oldest; those of one moment by their id, so that the order is the same again."""
    return member.accepted_at, member.member


def _covers(claim: Claim, member: Member) -> bool:
    """Tell whether somebody told this would learn nothing from the member's facts (`core.facts.Facts.covers`)."""
    return not (member.exposed & ~claim.exposed or member.confirmed & ~claim.confirmed)


def _reachable(channels: int, flags: int, usable: int) -> bool:
    """Tell whether a member can be written to; a letter to an address where the person does not live does not count."""
    open_to = channels & usable
    return bool(open_to & ~TO_THE_ADDRESS if flags & FLAG_NOT_AT_ADDRESS else open_to)


def _unreachable(channels: int, usable: int) -> Outcome:
    """Say why a member that cannot be written to is held: it has no channel, or only the address of others."""
    return Outcome.HELD_NOT_AT_ADDRESS if channels & usable else Outcome.HELD_UNREACHABLE
