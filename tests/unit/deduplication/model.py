"""The rules once more, as plainly as they can be said: sets of facts, no speed, no shared code."""

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from services.core.channel import CHANNELS, TO_THE_ADDRESS
from services.core.notices import (
    FLAG_DECEASED,
    FLAG_NEXT_OF_KIN,
    FLAG_NOT_AT_ADDRESS,
    FLAG_NOT_DECEASED,
    FLAG_RETRACTED,
    FLAG_WITHDRAWN,
)
from services.core.policy import Correction
from services.deduplication.domain import Course, Member
from services.deduplication.judgements import Judgement
from tests.unit.deduplication.said import Said, said_in

__all__ = ["Control", "Model", "Notice", "clash", "persons_of"]

Fact = tuple[int, bool]
Pairs = Collection[frozenset[bytes]]
Persons = list[tuple[int, list[bytes]]]  # number of the told group, or 0; members


def facts_of(member: Member) -> set[Fact]:
    """Return what a member says: each category, and each that is certain."""
    return {(bit, False) for bit in range(8) if member.exposed >> bit & 1} | {
        (bit, True) for bit in range(8) if member.confirmed >> bit & 1
    }


def clash(one: Said, two: Said) -> bool:
    """Tell whether two records cannot be about one person."""
    if any(a != b for a, b in zip(one.birth, two.birth, strict=True) if a and b):
        return True
    if not (one.birth == two.birth and all(one.birth)) and one.names and two.names and not one.names & two.names:
        return True
    if one.identified and two.identified:
        return False
    if any(a != b for a, b in zip(one.initials, two.initials, strict=False)):
        return True
    pairs = [(one.given_name, two.given_name), (one.house_letter, two.house_letter), (one.addition, two.addition)]
    return any(a and b and a != b for a, b in pairs)


def persons_of(
    said: Mapping[bytes, Said], told: Mapping[bytes, int], same: Pairs = frozenset(), other: Pairs = frozenset()
) -> tuple[Persons, set[bytes]]:
    """Tell persons apart by trying everything: the groups, and the members that are torn.

    `same` and `other`: pairs of members of whom somebody said so.
    """
    parts, disputed = _united(said, told, same, other)
    taught = [lessons_of([said[m] for m in part]) for part in parts]
    ways = {m: [*readings(said[m], taught)] for m in said}
    units = [*parts, *({m for m in said if told.get(m) == n} for n in sorted({*told.values()})), *({m} for m in said)]
    units = [unit for at, unit in enumerate(units) if unit and not any(unit & before for before in units[:at])]
    groups = {min(told[m] for m in unit if m in told): [*unit] for unit in units if unit & told.keys()}
    free = [[*unit] for unit in units if not unit & told.keys()]

    def against(some: Iterable[bytes], others: Iterable[bytes]) -> bool:
        pairs = [(a, b) for a in some for b in others]
        return any({a, b} in other or all(clash(x, y) for x in ways[a] for y in ways[b]) for a, b in pairs)

    torn = [f for f in free if disputed & {*f}]
    for m in free:
        fitting = [unit for unit in [*groups.values(), *(f for f in free if f != m)] if not against(m, unit)]
        if m not in torn and any(against(one, two) for one in fitting for two in fitting if one is not two):
            torn.append(m)
    persons = {number: [*members] for number, members in groups.items()}
    left = []
    for m in (f for f in free if f not in torn):
        rivals = [unit for unit in [*groups.values(), *free] if against(m, unit)]
        fits = [n for n, theirs in sorted(groups.items()) if theirs not in rivals]
        fits = [n for n in fits if all(against(rival, groups[n]) for rival in rivals)]
        if fits:
            persons[fits[0]] += m
        else:
            left.append(m)
    _join_told(persons, groups, [*groups.values(), *free], against)
    new: list[list[bytes]] = []
    for m in left:
        home = next((group for group in new if not against(m, group)), None)
        if home is None:
            new.append([*m])
        else:
            home += m
    return [*sorted(persons.items()), *((0, group) for group in new)], {m for unit in torn for m in unit}


