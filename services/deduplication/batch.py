"""Deciding a whole batch: the rules of `domain` over columns. Pure.

Nearly everybody is new and has one member: `standings` holds their decisions in a table. Most of the others were
told already what a further member says: `told_already` finds that notice. The rest goes through `decide`.
A person gets the same decision on each of the three ways.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

from services.core.channel import ALL_CHANNELS
from services.core.facts import NO_FACTS, Facts
from services.core.ledger import BARE_JOINED, CONFLICTING
from services.core.notices import Notices
from services.core.witnesses import is_bare
from services.deduplication.corrections import corrects
from services.deduplication.domain import (
    COUNTED_AS,
    Claim,
    Course,
    Member,
    Outcome,
    Release,
    Standing,
    Superseded,
    Terms,
    Waits,
)
from services.deduplication.dossier import Decision, Dossier, decide, told_already
from services.deduplication.readdressing import Readdressed, readdressed
from services.deduplication.rows import NewPeople, Row, rows_of
from services.deduplication.standings import first_standings, looked_up
from services.deduplication.unsettled import BY_OUTCOME, Said, said_of

__all__ = [
    "MEMBER_COLUMNS",
    "Block",
    "Effects",
    "decide_again",
    "decide_batch",
    "persons_of",
]


@dataclass(slots=True)
class Block:
    """Members of one cohort and one partition, as intake accepted them; every column has one entry a member."""

    incident_id: str
    incident_version: int
    cohort_id: str
    cohort_version: int
    accepted_at: int  # ms since 1970
    partition: int
    members: Sequence[bytes]
    versions: Sequence[int]
    slots: Sequence[int]
    persons: Sequence[bytes]
    exposed: Sequence[int]
    confirmed: Sequence[int]
    channels: Sequence[int]
    flags: Sequence[int]
    languages: Sequence[str]
    witnesses: Sequence[bytes]
    contact_since: Mapping[int, int] = field(default_factory=dict)  # by row: contact data older than its version
    pseudonyms: Sequence[bytes] = ()  # those that their data is sealed for; the same list as `persons` if nobody moved

    def __post_init__(self) -> None:
        if not self.pseudonyms:
            self.pseudonyms = self.persons

    def member(self, row: int, cohort: int) -> Member:
        """Return one row as a value."""
        return Member(
            self.members[row], self.versions[row], cohort, self.accepted_at, self.exposed[row], self.confirmed[row],
            self.channels[row], self.flags[row], self.languages[row], self.slots[row], self.witnesses[row],
            None if (own := self.pseudonyms[row]) == self.persons[row] else own, self.contact_since.get(row),
        )  # fmt: skip


_OF_ALL = {
    "incident_id",
    "incident_version",
    "cohort_id",
    "cohort_version",
    "accepted_at",
    "partition",
    "contact_since",
}
MEMBER_COLUMNS: Final = tuple(name for name in Block.__annotations__ if name not in _OF_ALL)


@dataclass(slots=True)
class Effects:
    """What follows from decisions about one incident's people: rows to write, notices to send, counts to move."""

    terms: Terms
    new: list[NewPeople] = field(default_factory=list)  # whose rows are to be written
    members: list[Row] = field(default_factory=list)  # to be written, as in `rows.Rows`
    rewritten: list[bytes] = field(default_factory=list)  # persons whose rows are deleted: `members` has all of them
    claims: list[Row] = field(default_factory=list)  # to be written, as in `rows.Rows`
    turned: list[Row] = field(default_factory=list)  # (person, notice, void, course): what is known of these now
    recalled: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)  # by partition: (notice, person)
    notices: dict[int, Notices] = field(default_factory=dict)  # by partition
    superseded: dict[int, list[Superseded]] = field(default_factory=dict)  # by partition
    readdressed: dict[int, list[Readdressed]] = field(default_factory=dict)  # by partition
    unsettled: dict[int, list[Said]] = field(default_factory=dict)  # by partition: what sources have to look at
    turns: list[tuple[bytes, int]] = field(default_factory=list)  # notices, with cohorts of whose limit they took
    moves: dict[tuple[int, int], Counter[str]] = field(default_factory=dict)  # (partition, cohort) -> counter -> change
    entered: Counter[str] = field(default_factory=Counter)  # how many members came to stand in each counter

    def add_first_sight(self, block: Block, cohort: int, rows: Sequence[int] | None) -> None:
        """Decide about members (these rows of a block; None = all) of people of whom nothing else is known."""
        columns = _picked(
            rows, block.persons, block.members, block.versions, block.exposed, block.confirmed,
            block.channels, block.flags, block.languages, block.slots, block.pseudonyms, block.witnesses,
        )  # fmt: skip
        persons, members, versions, exposed, confirmed, channels, flags, languages, slots, sealed_for, witnesses = (
            columns
        )
        own = (
            None
            if block.pseudonyms is block.persons
            else ([None if one == home else one for one, home in zip(sealed_for, persons, strict=True)])
        )
        terms = self.terms
        released, cancelled, paused = (cohort in some for some in (terms.released, terms.cancelled, terms.paused))
        table = first_standings(terms.usable, released=released, cancelled=cancelled, paused=paused)
        standings = looked_up(table, flags, channels)
        outcomes = [one.outcome for one in standings]
        out = [row for row, outcome in enumerate(outcomes) if outcome == Outcome.RELEASED] if any(outcomes) else None
        told = _picked(out, *columns[:-1])
        ids = terms.ids.first(told[0])
        notices = ids if out is None else _spread(ids, out, len(persons))
        new = NewPeople(
            block.partition, cohort, block.accepted_at, table, persons, notices, members, versions, exposed, confirmed,
            channels, flags, languages, slots, witnesses, own,
        )  # fmt: skip
        self.new.append(new)
        for outcome in COUNTED_AS:
            count = outcomes.count(outcome)
            self.stand_in(block.partition, cohort, outcome, count)
            if count and (reason := BY_OUTCOME.get(outcome)):
                held = (row for row, one in enumerate(outcomes) if one == outcome)
                self.said_in(block.partition).extend((members[row], versions[row], reason) for row in held)
        if ids:
            self._release_first(block, cohort, ids, told)

    def _release_first(self, block: Block, cohort: int, ids: Sequence[bytes], columns: Iterable[Sequence[Any]]) -> None:
        _, members, versions, exposed, confirmed, channels, flags, languages, slots, sealed_for = columns
        count = len(ids)
        notices = self._notices(block.partition)
        notices.ids += ids
        notices.members += members
        notices.versions += versions
        notices.slots += slots
        notices.pseudonyms += sealed_for
        notices.revisions += [1] * count
        notices.supersedes += [b""] * count
        notices.exposed += exposed
        notices.confirmed += confirmed
        notices.told_exposed += [0] * count
        notices.told_confirmed += [0] * count
        named = self.terms.named
        notices.channels += channels if named == ALL_CHANNELS else [one & named for one in channels]
        notices.flags += flags
        notices.languages += languages
        cohort_id = self.terms.cohorts[cohort]
        notices.cohorts += [cohort_id] * count
        notices.carriers += [(cohort_id,)] * count
        notices.accepted_at += [block.accepted_at] * count
        notices.attempts += [0] * count
        notices.tried += [0] * count

    def add_told(self, dossier: Dossier, member: Member, claim: Claim) -> None:
        """Merge a member into the notice by which its person was told already what it says."""
        joined = is_bare(member.witnesses)
        merged = (Outcome.MERGED, Waits.NOTHING, 0, claim.group, False, claim.bearer, joined)
        place = len(dossier.members), None
        self.members.append((dossier.pseudonym, dossier.partition, *place, *member, *merged))
        self.stand_in(dossier.partition, member.cohort, Outcome.MERGED, 1)
        self.count_in(dossier.partition, member.cohort, BARE_JOINED, joined)

    def add(self, before: Dossier, decision: Decision) -> None:
        """Add what a decision about one pseudonym changes; `before` is what was known of it."""
        after = decision.dossier
        self.write(before, after, rewritten=bool(decision.changed))
        for member in (*decision.new, *decision.changed):
            stood, stands = before.standings.get(member), after.standings[member]
            self._stand(after.partition, after.members[member].cohort, stood, stands)
            was = (before.members[member], stood) if stood else None
            if said := said_of(was, after.members[member], stands):
                self.said_in(after.partition).append(said)
        self.send(decision)

    def write(self, before: Dossier, after: Dossier, *, rewritten: bool) -> None:
        """Write what is known of a pseudonym now; `rewritten`: the rows of all its members."""
        rows = rows_of(before, after, rewritten=rewritten)
        if rows.rewritten:
            self.rewritten.append(after.pseudonym)
        self.members += rows.members
        self.claims += rows.claims
        self.turned += ((after.pseudonym, claim.notice, claim.void, claim.course) for claim in rows.turned)

    def send(self, decision: Decision) -> None:
        """Add what a decision sends out."""
        after = decision.dossier
        for notice in decision.recalled:
            self.recalled.setdefault(after.place_of(notice), []).append((notice, after.pseudonym))
        for release in decision.released:
            self._release(after, release)
        if decision.superseded:
            self.superseded.setdefault(after.partition, []).extend(decision.superseded)

    def _stand(self, partition: int, cohort: int, before: Standing | None, after: Standing) -> None:
        """Count where a member stands now, and no more where it stood."""
        if before is None or COUNTED_AS.get(before.outcome) != COUNTED_AS.get(after.outcome):
            self.stand_in(partition, cohort, after.outcome, 1)
            if before:
                self.stand_in(partition, cohort, before.outcome, -1)
        self.count_in(partition, cohort, CONFLICTING, after.conflict - (before.conflict if before else 0))
        self.count_in(partition, cohort, BARE_JOINED, after.joined - (before.joined if before else 0))

    def _release(self, dossier: Dossier, release: Release) -> None:
        claim, told, bearer, exposed, confirmed, cohorts, rests_on = release
        self.turns += ((claim.notice, cohort) for cohort in rests_on or ())
        notices = self._notices(dossier.partition)
        notices.ids.append(claim.notice)
        notices.members.append(claim.bearer)
        notices.versions.append(claim.version)
        notices.slots.append(bearer.slot)
        notices.pseudonyms.append(bearer.pseudonym or dossier.pseudonym)
        notices.revisions.append(claim.revision)
        notices.supersedes.append(told.notice if told else b"")
        notices.exposed.append(exposed)
        notices.confirmed.append(confirmed)
        before = Facts(told.exposed, told.confirmed) if told else NO_FACTS
        if not corrects(claim, told):  # of the notice before it says what still holds
            before = Facts(before.exposed & exposed, before.confirmed & confirmed)
        notices.told_exposed.append(before.exposed)
        notices.told_confirmed.append(before.confirmed)
        notices.channels.append(bearer.channels & self.terms.named)
        notices.flags.append(bearer.flags)
        notices.languages.append(bearer.language)
        if len(dossier.claims) > 1 or bearer.contact_since or bearer.pseudonym:
            # Something may have come back to where this would go: routing is to ask. Of all others it cannot be so.
            notices.contact_since[claim.bearer, claim.version] = bearer.contact_since or claim.version
        notices.cohorts.append(self.terms.cohorts[bearer.cohort])
        notices.accepted_at.append(bearer.accepted_at)
        notices.attempts.append(0)
        notices.tried.append(0)
        notices.carriers.append(tuple(sorted(map(self.terms.cohorts.__getitem__, cohorts))))

    def said_in(self, partition: int) -> list[Said]:
        """Return what is said of the members of a partition, to be added to."""
        return self.unsettled.setdefault(partition, [])

    def _notices(self, partition: int) -> Notices:
        found = self.notices.get(partition)
        if found is None:
            found = self.notices[partition] = Notices(self.terms.incident_id, self.terms.version)
        return found

    def stand_in(self, partition: int, cohort: int, outcome: int, by: int) -> None:
        """Count members with an outcome, where it is counted."""
        counter = COUNTED_AS.get(outcome)
        if counter:
            self.count_in(partition, cohort, counter, by)

    def count_in(self, partition: int, cohort: int, counter: str, by: int) -> None:
        """Move a counter."""
        if by:
            self.moves.setdefault((partition, cohort), Counter())[counter] += by
            self.entered[counter] += max(by, 0)


