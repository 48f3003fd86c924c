"""What holds whatever happens to people, in whatever order."""

import random
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.channel import ALL_CHANNELS
from services.core.ledger import BARE_JOINED, CONFLICTING, COUNTERS
from services.core.notices import (
    FLAG_DECEASED,
    FLAG_NEXT_OF_KIN,
    FLAG_NOT_AT_ADDRESS,
    FLAG_NOT_DECEASED,
    FLAG_RETRACTED,
    FLAG_SECRET_ADDRESS,
    FLAG_WITHDRAWN,
)
from services.core.policy import Correction
from services.core.unsettled import Unsettled
from services.deduplication.batch import Block
from services.deduplication.domain import Course, Member, Outcome, Standing, Terms, Waits
from services.deduplication.dossier import Decision, Dossier, decide
from tests.unit.deduplication.builders import a_block, a_slot, an_id, terms
from tests.unit.deduplication.memory import Tables, as_decided
from tests.unit.deduplication.model import Control, Model, facts_of, taken_back
from tests.unit.deduplication.said import Said, packed
from tests.unit.deduplication.strategies import some_judgements, some_said

_KIN = FLAG_DECEASED | FLAG_NEXT_OF_KIN
_SOME = FLAG_SECRET_ADDRESS, FLAG_NOT_AT_ADDRESS, FLAG_DECEASED, _KIN, FLAG_NOT_DECEASED, FLAG_RETRACTED, FLAG_WITHDRAWN
FLAGS = st.sampled_from([*[0] * 6, *_SOME])
LANGUAGES = ("nl", "en", "")
COHORTS = {"a": 1, "b": 1, "c": 2, "d": 3}
# Records that agree, that contradict each other, and that fit both sides; the first say least, and shrink best.
SAYINGS = [
    Said(), Said((70, 3, 5)), Said((70, 0, 0), frozenset({"vri"})), Said((81, 3, 5)),
    Said((0, 0, 0), frozenset({"ber"})), Said((70, 3, 5), frozenset({"ber"})),
]  # fmt: skip


@st.composite
def a_version(draw: st.DrawFn) -> Member:
    """Return some version of one of a few members; the same (member, version) always says the same."""
    name, version = draw(st.sampled_from("abcd")), draw(st.integers(1, 4))
    chance = random.Random(f"{name}{version}{draw(st.integers(0, 0))}")  # noqa: S311 - made-up members
    exposed = chance.randrange(1, 8)
    others = FLAG_NOT_AT_ADDRESS, FLAG_DECEASED, FLAG_NOT_DECEASED, FLAG_RETRACTED, FLAG_WITHDRAWN
    flags = chance.choice((0, 0, 0, 0, 0, *others))
    return Member(
        an_id(name), version, COHORTS[name], draw(st.integers(1, 3)), exposed, exposed & chance.randrange(8),
        chance.randrange(ALL_CHANNELS + 1), flags, chance.choice(LANGUAGES), a_slot(an_id(name), version),
        packed(chance.choice(SAYINGS)),
    )  # fmt: skip


def under(control: Control) -> Terms:
    """Return the terms that a control makes."""
    return terms(**control._asdict())


CONTROLS = st.tuples(
    st.integers(0, ALL_CHANNELS),
    st.frozensets(st.integers(1, 3)),
    st.sampled_from([False, False, True]),
    st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(1, 3), max_size=2)),
    st.one_of(st.just(frozenset[int]()), st.frozensets(st.integers(1, 3), max_size=2)),
    st.one_of(st.just(()), some_judgements(SAYINGS)),
).map(lambda drawn: Control(*drawn[:5])._replace(judgements=drawn[5]))
CORRECTING = st.tuples(CONTROLS, st.sampled_from(Correction), st.sampled_from([False, False, True])).map(
    lambda drawn: drawn[0]._replace(correction=drawn[1], hold_bare=drawn[2])
)


@st.composite
def free_versions(draw: st.DrawFn) -> Member:
    """Return a version of a member with anything in it."""
    name = draw(st.sampled_from("abcd"))
    exposed = draw(st.integers(0, 7))
    version = draw(st.integers(1, 9))
    return Member(
        an_id(name), version, COHORTS[name], draw(st.integers(1, 3)), exposed, exposed & draw(st.integers(0, 7)),
        draw(st.integers(0, ALL_CHANNELS)), draw(FLAGS), draw(st.sampled_from(LANGUAGES)), a_slot(an_id(name), version),
        packed(draw(st.one_of(st.sampled_from(SAYINGS), some_said()))),
    )  # fmt: skip


class End(NamedTuple):
    """What is heard of the first, second ... notice of a person, where there is one."""

    number: int
    course: Course


ENDS = st.builds(End, st.integers(0, 3), st.sampled_from([Course.BEGUN, Course.STOPPED]))
Event = list[Member] | Control | End


