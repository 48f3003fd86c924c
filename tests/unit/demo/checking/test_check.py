"""The check finds each kind of error."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.core.facts import Facts
from services.demo.checking.check import Verdict, check
from services.demo.checking.hand_over import HandOver
from services.demo.checking.reading import Told
from services.demo.made_up.expectation import Expectation
from services.demo.made_up.people import Person, make_people

BASE, MORE = Facts(0b0011, 0b0011), Facts(0b0111, 0b0111)


def _expectation(revisions: int = 1) -> Expectation:
    expectation = Expectation(make_people(20, seed=1))
    for person in expectation.people[:-1]:  # the last one must not be told
        expectation.tell(person, BASE)
        if revisions > 1:
            expectation.tell(person, MORE)
    return expectation


def _hand_over(whose: Person, facts: Facts = BASE, notice: str = "", **changes: Any) -> HandOver:
    told = Told(facts, f"{whose.prefix} {whose.family_name}".strip(), frozenset())
    values: dict[str, Any] = {
        "channel": "email",
        "at": 1,
        "person": whose.number,
        "notice": notice or f"n{whose.number}",
        "told": told,
    }
    return HandOver(**(values | changes))


def _all(expectation: Expectation) -> list[HandOver]:
    return [_hand_over(person) for person in expectation.people[:-1]]


def _found(verdict: Verdict) -> dict[str, int]:
    names = ("lost", "duplicates", "mix_ups", "unexpected", "untold")
    return {name: count for name in names if (count := getattr(verdict, name))}


def test_all_is_well() -> None:
    """The check holds where everybody is told once."""
    expectation = _expectation()

    assert check(expectation, _all(expectation)).holds


def test_one_left_out_is_lost() -> None:
    """A person without any hand-over is counted as lost."""
    expectation = _expectation()

    assert {"lost": 1} == _found(check(expectation, _all(expectation)[1:]))


@pytest.mark.parametrize("notice", ["", "another"])
def test_one_told_twice_is_a_duplicate(notice: str) -> None:
    """A second hand-over is a duplicate, of the same notice and of another."""
    expectation = _expectation()
    twice = _hand_over(expectation.people[3], notice=notice)

    assert {"duplicates": 1} == _found(check(expectation, [*_all(expectation), twice]))


def test_two_names_swapped_are_mixed_up() -> None:
    """Two people who got each other's letters in their own envelopes are two mix-ups."""
    expectation = _expectation()
    hand_overs = _all(expectation)
    first, second = (at for at in (0, 5))
    told = hand_overs[first].told, hand_overs[second].told
    hand_overs[first] = _hand_over(expectation.people[first], told=told[1])
    hand_overs[second] = _hand_over(expectation.people[second], told=told[0])

    assert {"mix_ups": 2} == _found(check(expectation, hand_overs))


def test_anothers_facts_are_a_mix_up() -> None:
    """A notice with more facts than its person must be told is a mix-up."""
    expectation = _expectation()
    hand_overs = [_hand_over(expectation.people[0], MORE), *_all(expectation)[1:]]

    assert {"mix_ups": 1} == _found(check(expectation, hand_overs))


def test_an_unknown_address_is_a_mix_up_and_somebody_lost() -> None:
    """A letter to an address that nobody has is a mix-up, and its person is lost."""
    expectation = _expectation()
    hand_overs = [_hand_over(expectation.people[0], person=None), *_all(expectation)[1:]]

    assert {"lost": 1, "mix_ups": 1} == _found(check(expectation, hand_overs))


def test_a_providers_fault_is_a_mix_up() -> None:
    """A letter whose reference is not the manifest's is a mix-up."""
    expectation = _expectation()
    hand_overs = [_hand_over(expectation.people[0], fault="reference"), *_all(expectation)[1:]]

    assert {"mix_ups": 1} == _found(check(expectation, hand_overs))


def test_telling_who_must_not_be_told_is_unexpected() -> None:
    """A notice to a person who must not be told is unexpected."""
    expectation = _expectation()

    assert {"unexpected": 1} == _found(check(expectation, [*_all(expectation), _hand_over(expectation.people[-1])]))


def _both_revisions(expectation: Expectation) -> Iterator[HandOver]:
    for person in expectation.people[:-1]:
        yield _hand_over(person, BASE, "first")
        yield _hand_over(person, MORE, "second")


def test_a_supplement_is_no_duplicate() -> None:
    """A second notice with new facts is right."""
    expectation = _expectation(2)

    assert check(expectation, _both_revisions(expectation)).holds


def test_a_missing_supplement_is_untold() -> None:
    """A person who was told the first facts alone is untold."""
    expectation = _expectation(2)
    hand_overs = [one for one in _both_revisions(expectation) if one.person != 2 or one.notice == "first"]

    assert {"untold": 1} == _found(check(expectation, hand_overs))


def test_the_same_revision_twice_makes_up_for_no_other() -> None:
    """Two hand-overs of one revision are a duplicate and a gap, not two revisions."""
    expectation = _expectation(2)
    hand_overs = [one if one.person != 2 else _hand_over(expectation.people[2], BASE, "first")
                  for one in _both_revisions(expectation)]  # fmt: skip

    assert {"duplicates": 1, "untold": 1} == _found(check(expectation, hand_overs))
