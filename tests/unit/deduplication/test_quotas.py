"""Limits: how many may go, on which day, and never one more, in whatever order and batches people come."""

from collections import Counter
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.channel import ALL_CHANNELS, Channel
from services.core.cohort import Cohort
from services.core.notices import FLAG_NOT_AT_ADDRESS
from services.core.policy import CallCentre, Pace
from services.deduplication.batch import Effects, decide_again
from services.deduplication.domain import Member, Outcome, Waits
from services.deduplication.dossier import Dossier, decide
from services.deduplication.quotas import Allowance, Limit, Used, left_of, limits_of
from tests.unit.deduplication.builders import a_member, an_id, terms
from tests.unit.deduplication.memory import Tables
from tests.unit.deduplication.said import Said
from tests.unit.deduplication.test_properties import _blocks, free_versions

CHANNELS = (Channel.PORTAL, Channel.EMAIL, Channel.LETTER)
DAY = date(2026, 3, 1)


def a_cohort(canary: int | None = None, per_day: int | None = None) -> Cohort:
    """Return a released cohort."""
    return Cohort(
        "lab", "c1", 2, "source", None, auto_release=False, sealed=True, released=True, canary=canary, per_day=per_day
    )


def test_what_a_canary_and_a_pace_leave() -> None:
    """A canary counts all that ever went under a limit, a pace what went today; clocks that lag give nothing."""
    used = {Limit(1): Used(total=80, day=DAY, today=30)}
    days = DAY, date(2026, 3, 2), date(2026, 2, 28)
    canary, pace = (limits_of({1: a_cohort(*grant)}, Pace()) for grant in ((100, None), (None, 50)))

    assert [[20] * 3, [20, 50, 20]] == [[left_of(of, used, day)[Limit(1)] for day in days] for of in (canary, pace)]
    assert 0 == left_of(limits_of({1: a_cohort(canary=10)}, Pace()), used, DAY)[Limit(1)]
    assert Used(81, date(2026, 3, 2), 1) == used[Limit(1)].more(1, date(2026, 3, 2))
    assert Used(81, DAY, 31) == used[Limit(1)].more(1, date(2026, 2, 28))


def test_an_incidents_pace_is_what_all_its_bounds_allow() -> None:
    """400 calls a day, one of 20 calls: 8,000 notices; a bound that is lower holds."""
    paces = [Pace(per_day=9_000, call_centre=CallCentre(400)), Pace(per_day=500, call_centre=CallCentre(400, 0.5))]

    assert [8_000, 500, None] == [pace.notices_a_day for pace in (*paces, Pace(per_channel={Channel.LETTER: 5}))]
    assert [True, True, False] == [pace.limits for pace in (paces[0], Pace(per_channel={Channel.LETTER: 5}), Pace())]


def test_a_notice_takes_its_first_channel() -> None:
    """The one that routing will take, so that print houses get no more letters than they can print."""
    allowance = Allowance({}, {1}, (Channel.EMAIL, Channel.LETTER))
    asked = [(ALL_CHANNELS, 0), (Channel.LETTER | Channel.PORTAL, 0), (Channel.LETTER, FLAG_NOT_AT_ADDRESS)]

    assert [Channel.EMAIL, Channel.LETTER, 0] == [allowance.channel_of(*one) for one in asked]


def test_two_people_of_one_pseudonym_take_two() -> None:
    """One number left, and two people told apart under one pseudonym: one is told, the other waits."""
    people = [a_member("a", said=Said((70, 3, 5))), a_member("b", said=Said((81, 3, 5)))]
    held = decide(Dossier.unknown(an_id("p"), 0), [people], terms(released=())).dossier
    allowance = Allowance({Limit(1): 1}, {1}, CHANNELS)
    decision = decide(held, [()], terms(released=(), allowance=allowance))

    assert (1, 0, {Limit(1): 1}) == (len(decision.released), allowance.left[Limit(1)], allowance.taken)
    assert {Outcome.RELEASED, Outcome.HELD_UNRELEASED} == {s.outcome for s in decision.dossier.standings.values()}


def test_who_is_told_by_anothers_permission_takes_nothing() -> None:
    """A canary lets go those who could not go without it."""
    people = [a_member("a", cohort=1, channels=0), a_member("b", cohort=2, exposed=2)]
    held = decide(Dossier.unknown(an_id("p"), 0), [people], terms(released=())).dossier
    rests = [
        decide(held, [()], terms(released=free, allowance=Allowance({}, limited, CHANNELS))).released[0].rests_on
        for free, limited in (({2}, {1}), ({1}, {2}), ((), {1, 2}), ((), {2}))
    ]

    assert [frozenset(), {2}, {2}, {2}] == rests