def _events(controls: st.SearchStrategy[Control]) -> st.SearchStrategy[list[Event]]:
    versions = st.lists(st.one_of(a_version(), free_versions()), min_size=1, max_size=3)
    return st.lists(st.one_of(versions, controls, ENDS), min_size=3, max_size=12)


EVENTS = _events(CONTROLS)
CORRECTED = _events(CORRECTING)  # where the policy may want corrections, for what holds then too


def happen(dossier: Dossier, event: Event, control: Control) -> Decision:
    """Let something happen to a person."""
    if isinstance(event, End):
        heard = {claim.notice: event.course for claim in dossier.claims[event.number : event.number + 1]}
        return decide(dossier, [()], under(control), heard)
    return decide(dossier, [()] if isinstance(event, Control) else [event], under(control))


@settings(max_examples=150, deadline=None)
@given(EVENTS)
def test_one_person_is_treated_as_the_plain_rules_say(events: list[Event]) -> None:
    """Any sequence of versions, repeats, releases and channels: places, notices and bearers are the model's."""
    dossier, model = Dossier.unknown(an_id("p"), 0), Model()
    control = Control(ALL_CHANNELS, frozenset({1}))
    for event in events:
        control = event if isinstance(event, Control) else control
        decision = happen(dossier, event, control)
        if isinstance(event, End) and event.number < len(dossier.claims):
            model.hear_of(event.number, event.course)
        dossier = decision.dossier
        for member in event if isinstance(event, list) else ():
            model.hear(member)
        places = model.look(control)

        assert places == {m: Outcome(s.outcome).name.lower() for m, s in dossier.standings.items()}
        assert [(n.group, n.bearer, n.void, n.course, n.facts) for n in model.notices] == [
            (c.group, c.bearer, c.void, c.course, _facts(c.exposed, c.confirmed)) for c in dossier.claims
        ]
        assert model.conflicting == {m for m, s in dossier.standings.items() if s.conflict}


def _facts(exposed: int, confirmed: int) -> set[tuple[int, bool]]:
    return facts_of(Member(b"", 0, 0, 0, exposed, confirmed, 0, 0, "", 0, b""))


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_nobody_is_told_the_same_again(events: list[Event]) -> None:
    """Each notice says something that those before it, which count, did not; each that is replaced is called back."""
    dossier = Dossier.unknown(an_id("p"), 0)
    marks: dict[bytes, int] = {}
    control = Control(ALL_CHANNELS, frozenset({1, 2}))
    for event in events:
        control = event if isinstance(event, Control) else control
        before = {(c.group, c.revision) for c in dossier.claims}
        decision = happen(dossier, event, control)
        dossier = decision.dossier
        for claim, told, *_ in decision.released:
            assert told is None or claim.exposed & ~told.exposed or claim.confirmed & ~told.confirmed
            assert (claim.group, claim.revision) not in before
        for one in decision.superseded:
            marks[one.notice] = max(one.mark, marks.get(one.notice, 0))
        standing = {c.bearer: c.notice for c in dossier.claims if not c.void}.values()

        # Of one bearer the latest notice counts, and no other that may have an end.
        assert {c.notice for c in dossier.claims if c.notice not in standing and c.course != Course.STOPPED} == {
            c.notice for c in dossier.claims if marks.get(c.notice, 0) % 2 and c.course != Course.STOPPED
        }
        for group in {c.group for c in dossier.claims}:
            revisions = [c.revision for c in dossier.claims if c.group == group]
            assert list(range(1, len(revisions) + 1)) == revisions
        assert len(dossier.claims) == len({c.notice for c in dossier.claims})


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_whoever_waits_is_marked_for_what_it_waits_for(events: list[Event]) -> None:
    """A release finds everybody that it may set free, and finds nobody twice."""
    dossier = Dossier.unknown(an_id("p"), 0)
    control = Control(ALL_CHANNELS, frozenset())
    for event in events:
        control = event if isinstance(event, Control) else control
        dossier = happen(dossier, event, control).dossier
        for cohort in (1, 2, 3):
            would = decide(dossier, [()], under(control._replace(released=control.released | {cohort})))
            marked = any(
                standing.waits == Waits.RELEASE and dossier.members[member].cohort == cohort
                for member, standing in dossier.standings.items()
            )

            assert marked or not would.released
            assert cohort not in {
                would.dossier.members[m].cohort for m, s in would.dossier.standings.items() if s.waits == Waits.RELEASE
            }


