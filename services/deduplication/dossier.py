"""All that is known of one pseudonym, and a decision about it: who are one person, and what becomes of each. Pure.

Nearly always it is one person. Members that contradict each other are not: they are told apart, each what its own
records say. What was told stays: a group that was told keeps its members and its notices, whatever comes later.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from services.core.notices import FLAG_DECEASED, FLAG_RETRACTED, FLAG_WITHDRAWN
from services.core.witnesses import contradict, is_bare
from services.deduplication.agreement import Groups, groups_of
from services.deduplication.bare import bare_of, held_for_bare, joined_of, joins_unseen
from services.deduplication.corrections import (
    data_of,
    mistold_in,
    owed_to,
    past,
    since_corrected,
    staying_owed,
    wants_correction,
)
from services.deduplication.domain import (
    FOR_GOOD,
    HELD_BARE,
    RETRACTED,
    TORN,
    UNCORRECTED,
    WITHDRAWN,
    Claim,
    Course,
    Member,
    Outcome,
    Person,
    Release,
    Settled,
    Standing,
    Superseded,
    Terms,
    age,
    covers,
    is_withdrawn,
)
from services.deduplication.judgements import NO_WORD, Word
from services.deduplication.recall import advances, to_recall
from services.deduplication.settling import settle

__all__ = ["Decision", "Dossier", "decide", "is_news_of", "told_already"]

_TAKEN_BACK: Final = frozenset({Outcome.WITHDRAWN, Outcome.TAKEN_BACK})
_TAKES_A_DECISION: Final = FLAG_DECEASED | FLAG_RETRACTED | FLAG_WITHDRAWN


class Dossier(NamedTuple):
    """What is known of one pseudonym in one incident; members and standings by the member's id."""

    pseudonym: bytes
    partition: int
    members: dict[bytes, Member]
    standings: dict[bytes, Standing]
    claims: list[Claim]  # by group, then by revision
    implied: bool = False  # as it was read: the first of the claims follows from its bearer's row, and has none

    @classmethod
    def unknown(cls, pseudonym: bytes, partition: int) -> "Dossier":
        """Return a pseudonym of which nothing is known."""
        return cls(pseudonym, partition, {}, {}, [])

    def place_of(self, notice: bytes) -> int:
        """Return the partition in which the others have a notice: what is said of it goes there, in its order."""
        through = next((claim.through for claim in self.claims if claim.notice == notice), None)
        return self.partition if through is None else through


class Decision(NamedTuple):
    """What becomes of the people with one pseudonym."""

    dossier: Dossier  # as it is now
    new: Sequence[bytes]  # members that were not known
    changed: Sequence[bytes]  # known members that were corrected or stand elsewhere now
    released: Sequence[Release]
    turned: Sequence[Claim]  # notices, old or new, that are void now or have come further
    recalled: Sequence[bytes]  # notices that must not begin any more
    superseded: Sequence[Superseded]


def decide(
    dossier: Dossier,
    arrivals: Iterable[Sequence[Member]],
    terms: Terms,
    heard: Mapping[bytes, Course] = MappingProxyType({}),
) -> Decision:
    """Take what arrived for one pseudonym, block by block in the order of the log, and decide after each block.

    Members of one block are decided together: a person who is twice in it is told everything at once. With
    `[()]` nothing arrives and the people are decided again under these terms. Deciding after each block makes
    the result the same however blocks were batched. `heard` says how far notices have come, as others told.
    """
    case = _Case(dossier, terms)
    case.hear_of(heard)
    for block in arrivals:
        for member in block:
            case.hear(member)
        case.classify()
    return case.decision()


def is_news_of(member: Member, known: Member) -> bool:
    """Tell whether what is said of a member is later than what is known of it.

    Of one version, that it belongs here by one identity counts more than that it left another identity.
    """
    if member.version != known.version:
        return member.version > known.version
    left, comes = known.flags & FLAG_RETRACTED, not member.flags & FLAG_RETRACTED
    return bool(left and comes and member.pseudonym != known.pseudonym)


