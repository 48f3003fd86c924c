"""Who of the members with one pseudonym are one person."""

import random
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.witnesses import contradict, unpacked
from services.deduplication.agreement import Groups, groups_of
from services.deduplication.judgements import Word
from tests.unit.deduplication.builders import an_id
from tests.unit.deduplication.model import clash, persons_of
from tests.unit.deduplication.said import Said, packed
from tests.unit.deduplication.strategies import some_said

BORN = (70, 3, 5)
VRIES, BERG = frozenset({"vri"}), frozenset({"ber"})
ON_MATCH_KEY = Said(BORN, VRIES, identified=False)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Said(BORN, VRIES), Said(BORN, VRIES), False),
        (Said(BORN, VRIES), Said(BORN, BERG), False),  # the whole birth date agrees: a name may change
        (Said(BORN, VRIES), Said((70, 5, 3), VRIES), True),  # day and month swapped: somebody has to look
        (Said(BORN, VRIES), Said((70, 0, 0), VRIES), False),  # a register's incomplete date
        (Said(BORN, VRIES), Said((71, 0, 0), VRIES), True),
        (Said(BORN, VRIES), Said((70, 3, 0), BERG), True),  # not a whole birth date: the names decide
        (Said(BORN, VRIES), Said(names=VRIES | BERG), False),  # a double name shares one of its forms
        (Said(names=VRIES), Said(names=BERG), True),
        (Said(names=VRIES), Said(BORN), False),  # what is absent contradicts nothing
        (Said(), Said(BORN, VRIES), False),
        (ON_MATCH_KEY._replace(initials="s"), ON_MATCH_KEY._replace(initials="t"), True),  # twins
        (ON_MATCH_KEY._replace(initials="jp"), ON_MATCH_KEY._replace(initials="j"), False),
        (ON_MATCH_KEY._replace(initials="jp"), ON_MATCH_KEY._replace(initials="jm"), True),
        (ON_MATCH_KEY._replace(given_name="san"), ON_MATCH_KEY._replace(given_name="tim"), True),
        (ON_MATCH_KEY._replace(house_letter="a"), ON_MATCH_KEY._replace(house_letter="b"), True),
        (ON_MATCH_KEY._replace(addition="a"), ON_MATCH_KEY._replace(addition="b"), True),
        (ON_MATCH_KEY._replace(addition="a"), ON_MATCH_KEY, False),
        (Said(BORN, VRIES, initials="s"), Said(BORN, VRIES, initials="t"), False),  # a BSN says who it is
    ],
)
def test_who_contradicts_whom(one: Said, other: Said, *, expected: bool) -> None:
    """Both know it and it differs: a part of the birth date, else the names, on the match key initials and the like."""
    assert (expected, expected) == (contradict(packed(one), packed(other)), contradict(packed(other), packed(one)))
    assert expected == clash(one, other)


@settings(max_examples=300)
@given(some_said(), some_said())
def test_contradiction_is_what_the_plain_rules_say(one: Said, other: Said) -> None:
    """Of any two members."""
    assert clash(one, other) == contradict(packed(one), packed(other)) == contradict(packed(other), packed(one))


@given(some_said())
def test_witnesses_are_read_as_they_were_packed(said: Said) -> None:
    """No part is read as another one."""
    found = unpacked(packed(said))

    assert (said.identified, len(said.names)) == (found.identified, len(found.forms))
    assert said.birth == tuple(found.birth)
    assert [bool(text) for text in said[3:]] == [bool(part) for part in found[3:]]


def _members(said: list[Said]) -> dict[bytes, bytes]:
    return {an_id(f"{at:02}"): packed(one) for at, one in enumerate(said)}


def _as_sets(groups: Groups) -> tuple[set[tuple[int, frozenset[bytes]]], set[bytes]]:
    return {(number, frozenset(members)) for number, members in groups.together}, set(groups.torn)


Places = frozenset[frozenset[int]]
PEOPLE = st.lists(some_said(), min_size=1, max_size=7)