@settings(max_examples=200, deadline=None)
@given(CORRECTED)
def test_looking_again_changes_nothing(events: list[Event]) -> None:
    """What a decision brought about is no reason for another one."""
    dossier = Dossier.unknown(an_id("p"), 0)
    control = Control(ALL_CHANNELS, frozenset({1, 2}))
    for event in events:
        control = event if isinstance(event, Control) else control
        dossier = happen(dossier, event, control).dossier
        again = decide(dossier, [()], under(control))

        assert ([], [], [], dossier) == (again.released, again.changed, again.recalled, again.dossier)


def _versions_of_people() -> st.SearchStrategy[list[tuple[bytes, Member]]]:
    """Return what intake may say: of one version of a member, at one person, always the same.

    `test_whatever_sources_send_each_is_told_what_is_theirs_and_once` holds intake to that.
    """
    people = st.sampled_from([an_id("p"), an_id("q"), an_id("r")])
    return st.lists(st.tuples(people, free_versions()), min_size=1, max_size=12).map(_said_once)


def _said_once(rows: list[tuple[bytes, Member]]) -> list[tuple[bytes, Member]]:
    """Return versions as each was first said of a person."""
    first: dict[tuple[bytes, bytes, int], Member] = {}
    return [(person, first.setdefault((person, one.member, one.version), one)) for person, one in rows]


def _blocks(rows: list[tuple[bytes, Member]]) -> list[tuple[Block, int]]:
    """Return blocks, each of one cohort and of neighbours in the log."""
    blocks: list[list[tuple[bytes, Member]]] = []
    for person, member in rows:
        if blocks and blocks[-1][0][1].cohort == member.cohort and len(blocks[-1]) < 3:
            blocks[-1].append((person, member._replace(accepted_at=blocks[-1][0][1].accepted_at)))
        else:
            blocks.append([(person, member)])
    return [a_block(block) for block in blocks]


@settings(max_examples=100, deadline=None)
@given(_versions_of_people(), CORRECTING)
def test_batching_does_not_matter(rows: list[tuple[bytes, Member]], control: Control) -> None:
    """Blocks one by one, or all in one batch: the same rows, notices and counts."""
    ruled = under(control)
    blocks = _blocks(rows)
    single, whole = Tables(), Tables()
    for block in blocks:
        single.take([block], ruled)
    whole.take(blocks, ruled)

    assert single.dossiers == whole.dossiers
    assert +single.counts == +whole.counts
    assert sorted(single.superseded) == sorted(whole.superseded)
    assert sorted(i for n in single.sent for i in n.ids) == sorted(i for n in whole.sent for i in n.ids)
    for sent in whole.sent:
        assert list(map(a_slot, sent.members, sent.versions)) == sent.slots


@settings(max_examples=100, deadline=None)
@given(_versions_of_people(), st.lists(CORRECTING, min_size=1, max_size=4))
def test_every_member_is_counted_once(rows: list[tuple[bytes, Member]], controls: list[Control]) -> None:
    """For every cohort, after every step: accepted = released + merged + suppressed + withdrawn + held."""
    tables = Tables()
    for number, block in enumerate(_blocks(rows)):
        control = controls[number % len(controls)]
        ruled = under(control)
        tables.take([block], ruled)
        _check_counts(tables)
        tables.look_again(ruled)
        _check_counts(tables)


def _check_counts(tables: Tables) -> None:
    expected = {(cohort, counter): 0 for cohort in (1, 2, 3) for counter in COUNTERS["deduplication"]}
    for dossier in tables.dossiers.values():
        for member, standing in dossier.standings.items():
            if standing.outcome != Outcome.RETRACTED:
                counter = Outcome(standing.outcome).name.lower().replace("taken_back", "released")
                expected[dossier.members[member].cohort, counter] += 1
                expected[dossier.members[member].cohort, CONFLICTING] += standing.conflict
                expected[dossier.members[member].cohort, BARE_JOINED] += standing.joined
    found = dict.fromkeys(expected, 0)
    for (_, cohort, name), count in tables.counts.items():
        found[cohort, name] += count

    assert expected == found


@settings(max_examples=150, deadline=None)
@given(st.lists(free_versions(), min_size=1, max_size=12), st.lists(CORRECTING, min_size=1, max_size=4))
def test_sources_hear_of_exactly_those_who_are_their_work(versions: list[Member], controls: list[Control]) -> None:
    """After every step, what was said of a member last is where it stands; nothing is said of those who only wait."""
    tables = Tables()
    for number, member in enumerate(versions):
        ruled = under(controls[number % len(controls)])
        for _ in (tables.take([a_block([(an_id("p"), member)])], ruled), tables.look_again(ruled)):
            standings = tables.dossiers[an_id("p")].standings

            assert _work_of(standings) == tables.listed()