def _united(
    said: Iterable[bytes], told: Mapping[bytes, int], same: Pairs, other: Pairs
) -> tuple[list[set[bytes]], set[bytes]]:
    """Return who is one person by what was said and told, and those of whom two were said to be different as well."""
    parts = [{m, *(one for one in told if m in told and told[one] == told[m])} for m in said]
    for _ in same:
        for pair in same:
            joined = set[bytes]().union(*(part for part in parts if part & pair))
            parts = [part for part in parts if not part & pair] + [joined]
    parts = [part for part in parts if any(pair <= part for pair in same)]
    apart = [pair for pair in other if len({told.get(m, m) for m in pair}) == 2]
    disputed = [part for part in parts if any(pair <= part for pair in apart)]
    return [part for part in parts if part not in disputed], {m for part in disputed for m in part if m not in told}


def lessons_of(people: Iterable[Said]) -> list[tuple[str, object, object]]:
    """Return what records of one person say in several ways: the field, a value, and what it could be as well."""
    found: list[tuple[str, object, object]] = []
    for one in people:
        for two in people:
            if any(a != b for a, b in zip(one.birth, two.birth, strict=True) if a and b):
                both = zip(one.birth, two.birth, strict=True)
                found.append(("birth", one.birth, tuple(theirs or mine for mine, theirs in both)))
            if one.names and two.names and not one.names & two.names:
                found.append(("names", one.names, two.names))
            if any(a != b for a, b in zip(one.initials, two.initials, strict=False)):
                longer = two.initials + one.initials[len(two.initials) :]
                found.append(("initials", one.initials, longer))
            for name in ("given_name", "house_letter", "addition"):
                mine, theirs = getattr(one, name), getattr(two, name)
                if mine and theirs and mine != theirs:
                    found.append((name, mine, theirs))
    return found


def readings(said: Said, taught: Iterable[Iterable[tuple[str, object, object]]]) -> Iterable[Said]:
    """Return everything that a record may mean, each field in every way."""
    fields: dict[str, list[Any]] = {name: [getattr(said, name)] for name in Said._fields}
    for name, value, way in itertools.chain.from_iterable(taught):
        if getattr(said, name) == value:
            fields[name].append(way)
    fields["names"] = [frozenset[str]().union(*fields["names"])]
    return itertools.starmap(Said, itertools.product(*fields.values()))


def _join_told(
    persons: dict[int, list[bytes]],
    groups: Mapping[int, list[bytes]],
    units: Collection[list[bytes]],
    against: Callable[[list[bytes], list[bytes]], bool],
) -> None:
    """Make one person of told groups that are against the same ones, and not against each other."""
    for number in sorted(groups, reverse=True):
        for first in sorted(n for n in groups if n < number):
            others = [unit for unit in units if unit not in (groups[first], groups[number])]
            alike = all(against(u, groups[first]) == against(u, groups[number]) for u in others)
            if alike and not against(groups[first], groups[number]):
                persons[first] += persons.pop(number)
                break


class Control(NamedTuple):
    """What decisions rest on beside the people."""

    usable: int
    released: frozenset[int]
    hold: bool = False
    cancelled: frozenset[int] = frozenset()
    paused: frozenset[int] = frozenset()
    correction: Correction = Correction.NONE
    hold_bare: bool = False
    judgements: tuple[Judgement, ...] = ()


@dataclass(slots=True)
class Notice:
    """What a group was told."""

    group: int
    bearer: bytes
    facts: set[Fact]
    version: int  # of the bearer
    void: bool = False
    course: Course = Course.OPEN