def persons_of(blocks: Iterable[Block]) -> list[bytes]:
    """Return the persons of these blocks, each once, in the order of their keys."""
    return sorted(set(chain.from_iterable(block.persons for block in blocks)))


def decide_batch(blocks: Sequence[tuple[Block, int]], known: Mapping[bytes, Dossier], terms: Terms) -> Effects:
    """Decide about everybody in these blocks of one incident (each with its cohort's number), in their order.

    `known` holds those persons of the blocks that are known already.
    """
    effects = Effects(terms)
    repeated = _repeated(blocks)
    # Whose contact data is older than the version is decided apart too: the columns of the many do not say so.
    corrected = {block.persons[row] for block, _ in blocks for row in block.contact_since}
    apart = repeated | known.keys() | corrected
    arrivals: dict[bytes, tuple[int, list[list[Member]]]] = {}
    for block, cohort in blocks:
        rows: list[int] | None = None
        if apart and not apart.isdisjoint(block.persons):
            rows = [row for row, person in enumerate(block.persons) if person not in apart]
            _gather(block, cohort, apart, arrivals)
        if block.persons and (rows is None or rows):
            effects.add_first_sight(block, cohort, rows)
    for person, (partition, steps) in arrivals.items():
        dossier = known.get(person) or Dossier.unknown(person, partition)
        alone = steps[0][0] if len(steps) == 1 and len(steps[0]) == 1 else None
        if alone and (claim := told_already(dossier, alone, terms)):
            effects.add_told(dossier, alone, claim)
        else:
            decision = decide(dossier, steps, terms)
            effects.add(dossier, decision)
            for moved in readdressed(dossier, decision.dossier, terms):
                effects.readdressed.setdefault(decision.dossier.place_of(moved.notice), []).append(moved)
    return effects


