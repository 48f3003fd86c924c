"""The written rule of who is the same person, as the check follows it."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from services.demo.made_up.people import Person, make_people
from services.demo.made_up.same_person import contradict, identity, told_apart

BSN = "123456782"
ONE = replace(
    make_people(1, seed=3)[0], bsn=BSN, person_key="", initials="A.B.", given_name="Anna", prefix="van der",
    family_name="Berg-Smit", birth_date="1950-02-03", postcode="2583XL", house_number="10", house_letter="",
    house_number_addition="",
)  # fmt: skip
NAMELESS = replace(ONE, initials="", given_name="", prefix="", family_name="", birth_date="")
STRANGER = replace(ONE, initials="C.", given_name="Cornelis", family_name="Dekker", birth_date="1961-07-08")


def _other(**changes: Any) -> Person:
    return replace(ONE, **changes)


@pytest.mark.parametrize(
    "other",
    [
        _other(birth_date="1950-02-04"),
        _other(birth_date="1951-00-00"),
        _other(birth_date="1950-03-00"),
        _other(birth_date="", family_name="Dekker"),
        _other(birth_date="1950-00-00", family_name="Dekker"),
        _other(birth_date="1950-02-00", family_name="Bergen"),
        STRANGER,
    ],
)
def test_one_bsn_can_be_two_people(other: Person) -> None:
    """A known part of the birth date that differs contradicts, and a name where the date does not settle it."""
    assert contradict(ONE, other)
    assert contradict(other, ONE)


@pytest.mark.parametrize(
    "other",
    [
        ONE,
        NAMELESS,
        _other(birth_date="1950-00-00"),
        _other(birth_date="0000-00-00"),
        _other(birth_date=""),
        _other(family_name="Dekker"),
        _other(birth_date="", family_name="Smit"),
        _other(birth_date="", family_name="BERG", prefix=""),
        _other(birth_date="", family_name="van den Bérg"),
        _other(birth_date="", family_name="Onbekend"),
        _other(initials="C.", given_name="Cornelis", house_letter="A", postcode="1234AB"),
    ],
)
def test_one_bsn_is_one_person_where_nothing_contradicts(other: Person) -> None:
    """What is absent contradicts nothing; with the whole birth date agreed, the name may be any."""
    assert not contradict(ONE, other)
    assert not contradict(other, ONE)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"initials": "C."}, True),
        ({"initials": "A.C."}, True),
        ({"given_name": "Cornelia"}, True),
        ({"house_letter": "B"}, True),
        ({"house_number_addition": "2"}, True),
        ({"initials": "A."}, False),
        ({"initials": "", "given_name": ""}, False),
        ({"house_letter": "", "house_number_addition": ""}, False),
        ({"given_name": "ANNA", "house_letter": "a"}, False),
    ],
)
def test_on_the_match_key_alone_details_contradict(changes: dict[str, Any], *, differs: bool) -> None:
    """Without a number, initials, given name, letter and addition tell people apart as far as both have them."""
    one = _other(bsn="", house_letter="A", house_number_addition="1")
    other = replace(one, **changes)

    assert identity(one) == identity(other)
    assert differs == contradict(one, other)


@pytest.mark.parametrize(("other", "differs"), [({"initials": "C."}, True), ({"initials": "A."}, False)])
def test_details_contradict_where_one_has_no_number(other: dict[str, Any], *, differs: bool) -> None:
    """Whoever is tied to a number is compared by all that both say."""
    without = replace(_other(bsn=""), **other)

    assert [differs] * 2 == [contradict(ONE, without), contradict(without, ONE)]


def test_the_match_key_forgives_how_a_name_is_written() -> None:
    """Prefix, case and diacritics are no part of the match key; postcode and house number are."""
    one = _other(bsn="", family_name="Müller")

    assert identity(one) == identity(replace(one, prefix="", family_name="van der MULLER"))
    assert 3 == len(
        {identity(one), identity(replace(one, house_number="12")), identity(replace(one, postcode="2583XM"))}
    )


def test_whoever_fits_two_belongs_to_neither() -> None:
    """A record that agrees with two who contradict each other is held, whatever the order of the records."""
    records = [ONE, _other(birth_date="1950-00-00"), STRANGER, NAMELESS]
    for order in permutations(range(4)):
        persons, held = told_apart([records[at] for at in order])
        assert [[0, 1], [2]] == sorted(sorted(order[at] for at in person) for person in persons)
        assert [3] == [order[at] for at in held]


def test_whoever_fits_one_belongs_to_them() -> None:
    """A record with the number alone is of the person who has the number."""
    assert ([[0, 1]], []) == told_apart([NAMELESS, ONE])
