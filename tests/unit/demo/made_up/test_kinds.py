"""The made-up people contain what the real case contains."""

import contextlib
import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from stdnum.nl import bsn

from services.demo.made_up.cohorts import make_waves
from services.demo.made_up.expectation import Expectation, ToldPerson
from services.demo.made_up.incident import CODES
from services.demo.made_up.kinds import KINDS, WITH_A_SECOND, Kind
from services.demo.made_up.people import Person, make_people
from services.demo.made_up.same_person import contradict, identity

PEOPLE = make_people(20_000, seed=1)
SECOND = [person for person in PEOPLE if person.second_to is not None]


@pytest.fixture(scope="module")
def expectation(tmp_path_factory: pytest.TempPathFactory) -> Expectation:
    """Return what must become of a quarter of them, sent in three waves."""
    return make_waves(PEOPLE[:5000], 3, 1, tmp_path_factory.mktemp("waves"), supplements=False)[1]


def _of(expectation: Expectation, kind: Kind) -> list[list[ToldPerson]]:
    """Return the told persons of a kind, by the made-up people whom they are."""
    found: dict[int, list[ToldPerson]] = {}
    for person in expectation.persons:
        if PEOPLE[person.number].kind is kind:
            found.setdefault(person.number, []).append(person)
    return list(found.values())


def _seconds(expectation: Expectation, kind: Kind) -> list[list[ToldPerson]]:
    return [told for told in _of(expectation, kind) if PEOPLE[told[0].number].second_to is not None]


def test_the_table_has_every_kind() -> None:
    """Every kind has its share and its reason."""
    assert {kind for kind in Kind if kind is not Kind.ORDINARY} == set(KINDS)
    assert all(0.001 <= one.share <= 0.01 and one.reason for one in KINDS.values())


def test_twenty_thousand_people_hold_every_kind_many_times() -> None:
    """None of the kinds is left to luck."""
    made = Counter(person.kind for person in PEOPLE if person.second_to is None)

    assert [] == [kind for kind in KINDS if made[kind] < 30]


def test_a_second_person_stands_behind_the_first() -> None:
    """Whoever is made up to be like another comes next, and is of the same kind."""
    assert WITH_A_SECOND == {person.kind for person in SECOND}
    assert [] == [p for p in SECOND if p.second_to != p.number - 1 or PEOPLE[p.number - 1].kind is not p.kind]


@pytest.mark.parametrize("kind", [Kind.TWINS_WITHOUT_BSN, Kind.NAMESAKES_NEXT_DOOR, Kind.NAMESAKES_BY_INITIALS])
def test_people_without_bsn_share_a_match_key_and_contradict(kind: Kind) -> None:
    """They are one identity and two people."""
    pairs = [(PEOPLE[person.number - 1], person) for person in SECOND if person.kind is kind]

    assert [] == [pair for pair in pairs if identity(pair[0]) != identity(pair[1]) or not contradict(*pair)]


def _differences(kind: Kind) -> set[str]:
    """Return in which fields people of a kind differ from those whom they are like."""
    fields = ("bsn", "initials", "given_name", "prefix", "family_name", "birth_date", "postcode", "house_number",
              "house_letter", "house_number_addition")  # fmt: skip
    pairs = [(PEOPLE[person.number - 1], person) for person in SECOND if person.kind is kind]
    return {name for one, other in pairs for name in fields if getattr(one, name) != getattr(other, name)}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.TWINS, {"bsn", "initials", "given_name"}),
        (Kind.TWIN_TIED, {"bsn", "initials", "given_name"}),
        (Kind.TIE_TO_TWINS_PROPOSED, {"bsn", "initials", "given_name"}),
        (Kind.TWINS_WITHOUT_BSN, {"initials", "given_name"}),
        (Kind.NAMESAKES_BY_INITIALS, {"initials"}),
        (Kind.NAMESAKES_NEXT_DOOR, {"house_letter", "house_number_addition"}),
    ],
)
def test_nothing_else_tells_them_apart(kind: Kind, fields: set[str]) -> None:
    """Twins and namesakes differ in what their kind says, and in nothing else."""
    assert fields == _differences(kind)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind in WITH_A_SECOND - {Kind.SHARED_BSN_DECEASED}])