@dataclass(slots=True)
class Model:
    """One pseudonym: the highest versions, and the notices."""

    members: dict[bytes, Member] = field(default_factory=dict)
    heard_at: dict[bytes, int] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    stays: dict[bytes, int] = field(default_factory=dict)  # who was told, or was merged with whom, by group
    before: dict[bytes, bytes] = field(default_factory=dict)  # what corrected members said before this block
    silent: set[bytes] = field(default_factory=set)  # bearers who were taken back
    same: set[frozenset[bytes]] = field(default_factory=set)  # what somebody said of those who are there
    other: set[frozenset[bytes]] = field(default_factory=set)
    conflicting: set[bytes] = field(default_factory=set)

    def hear(self, member: Member) -> None:
        """Keep the highest version."""
        known = self.members.get(member.member)
        if known and known.version >= member.version:
            return
        if known and member.flags & FLAG_WITHDRAWN and any(n.bearer == member.member for n in self.counting()):
            member = member._replace(witnesses=known.witnesses)
        if known:
            self.before.setdefault(member.member, known.witnesses)
        self.members[member.member] = member
        self.heard_at.setdefault(member.member, member.accepted_at)
        if member.flags & FLAG_RETRACTED:
            for notice in self.counting():
                if notice.bearer == member.member:
                    notice.void = True
                    notice.course = Course.RECALLED if notice.course == Course.OPEN else notice.course

    def hear_of(self, number: int, course: Course) -> None:
        """Learn how far a notice has come: one that was stopped told nobody."""
        notice = self.notices[number]
        if course == Course.STOPPED or notice.course in {Course.OPEN, Course.RECALLED}:
            notice.course = course
            notice.void = notice.void or course == Course.STOPPED

    def live(self, cancelled: frozenset[int] = frozenset()) -> list[Member]:
        """Return the members that are there, oldest first; of those taken back, who bears a notice."""
        bearers = {n.bearer for n in self.counting()}
        alive = [
            m
            for m in self.members.values()
            if not m.flags & FLAG_RETRACTED and (m.member in bearers or not taken_back(m, cancelled))
        ]
        return sorted(alive, key=lambda m: (self.heard_at[m.member], m.member))

    def said(self, member: bytes) -> Said:
        """Return what a member says of who it is about."""
        return said_in(self.members[member].witnesses)

    def counting(self, groups: Collection[int] | None = None) -> list[Notice]:
        """Return the notices that count, of some groups or of all."""
        return [n for n in self.notices if not n.void and (groups is None or n.group in groups)]

    def look(self, control: Control) -> dict[bytes, str]:
        """Release what may go out, and say where everybody stands."""
        live = [m.member for m in self.live(control.cancelled)]
        self.silent = {m for m in live if taken_back(self.members[m], control.cancelled)}
        self._hear_judgements(live, control)
        self._stay(live)
        persons, torn = persons_of({m: self.said(m) for m in live}, self.stays, self.same, self.other)
        persons.sort(key=lambda one: (one[0] == 0, one[0], min(map(live.index, one[1]))))
        places = {
            m.member: "retracted" if m.flags & FLAG_RETRACTED else "withdrawn" for m in self.members.values()
        } | dict.fromkeys(torn, "held_identity_conflict")
        speaking = [{*members} for _, members in persons if not self.silent.issuperset(members)] + [{m} for m in torn]
        disputes = [p for p in speaking if any(not self._settled(p, other) for other in speaking if other is not p)]
        self.conflicting = torn.union(*disputes) - self.silent
        for number, members in persons:
            group = number or max([0, *(n.group for n in self.notices)]) + 1
            ordered = [self.members[m] for m in live if m in members]
            groups = [group, *sorted({self.stays[m] for m in members if m in self.stays} - {group})]
            mine = [p for p in speaking if not p & {*members}]
            held = control.hold and len(speaking) > 1 and any(not self._settled({*members}, p) for p in mine)
            places |= self._person(groups, ordered, control, held=held)
            if self.counting(groups):
                self.stays |= {m: self.stays.get(m, group) for m in members}
        return places

    def _hear_judgements(self, live: Collection[bytes], control: Control) -> None:
        """Take what somebody said of records that still say what they said then."""
        self.same, self.other = set(), set()
        for one, other, are_one in control.judgements if len(live) > 1 else ():
            records = [(self.members[seen.member], seen) for seen in (one, other) if seen.member in live]
            if len(records) == 2 and all(m.version == s.version or m.witnesses == s.witnesses for m, s in records):
                (self.same if are_one else self.other).add(frozenset({one.member, other.member}))

    def _settled(self, one: set[bytes], two: set[bytes]) -> bool:
        return any(len(pair & one) == len(pair & two) == 1 for pair in self.other)

    def _stay(self, live: list[bytes]) -> None:
        bearers = {n.bearer: n.group for n in self.counting()}
        stays = {m: g for m, g in self.stays.items() if m in live and g in bearers.values()} | bearers
        for m, said in self.before.items():
            mates = [b for b, group in bearers.items() if group == stays.get(m)]
            turned = m in live and self.members[m].witnesses != said
            if turned and m not in bearers and any(clash(self.said(m), self.said(b)) for b in mates):
                stays.pop(m, None)
        for m in [m for m in stays if m not in bearers]:
            if any(frozenset({m, b}) in self.other for b, group in bearers.items() if group == stays[m]):
                stays.pop(m)
        self.stays = stays
        self.before = {}

    def _person(self, groups: list[int], everybody: list[Member], control: Control, *, held: bool) -> dict[bytes, str]:
        usable, released = control.usable, control.released - control.cancelled
        live = [m for m in everybody if m.member not in self.silent]
        told: set[Fact] = set().union(*(n.facts for n in self.counting(groups)))
        everything: set[Fact] = set().union(*(facts_of(m) for m in live))
        died = any(m.flags & FLAG_DECEASED for m in live)
        denied = any(m.flags & FLAG_NOT_DECEASED for m in live)
        kin = [m for m in live if m.flags & FLAG_NEXT_OF_KIN]
        readers = kin if died else live
        deceased = died and (denied or not kin)
        self._call_back(groups, everything, readers=[] if deceased else readers, died=died)
        bringing = [m for m in live if not self.counting(groups) or facts_of(m) - told]
        why = ""
        if bringing and not deceased:
            writable = [m for m in [*bringing, *live] if m in readers and can_be_written(m, usable)]
            bearers = [m for m in writable if m.cohort in released]
            asked = any(n.course == Course.RECALLED for n in self.counting(groups))
            if not writable:
                why = "unreachable"
            elif held:
                why = "identity_conflict"
            elif asked or not bearers or not released & {m.cohort for m in bringing}:
                why = "unreleased"
            elif control.paused & {m.cohort for m in live}:
                why = "paused"
            else:
                bearer = bearers[0]
                group = self.stays.get(bearer.member, groups[0])
                self.notices.append(Notice(group, bearer.member, everything | told, bearer.version))
        silent = {m.member: "taken_back" for m in everybody}
        first = sorted(bringing, key=lambda m: (m not in readers or not can_be_written(m, usable), m not in readers))
        return silent | self._places(groups, live, deceased=deceased, held=why, bringing=first, usable=usable)

    def _call_back(self, groups: list[int], said: set[Fact], *, readers: list[Member], died: bool) -> None:
        """Call back what should not go as it is, and what names it as the one before."""
        told: set[Fact] = set()
        stale = False
        for notice in sorted(self.counting(groups), key=lambda n: n.group):
            bearer = self.members[notice.bearer]
            wrong = notice.bearer in self.silent or bearer.version > notice.version or notice.facts - told - said
            unread = died and bearer not in readers
            stale = stale or bool(notice.course == Course.OPEN and (wrong or unread))
            if stale and notice.course == Course.OPEN:
                notice.course = Course.RECALLED
            told = notice.facts

    def _places(
        self, groups: list[int], live: list[Member], *, deceased: bool, held: str, bringing: list[Member], usable: int
    ) -> dict[bytes, str]:
        bearers = {n.bearer for n in self.counting(groups)}
        free = [m for m in bringing if m.member not in bearers]
        places = {}
        for m in live:
            if m.member in bearers:
                places[m.member] = "released"
            elif deceased:
                denied = any(one.flags & FLAG_NOT_DECEASED for one in live)
                places[m.member] = "held_deceased_conflict" if denied else "suppressed"
            elif held and free and m is free[0]:
                elsewhere = held == "unreachable" and m.channels & usable
                places[m.member] = "held_not_at_address" if elsewhere else f"held_{held}"
            else:
                places[m.member] = "merged"
        return places


def taken_back(member: Member, cancelled: frozenset[int]) -> bool:
    """Tell whether a member counts no more, by itself or with its cohort."""
    return bool(member.flags & FLAG_WITHDRAWN) or member.cohort in cancelled


def can_be_written(member: Member, usable: int) -> bool:
    """Tell whether some channel reaches the member."""
    for channel in CHANNELS:
        if member.channels & usable & channel:
            if channel & TO_THE_ADDRESS and member.flags & FLAG_NOT_AT_ADDRESS:
                continue
            return True
    return False