def test_a_channel_that_is_full_keeps_its_own_people_waiting() -> None:
    """They are marked for the channel, and found by it once it has numbers left."""
    allowance = Allowance({Limit(channel=int(Channel.LETTER)): 1}, {1}, CHANNELS)
    ruled = terms(released=(), allowance=allowance)
    names = {"a": Channel.LETTER, "b": Channel.LETTER, "c": Channel.EMAIL | Channel.LETTER}
    ended = {
        name: decide(Dossier.unknown(an_id(name), 0), [[a_member(name, channels=to)]], ruled).dossier
        for name, to in names.items()
    }
    waits = {name: Waits(one.standings[an_id(name)].waits) for name, one in ended.items()}

    assert {"a": Waits.NOTHING, "b": Waits.TURN_OF_LETTER, "c": Waits.NOTHING} == waits
    assert Outcome.HELD_UNRELEASED == ended["b"].standings[an_id("b")].outcome
    assert [Channel.PORTAL, Channel.EMAIL] == [channel for channel, _ in allowance.turns(CHANNELS)]


def _rows() -> st.SearchStrategy[list[tuple[bytes, Member]]]:
    people = st.sampled_from([an_id(name) for name in "pqrst"])
    return st.lists(st.tuples(people, free_versions()), min_size=1, max_size=14)


LIMITS = st.dictionaries(
    st.one_of(
        st.just(Limit()), st.integers(1, 3).map(Limit), st.sampled_from(CHANNELS).map(lambda c: Limit(channel=int(c)))
    ),
    st.integers(0, 3),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(_rows(), LIMITS, st.frozensets(st.integers(1, 3)), st.frozensets(st.integers(1, 3)), st.data())
def test_never_more_goes_than_a_limit_says(
    rows: list[tuple[bytes, Member]],
    limits: dict[Limit, int],
    released: frozenset[int],
    limited: frozenset[int],
    data: st.DataObject,
) -> None:
    """Whatever comes, in whatever batches, whoever is looked at and how often: the limits hold, all together."""
    tables, left, gone = Tables(), dict(limits), Counter[Limit]()
    released -= limited
    for block in _blocks(rows):
        before = {c.notice for d in tables.dossiers.values() for c in d.claims}
        arrived = tables.take([block], terms(released=released))
        assert _told(arrived).isdisjoint(before)
        allowance = Allowance(left, limited, CHANNELS)
        some = [d for d in tables.dossiers.values() if data.draw(st.booleans())]
        effects = tables._write(decide_again(some, terms(released=released, allowance=allowance)))
        gone += Counter({limit: count for limit, count in allowance.taken.items() if count})
        left = allowance.left
        if Limit() in limits:
            assert len(_told(effects)) == allowance.taken[Limit()]

    assert all(count <= limits[limit] for limit, count in gone.items())
    assert {limit: limits[limit] - gone[limit] for limit in limits} == left


@settings(max_examples=100, deadline=None)
@given(_rows(), LIMITS, st.frozensets(st.integers(1, 3), min_size=1))
def test_nobody_waits_for_a_turn_that_there_is(
    rows: list[tuple[bytes, Member]], limits: dict[Limit, int], limited: frozenset[int]
) -> None:
    """After a look at everybody, whoever is left is marked for nothing that has numbers left: no tick looks in vain."""
    tables = Tables()
    for block in _blocks(rows):
        tables.take([block], terms(released=()))
    allowance = Allowance(limits, limited, CHANNELS)
    tables._write(decide_again(list(tables.dossiers.values()), terms(released=(), allowance=allowance)))
    tables._write(decide_again(list(tables.dossiers.values()), terms(released=(), allowance=allowance)))
    turns = {Waits.turn_of(channel) for channel, _ in allowance.turns(CHANNELS)}
    for dossier in tables.dossiers.values():
        for member, standing in dossier.standings.items():
            if dossier.members[member].cohort in allowance.open:
                assert standing.waits != Waits.RELEASE
                assert standing.waits not in turns


def _told(effects: Effects) -> set[bytes]:
    return {one for notices in effects.notices.values() for one in notices.ids}