@settings(max_examples=400, deadline=None)
@given(PEOPLE, st.lists(st.integers(0, 2), min_size=7, max_size=7))
def test_groups_are_what_trying_everything_finds(said: list[Said], numbers: list[int]) -> None:
    """Any members, some of them told before: the groups and the torn are the model's."""
    members = _members(said)
    told = {member: number for member, number in zip(members, numbers, strict=False) if number}
    plain, torn = persons_of(dict(zip(members, said, strict=True)), told)

    assert ({(n, frozenset(theirs)) for n, theirs in plain}, torn) == _as_sets(groups_of(members, told))


PAIRS = st.frozensets(st.frozensets(st.integers(0, 6), min_size=2, max_size=2), max_size=4)


@settings(max_examples=200, deadline=None)
@given(PEOPLE, st.lists(st.integers(0, 2), min_size=7, max_size=7), PAIRS, PAIRS)
def test_groups_are_what_trying_everything_finds_with_an_operators_word(
    said: list[Said], numbers: list[int], same: Places, other: Places
) -> None:
    """Any pairs of them said to be one person, and any to be different; never both of one pair."""
    members = _members(said)
    told = {member: number for member, number in zip(members, numbers, strict=False) if number}
    one, two = (_named(members, pairs) for pairs in (same, other - same))
    plain, torn = persons_of(dict(zip(members, said, strict=True)), told, one, two)
    found = groups_of(members, told, Word(_by_member(one), _by_member(two)))

    assert ({(n, frozenset(theirs)) for n, theirs in plain}, torn) == _as_sets(found)


def _named(members: Iterable[bytes], pairs: Places) -> set[frozenset[bytes]]:
    names = [*members]
    return {frozenset(names[at] for at in pair) for pair in pairs if max(pair) < len(names)}


def _by_member(pairs: Iterable[frozenset[bytes]]) -> dict[bytes, set[bytes]]:
    found: dict[bytes, set[bytes]] = {}
    for one, other in map(sorted, pairs):
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return found


@settings(max_examples=200, deadline=None)
@given(PEOPLE, st.lists(st.integers(0, 2), min_size=7, max_size=7), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_order(said: list[Said], numbers: list[int], chance: random.Random) -> None:
    """The same set in another order is the same persons; each member is in one place."""
    members = _members(said)
    told = {member: number for member, number in zip(members, numbers, strict=False) if number}
    order = chance.sample(list(members), len(members))
    found = groups_of(members, told)

    assert _as_sets(found) == _as_sets(groups_of({member: members[member] for member in order}, told))
    assert sorted(members) == sorted([*(m for _, theirs in found.together for m in theirs), *found.torn])


@settings(max_examples=200, deadline=None)
@given(PEOPLE)
def test_nobody_is_together_with_somebody_who_contradicts(said: list[Said]) -> None:
    """Of those that nobody told, a group never has two that contradict, and two groups always have."""
    members = _members(said)
    groups = [theirs for _, theirs in groups_of(members, {}).together]

    assert not any(_clash(members, one, one) for one in groups)
    assert all(_clash(members, one, two) for one in groups for two in groups if one is not two)


def _clash(members: Mapping[bytes, bytes], some: list[bytes], others: list[bytes]) -> bool:
    return any(contradict(members[a], members[b]) for a in some for b in others)


def test_a_member_that_fits_two_who_contradict_joins_neither() -> None:
    """It says too little: it is a person of its own, and so is each of its like."""
    members = _members([Said(BORN, VRIES), Said((81, 3, 4), BERG), Said(), Said()])
    first, second, *bare = members

    assert Groups([(0, [first]), (0, [second])], bare, {}) == groups_of(members, {})


def test_many_people_under_one_number_take_no_time_squared() -> None:
    """A thousand people with one BSN, each with a birth date of its own, and some who say nothing."""
    said = [Said((year, month, day), VRIES) for year in range(1, 7) for month in range(1, 13) for day in range(1, 15)]
    members = _members([*said, Said()])
    groups = groups_of(members, {})

    assert (len(said), 1) == (len(groups.together), len(groups.torn))