def decide_again(
    dossiers: Iterable[Dossier], terms: Terms, heard: Mapping[bytes, Course] = MappingProxyType({})
) -> Effects:
    """Decide about people of whom no member arrived, under the terms that hold now.

    `heard`: how far notices of theirs have come.
    """
    effects = Effects(terms)
    for dossier in dossiers:
        effects.add(dossier, decide(dossier, [()], terms, heard))
    return effects


def _repeated(blocks: Sequence[tuple[Block, int]]) -> set[bytes]:
    """Return the persons that come more than once."""
    everybody = list(chain.from_iterable(block.persons for block, _ in blocks))
    if len(set(everybody)) == len(everybody):
        return set()
    return {person for person, times in Counter(everybody).items() if times > 1}


def _gather(
    block: Block, cohort: int, apart: set[bytes], arrivals: dict[bytes, tuple[int, list[list[Member]]]]
) -> None:
    """Add to `arrivals` what this block says of the persons `apart`, who are decided one by one."""
    heard: dict[bytes, list[Member]] = {}
    for row, person in enumerate(block.persons):
        if person in apart:
            heard.setdefault(person, []).append(block.member(row, cohort))
    for person, members in heard.items():
        arrivals.setdefault(person, (block.partition, []))[1].append(members)


def _spread(values: Sequence[bytes], rows: Sequence[int], count: int) -> list[bytes | None]:
    """Return a column of so many rows with these values in some of them."""
    column: list[bytes | None] = [None] * count
    for row, value in zip(rows, values, strict=True):
        column[row] = value
    return column


def _picked(rows: Sequence[int] | None, *columns: Sequence[Any]) -> Sequence[Sequence[Any]]:
    return columns if rows is None else [[column[row] for row in rows] for column in columns]