def _work_of(standings: Mapping[bytes, Standing]) -> Mapping[bytes, int]:
    held = {
        Outcome.HELD_UNREACHABLE: Unsettled.UNREACHABLE,
        Outcome.HELD_NOT_AT_ADDRESS: Unsettled.NOT_AT_ADDRESS,
        Outcome.HELD_IDENTITY_CONFLICT: Unsettled.IDENTITY_CONFLICT,
        Outcome.HELD_DECEASED_CONFLICT: Unsettled.DECEASED_CONFLICT,
        Outcome.UNCORRECTED: Unsettled.UNCORRECTED,
    }
    told_apart = {member: Unsettled.TOLD_APART for member, standing in standings.items() if standing.conflict}
    return told_apart | {m: held[Outcome(s.outcome)] for m, s in standings.items() if s.outcome in held}


@settings(max_examples=80, deadline=None)
@given(_versions_of_people(), CORRECTING)
def test_replay_changes_nothing(rows: list[tuple[bytes, Member]], control: Control) -> None:
    """The same blocks again, in any batch, leave every row, notice and count as it is."""
    ruled = under(control)
    blocks = _blocks(rows)
    tables = Tables()
    tables.take(blocks, ruled)
    again = tables.take(blocks, ruled)

    assert ([], [], [], [], {}, {}, {}) == (
        again.members, again.rewritten, again.claims, again.turned, again.notices, again.superseded, again.unsettled,
    )  # fmt: skip
    assert not any(any(moves.values()) for moves in again.moves.values())


@settings(max_examples=80, deadline=None)
@given(st.lists(a_version(), min_size=1, max_size=10), CONTROLS, st.randoms(use_true_random=False))
def test_order_does_not_matter_while_nothing_is_released(
    versions: list[Member], control: Control, chance: random.Random
) -> None:
    """Held people end up the same in whatever order their versions came, repeats included.

    It does not matter either when an operator said of them whatever was said.
    """
    versions = [member._replace(accepted_at=COHORTS[member.member[:1].decode()]) for member in versions]
    shuffled = [*versions, *chance.sample(versions, len(versions) // 2)]
    chance.shuffle(shuffled)
    closed = terms(released=(), hold=control.hold, judgements=control.judgements)
    straight = decide(Dossier.unknown(an_id("p"), 0), [[m] for m in versions], closed).dossier
    mixed = decide(Dossier.unknown(an_id("p"), 0), [[m] for m in shuffled], terms(released=())).dossier
    mixed = decide(mixed, [()], closed).dossier

    assert straight == mixed
    opened = terms(hold=control.hold, judgements=control.judgements)
    assert decide(straight, [()], opened).dossier == decide(mixed, [()], opened).dossier


@settings(max_examples=150, deadline=None)
@given(_versions_of_people(), st.lists(CORRECTING, min_size=1, max_size=4))
def test_short_cuts_come_to_what_the_rules_say(rows: list[tuple[bytes, Member]], controls: list[Control]) -> None:
    """New people over columns and members that were told already end up where `decide` puts them."""
    tables, dossiers = Tables(), dict[bytes, Dossier]()
    for number, (person, member) in enumerate(rows):
        control = controls[number % len(controls)]
        ruled = under(control)
        tables.take([a_block([(person, member)])], ruled)
        dossiers[person] = decide(dossiers.get(person, Dossier.unknown(person, 0)), [[member]], ruled).dossier

        assert {person: as_decided(one) for person, one in dossiers.items()} == {
            person: as_decided(one) for person, one in tables.dossiers.items()
        }


@settings(max_examples=200, deadline=None)
@given(_versions_of_people(), st.lists(CONTROLS, min_size=1, max_size=4))
def test_no_notice_names_what_no_member_of_its_bearers_group_has(
    rows: list[tuple[bytes, Member]], controls: list[Control]
) -> None:
    """Whatever comes, in whatever order: a notice says what its bearer's group says, by a released cohort's address.

    It names the cohorts of all who say so: any of them stops it.
    """
    tables = Tables()
    for number, block in enumerate(_blocks(rows)):
        control = controls[number % len(controls)]
        for effects in (tables.take([block], under(control)), tables.look_again(under(control))):
            for notices in effects.notices.values():
                columns = notices.pseudonyms, notices.members, notices.exposed, notices.carriers
                for person, bearer, exposed, carriers in zip(*columns, strict=True):
                    dossier = tables.dossiers[person]
                    mates = [
                        m for m, s in dossier.standings.items() if s.told_with == dossier.standings[bearer].told_with
                    ]
                    saying = [
                        m for m in map(dossier.members.__getitem__, mates) if not taken_back(m, control.cancelled)
                    ]

                    assert not exposed & ~reduce(or_, (m.exposed for m in saying), 0)
                    assert tuple(sorted({f"c{m.cohort}" for m in saying})) == carriers
                    assert control.paused.isdisjoint(m.cohort for m in saying)
                    assert dossier.members[bearer].cohort in control.released
                    assert not taken_back(dossier.members[bearer], control.cancelled)
                    assert bearer in mates
