"""The written rule of which identities are one person's, as the check follows it."""

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from services.core.facts import Facts
from services.demo.made_up.expectation import Expectation, SentRecord
from services.demo.made_up.people import Person, make_people
from services.demo.made_up.same_person import match_key
from services.demo.made_up.ties import ties

BSN, ANOTHER_BSN = "123456782", "231450618"
ONE = replace(
    make_people(1, seed=3)[0], bsn=BSN, person_key="", initials="A.B.", given_name="Anna", prefix="van der",
    family_name="Berg", birth_date="1950-02-03", postcode="2583XL", house_number="10", house_letter="",
    house_number_addition="",
)  # fmt: skip
WITHOUT = replace(ONE, bsn="")
BARE = replace(WITHOUT, initials="", given_name="")
TWIN = replace(ONE, bsn=ANOTHER_BSN, initials="C.", given_name="Clara")
KEY = match_key(ONE)


def _one(**changes: Any) -> Person:
    return replace(ONE, **changes)


@pytest.mark.parametrize(
    "records",
    [
        [ONE, WITHOUT],
        [ONE, WITHOUT, BARE],
        [ONE, WITHOUT, TWIN],
        [_one(given_name=""), WITHOUT],
        [_one(initials=""), WITHOUT],
        [_one(family_name="Müller"), replace(WITHOUT, family_name="muller")],
    ],
)
def test_what_agrees_is_tied_in_any_order(records: list[Person]) -> None:
    """The match key is the person's who has the number, if nobody else could be meant and a name agrees."""
    for some in permutations(records):
        assert {BSN} == {*ties(some).values()}


@pytest.mark.parametrize(
    "records",
    [
        [ONE, BARE],
        [_one(initials="", given_name=""), WITHOUT],
        [_one(given_name=""), replace(WITHOUT, initials="")],
        [ONE, _one(bsn=ANOTHER_BSN), WITHOUT],
        [ONE, TWIN, BARE],
        [_one(house_letter="A"), replace(WITHOUT, house_letter="B")],
        [TWIN, WITHOUT],
        [_one(birth_date="1950-02-00"), WITHOUT],
        [_one(postcode=""), WITHOUT],
        [_one(house_number="12"), WITHOUT],
        [ONE, TWIN],
        [WITHOUT, BARE],
    ],
)
def test_what_is_in_doubt_is_not_tied(records: list[Person]) -> None:
    """A bare match key, one that two could have, or one that contradicts is a person's of its own."""
    for some in permutations(records):
        assert {} == ties(some)


def test_a_third_record_ties_two_others() -> None:
    """Who is known by a number alone, and by a match key, is one person once a record has both."""
    alone = replace(BARE, bsn=BSN, family_name="", birth_date="", postcode="", house_number="")
    expectation = Expectation()
    expectation.follow([SentRecord(one, Facts(1, 1)) for one in (alone, WITHOUT, ONE)])

    assert [(3, 1)] == [(len(person.known_as), person.revisions) for person in expectation.persons]
    assert {} == ties([alone, WITHOUT])
    assert {KEY: BSN} == ties([alone, WITHOUT, ONE])