def told_already(dossier: Dossier, member: Member, terms: Terms) -> Claim | None:
    """Return the notice that a member is merged into, if all with its pseudonym are one person that was told.

    Return None where `decide` is needed: for news, a correction, a deceased, retracted or withdrawn member, news that
    waits, a pseudonym with members that contradict each other or this one, of whom an operator said something, or of
    whom one has joined others by this.
    """
    if member.member in dossier.members or _takes_a_decision(member, terms):
        return None
    if terms.judgements and terms.judgements.concern((member.member, *dossier.members)):
        return None
    for known in dossier.members.values():
        standing = dossier.standings[known.member]
        if _takes_a_decision(known, terms) or standing.waits or standing.conflict or standing.outcome in _TAKEN_BACK:
            return None
        if contradict(known.witnesses, member.witnesses) or not joins_unseen(member, known, standing):
            return None
    told = [claim for claim in dossier.claims if not claim.void]
    if any(claim.group != told[0].group for claim in told):
        return None
    return next((claim for claim in since_corrected(told) if covers(claim, member)), None)


def _takes_a_decision(member: Member, terms: Terms) -> bool:
    if member.flags & _TAKES_A_DECISION or member.cohort in terms.cancelled:
        return True
    return terms.hold_bare and is_bare(member.witnesses)