def test_both_are_told_their_own(expectation: Expectation, kind: Kind) -> None:
    """Two people who are alike are two told persons with different facts."""
    told = {person.number: person for persons in _of(expectation, kind) for person in persons if person.revisions}
    pairs = [(one - 1, one) for one in told if PEOPLE[one].second_to is not None]

    assert pairs
    assert [] == [(a, b) for a, b in pairs if a not in told or told[a].facts == told[b].facts]


def test_a_record_with_anothers_bsn_is_of_its_own_person(expectation: Expectation) -> None:
    """The record has the first one's BSN and the second one's name; some are told again under their own BSN."""
    told = _seconds(expectation, Kind.SHARED_BSN)
    bsns = [[person.known_as[0].bsn for person in persons] for persons in told]
    wanted = [PEOPLE[persons[0].number - 1].bsn for persons in told]

    assert [] == [found for found, bsn in zip(bsns, wanted, strict=True) if bsn not in found]
    assert {1, 2} == {len(persons) for persons in told}


def test_who_died_does_not_silence_the_living(expectation: Expectation) -> None:
    """Of two people with one BSN, the one who died is not told, the other is."""
    told = _of(expectation, Kind.SHARED_BSN_DECEASED)
    second = [PEOPLE[persons[0].number].second_to is not None for persons in told]

    assert [[0 if died else 1] for died in second] == [[one.revisions for one in persons] for persons in told]


def test_a_bsn_alone_is_held_and_nobody_is_told_by_it(expectation: Expectation) -> None:
    """A record that fits two who share its BSN is a person of its own, who is told nothing."""
    told = _seconds(expectation, Kind.SHARED_BSN_ALONE)
    held = [person for persons in told for person in persons if not person.revisions]

    assert len(told) <= len(held)
    assert {("", "", "")} == {(one.family_name, one.birth_date, one.postcode) for (one,) in _known(held)}
    assert [] == [one for (one,) in _known(held) if not one.email]


def _known(persons: list[ToldPerson]) -> list[list[Person]]:
    return [person.known_as for person in persons]


@pytest.mark.parametrize("kind", [Kind.MISTYPED_BSN, Kind.OTHER_BIRTH_DATE, Kind.TIE_PROPOSED])
def test_whom_the_rule_tells_apart_is_told_twice(expectation: Expectation, kind: Kind) -> None:
    """A real person with two BSNs, two birth dates, or a tie in doubt is two told persons, with different facts."""
    told = _of(expectation, kind)

    assert [] == [persons for persons in told if [1, 1] != [person.revisions for person in persons]]
    assert [] == [persons for persons in told if persons[0].facts == persons[1].facts]


def test_a_mistyped_bsn_is_nobodys(expectation: Expectation) -> None:
    """It passes the 11-proof, and no made-up person has it."""
    given = {person.bsn for person in PEOPLE}
    told = [persons[1].known_as[0].bsn for persons in _of(expectation, Kind.MISTYPED_BSN)]

    assert told
    assert [] == [number for number in told if number in given or not bsn.is_valid(number)]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.MISSPELT_NAME, {"family_name"}),
        (Kind.INCOMPLETE_BIRTH_DATE, {"birth_date"}),
        (Kind.MOVED, {"street", "house_number", "postcode", "email"}),
    ],
)
def test_who_is_known_in_two_ways_is_told_once(expectation: Expectation, kind: Kind, fields: set[str]) -> None:
    """Another spelling, an incomplete birth date or another address make no other person."""
    told = _of(expectation, kind)
    twice = [person.known_as for (person,) in told if len(person.known_as) > 1]

    assert {1} == {person.revisions for (person,) in told}
    assert twice
    assert [] == [pair for pair in twice if any(getattr(pair[0], name) == getattr(pair[1], name) for name in fields)]