class _Case:
    """The state of one call of `decide`."""

    def __init__(self, dossier: Dossier, terms: Terms) -> None:
        self.before = dossier
        self.terms = terms
        self.members = dict(dossier.members)
        self.standings = dossier.standings
        self.claims = list(dossier.claims)
        self.word = NO_WORD  # what operators said of those who are there
        self.said: dict[bytes, bytes] = {}  # witnesses of members that a block corrects, before it
        self.told_apart: dict[bytes, int] = {}  # the told group of each member, before those that are one are joined
        self.mistold: dict[int, Claim] = {}  # by group: its last notice, whose bearer turned out to be somebody else
        self.released: list[Release] = []
        self.recalled: list[bytes] = []
        self.superseded: list[Superseded] = []

    def hear_of(self, heard: Mapping[bytes, Course]) -> None:
        """Take how far notices have come. One that was stopped told nobody, and whoever bore it is free."""
        for at, claim in enumerate(self.claims):
            course = heard.get(claim.notice)
            if course is None or not advances(claim, course):
                continue
            self.claims[at] = claim._replace(course=course, void=claim.void or course == Course.STOPPED)
            if self.claims[at].void > claim.void:
                # Where no channel was left for it before it was stopped, it counts as exhausted no more.
                self.superseded.append(Superseded(claim.notice, self.members[claim.bearer].cohort))
                self._stands_again(claim)

    def _stands_again(self, gone: Claim) -> None:
        """Let the notice count again that stood for a bearer before one that told nobody."""
        left = [claim for claim in self.claims if claim.bearer == gone.bearer and not claim.void]
        if left and left[-1].revision < gone.revision:
            cohort = self.members[gone.bearer].cohort
            self.superseded.append(Superseded(left[-1].notice, cohort, 2 * gone.revision))

    def hear(self, member: Member) -> None:
        """Take a member's version if it is higher than the one known."""
        known = self.members.get(member.member)
        if known is not None:
            if not is_news_of(member, known):
                return
            member = member._replace(accepted_at=known.accepted_at)
            if member.flags & FLAG_WITHDRAWN and any(c.bearer == member.member and not c.void for c in self.claims):
                member = data_of(member, known)._replace(witnesses=known.witnesses)  # who was told stays who that was
            self.said.setdefault(member.member, known.witnesses)
        self.members[member.member] = member
        if member.flags & FLAG_RETRACTED:
            self._void(member)

    def _void(self, bearer: Member) -> None:
        """Void the notices of a bearer who turned out to be somebody else: this person was not told by them."""
        latest = next((c for c in reversed(self.claims) if c.bearer == bearer.member and not c.void), None)
        if latest:
            self.superseded.append(Superseded(latest.notice, bearer.cohort, FOR_GOOD))
            borne = {c.notice for c in self.claims if c.bearer == bearer.member and not c.void}
            self._recall({c.notice for c in self.claims if c.notice in borne and c.course == Course.OPEN})
            self.claims = [c._replace(void=True) if c.notice in borne else c for c in self.claims]

    def _recall(self, notices: Collection[bytes]) -> None:
        """Ask for notices not to begin any more."""
        for at, claim in enumerate(self.claims):
            if claim.notice in notices:
                self.claims[at] = claim._replace(course=Course.RECALLED)
                self.recalled.append(claim.notice)

    def classify(self) -> None:
        """Tell the persons apart, and decide about each."""
        bearers = {claim.bearer for claim in self.claims if not claim.void}
        self.mistold = mistold_in(self.claims, self.members, self.terms.correction)
        live = sorted((m for m in self.members.values() if self._is_live(m, bearers)), key=age)
        self.word = self._word(live)
        groups = self._groups(live)
        gone = self.members.values() if len(live) < len(self.members) else ()
        standings = {m.member: RETRACTED if m.flags & FLAG_RETRACTED else WITHDRAWN for m in gone}
        standings.update(dict.fromkeys(groups.torn, TORN))
        claims: dict[int, list[Claim]] = {}
        for claim in self.claims:
            claims.setdefault(groups.one_with.get(claim.group, claim.group), []).append(claim)
        unused = max((claim.group for claim in self.claims), default=0) + 1
        saying = self._saying(groups)
        wrong = {}
        for told, members in groups.together:
            number = told or unused
            conflict = len(saying) > 1 and not self._is_settled(members, saying)
            mistold = None if number in groups.one_with.values() else self.mistold.get(number)
            theirs, joined, held = self._known_apart([self.members[m] for m in members])
            person = Person(theirs, claims.get(number, ()), number, conflict, mistold)
            if stale := to_recall(person, self.members, self.terms):
                self._recall(stale)
                told_them = [c for c in self.claims if groups.one_with.get(c.group, c.group) == number]
                person = person._replace(claims=told_them)
            settled = self._settle(person)
            standings.update(settled.standings)
            standings.update((m, standings[m]._replace(joined=True)) for m in joined)
            standings.update(dict.fromkeys(held, HELD_BARE._replace(usable=self.terms.usable)))
            wrong[number] = settled.uncorrected
            unused += bool(settled.released and not told)
        for m, number in self.told_apart.items() if groups.one_with else ():
            standings[m] = standings[m]._replace(told_with=number)  # with those it was told, whoever they are now
        standings.update(self._uncorrected(wrong))
        standings.update(staying_owed(self.claims, self.members, self.standings, standings))
        self.standings = standings
        self.said.clear()

    def _known_apart(self, members: Sequence[Member]) -> tuple[Sequence[Member], Sequence[bytes], Sequence[bytes]]:
        """Return a group less those who are held for being bare, who of it joined for that, and who is held."""
        if len(members) < 2 or not (bare := bare_of(members, self.word.one)):
            return members, (), ()
        held = held_for_bare(members, bare, self.told_apart) if self.terms.hold_bare else ()
        theirs = [m for m in members if m.member not in held]
        return theirs, joined_of(theirs, [m for m in bare if m not in held]), held

    def _uncorrected(self, wrong: Mapping[int, bool]) -> Iterable[tuple[bytes, Standing]]:
        """Return who bore what was told in error and not corrected; `wrong` says it of groups that have members."""
        for group, claim in self.mistold.items():
            nobody = wants_correction(self.terms.correction, claim, 0, 0)
            if claim.course == Course.BEGUN and wrong.get(group, nobody):
                yield claim.bearer, UNCORRECTED

    def _went_past(self, person: Person) -> Claim | None:
        """Return the notice of somebody else's that people read who are told as if for the first time."""
        owed = owed_to(self.claims, self.members)
        stood = [self.standings[m.member].told_with for m in person.live if m.member in self.standings] if owed else []
        return next((owed[group] for group in stood if group in owed), None)

    def _is_live(self, member: Member, bearers: Collection[bytes]) -> bool:
        """Tell whether a member is of some person. Who was withdrawn is only while it bears a notice: that was told."""
        if member.flags & FLAG_RETRACTED:
            return False
        return member.member in bearers or not is_withdrawn(member, self.terms)

    def _saying(self, groups: Groups) -> list[Sequence[bytes]]:
        """Return the persons with a member that was not withdrawn: the others contradict nobody any more."""
        together = [m for _, m in groups.together if not all(is_withdrawn(self.members[one], self.terms) for one in m)]
        return [*together, *([m] for m in groups.torn)]

    def _is_settled(self, person: Sequence[bytes], saying: Iterable[Sequence[bytes]]) -> bool:
        """Tell whether an operator said of a person that all others with the pseudonym are somebody else."""
        return bool(self.word.different) and all(other is person or self.word.part(person, other) for other in saying)

    def _word(self, live: Sequence[Member]) -> Word:
        """Return what operators said of those who are there, as far as it is still about what they say."""
        if not self.terms.judgements or len(live) < 2:
            return NO_WORD
        return self.terms.judgements.word_on({m.member: (m.version, m.witnesses) for m in live})

    def _groups(self, live: Sequence[Member]) -> Groups:
        told = self.told_apart = self._told(live)
        if len(live) > 1:
            return groups_of({m.member: m.witnesses for m in live}, told, self.word)
        # Who is alone is decided from a table, which has no place for the question who it is.
        return Groups([(told.get(m.member, 0), [m.member]) for m in live], [], {})

    def _told(self, live: Sequence[Member]) -> dict[bytes, int]:
        """Return the number of the told group that each member stays with.

        A group stays while a notice of it counts, or its last one is to be corrected. Whoever bears one stays with it;
        any other member leaves only by a correction of its own, and only if it contradicts a bearer then, or by an
        operator's word that it is somebody else than a bearer. Of a group that has no bearer left any other member
        counts as one.
        """
        bearers = {claim.bearer: claim.group for claim in self.claims if not claim.void}
        if not (bearers or self.mistold):
            return bearers
        told = dict(bearers)
        counting = {*bearers.values(), *self.mistold}
        for m in live:
            standing = self.standings.get(m.member)
            if standing and standing.told_with in counting and not self._leaves(m, standing.told_with, bearers, live):
                told.setdefault(m.member, standing.told_with)
        return told

    def _leaves(self, member: Member, group: int, bearers: Mapping[bytes, int], live: Sequence[Member]) -> bool:
        """Tell whether a member of a told group was said to be somebody else, or has become that by a correction."""
        same = self.said.get(member.member, member.witnesses) == member.witnesses
        if same and member.member not in self.word.different:
            return False
        mates = [bearer for bearer, number in bearers.items() if number == group]
        if not mates:
            mates = [m.member for m in live if m.member in self.standings]
            mates = [m for m in mates if self.standings[m].told_with == group]
        if self.word.part([member.member], mates):
            return True
        return not same and any(contradict(member.witnesses, self.members[mate].witnesses) for mate in mates)

    def _settle(self, person: Person) -> Settled:
        settled = settle(person, self.terms)
        if settled.released:
            claim = settled.released.claim
            claim = claim._replace(group=self.told_apart.get(claim.bearer, claim.group))  # it stays with its own group
            if not claim.notice:
                claim = past(claim._replace(notice=self._first_notice(person)), self._went_past(person))
            elif person.claims[0].through is not None:
                claim = claim._replace(notice=self._notice_elsewhere(person.claims[0], claim.revision))
            self.claims.append(claim)
            self.released.append(settled.released._replace(claim=claim))
            self._take(settled.released)
        if settled.superseded:
            self.superseded.append(settled.superseded)
        return settled

    def _take(self, release: Release) -> None:
        """Take a notice from what limits leave: the next person of this pseudonym finds one less."""
        if self.terms.allowance and release.rests_on is not None:
            channel = self.terms.allowance.channel_of(release.bearer.channels, release.bearer.flags)
            self.terms.allowance.take(release.rests_on, channel)

    def _first_notice(self, person: Person) -> bytes:
        """Return the id of a group's first notice; it is stored, and what comes later changes it no more.

        The group of the oldest member that the pseudonym ever had is called by the pseudonym alone, any other by its
        own oldest member too. Who is the oldest changes with nothing that comes later: a replay, in which more or less
        had come by the time of the first notice, makes the same id.
        """
        oldest = min(self.members.values(), key=age)
        first = person.live[0].member
        alone = any(m.member == oldest.member for m in person.live)
        made = self.terms.ids.of(self.before.pseudonym + (b"" if alone else first), 1)
        known = {claim.notice for claim in self.claims}
        while made in known:  # whoever bore it left this pseudonym, and came back: the notice was void
            made = self.terms.ids.of(made + first, 1)
        return made

    def _notice_elsewhere(self, first: Claim, revision: int) -> bytes:
        """Return the id of a later notice of a group whose first one came here from another home.

        What follows a notice is called by it. Where a part of a group left, both parts go on from the same one: each is
        called by its home as well.
        """
        known = {claim.notice for claim in self.claims}
        made = self.terms.ids.of(first.notice + self.before.pseudonym, revision)
        while made in known:  # the group was here before
            made = self.terms.ids.of(made + self.before.pseudonym, revision)
        return made

    def decision(self) -> Decision:
        """Return what differs now."""
        known, stood, known_claims = self.before.members, self.before.standings, self.before.claims
        turned = [c for was, c in zip(known_claims, self.claims, strict=False) if c != was]
        return Decision(
            dossier=self.before._replace(members=self.members, standings=self.standings, claims=self.claims),
            new=[m for m in self.members if m not in known],
            changed=[m for m in known if self.members[m] != known[m] or self.standings[m] != stood[m]],
            released=self.released,
            turned=[*turned, *(c for c in self.claims[len(known_claims) :] if c.void or c.course)],
            recalled=self.recalled,
            superseded=self.superseded,
        )