@pytest.mark.parametrize("kind", [Kind.TWO_IDENTITIES, Kind.TIED_BY_A_THIRD, Kind.TWIN_TIED])
def test_who_is_tied_is_told_once(expectation: Expectation, kind: Kind) -> None:
    """Somebody who is met under a BSN and under a match key is one told person."""
    told = [persons for persons in _of(expectation, kind) if PEOPLE[persons[0].number].second_to is None]
    identities = [{identity(one) for one in person.known_as} for persons in told for person in persons]

    assert told
    assert {1} == {person.revisions for persons in told for person in persons}
    assert {2} == set(map(len, identities))


def test_a_twin_is_tied_to_nobody(expectation: Expectation) -> None:
    """Of the other twin, nobody says what a record without a BSN says of the first one."""
    assert {1} == {len(person.known_as) for (person,) in _seconds(expectation, Kind.TWIN_TIED)}


def test_what_fits_both_twins_is_a_person_of_its_own(expectation: Expectation) -> None:
    """A bare match key is told by itself, once: neither twin hears what it says."""
    told = [one for persons in _of(expectation, Kind.TIE_TO_TWINS_PROPOSED) for one in persons]
    bare = [person for person in told if not person.known_as[0].bsn]

    assert bare
    assert {(1, 1)} == {(person.revisions, len(person.known_as)) for person in told}
    assert len(told) == 3 * len(bare)


def test_birth_dates_are_incomplete_in_every_way(expectation: Expectation) -> None:
    """A register may know year and month, the year alone, or nothing, which it writes as zeros or leaves out."""
    dates = [one.birth_date for (person,) in _of(expectation, Kind.INCOMPLETE_BIRTH_DATE) for one in person.known_as]
    known = {tuple(int(part) > 0 for part in date.split("-")) if date else () for date in dates}

    assert {(True, True, True), (True, True, False), (True, False, False), (False, False, False), ()} == known


def test_all_sources_say_the_same_of_one_person(tmp_path: Path) -> None:
    """All records of one told person have the same facts, so that a notice has them whichever record comes first."""
    waves, _ = make_waves(PEOPLE[:3000], 4, 2, tmp_path, supplements=False)
    said: dict[str, set[str]] = {}
    for record in _records(waves[1].path, waves[3].path):
        _, _, member = record["memberRef"].partition("-")
        number = member.rstrip("bcd")
        one = PEOPLE[int(number)].kind in _TOLD_ONCE
        categories = [code for code in record["dataCategories"] if code in CODES]
        said.setdefault(number if one else member.replace("b", ""), set()).add(
            f"{categories} {record.get('certainty')}"
        )

    assert len(said) > 1000
    assert [] == [member for member, facts in said.items() if len(facts) > 1]


_TOLD_ONCE = {Kind.ORDINARY, Kind.MISSPELT_NAME, Kind.INCOMPLETE_BIRTH_DATE, Kind.MOVED, Kind.TWO_IDENTITIES,
              Kind.TIED_BY_A_THIRD, Kind.TWIN_TIED}  # fmt: skip


def _records(*files: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of NDJSON files that can be read."""
    for file in files:
        content = file.read_bytes()
        for line in (gzip.decompress(content) if file.suffix == ".gz" else content).splitlines():
            with contextlib.suppress(orjson.JSONDecodeError):
                yield orjson.loads(line)


def test_without_kinds_all_are_ordinary() -> None:
    """Load tests measure the ordinary case."""
    people = make_people(2000, 1, kinds={})

    assert {Kind.ORDINARY} == {person.kind for person in people}
    assert 2000 == len({identity(person) for person in people})
