"""Who comes under two identities, by what records with one match key say."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.homes import Home
from services.intake.identities.tying import MATCHED_BY, Pair, State, Tie, homes_of, ties_of
from services.intake.records.record import Record
from services.intake.records.witnesses import Witnesses

MAKER = Witnesses(b"w" * 32, "lab")
KEY, NUMBER, OTHER = (bytes([number]) * 16 for number in range(3))
PROPOSED, MADE = Tie(State.PROPOSED, MATCHED_BY), Tie(State.MADE, (*MATCHED_BY, "initials"))


def says(pseudonym: bytes, initials: str = "", **more: str) -> bytes:
    """Return the profile of a record of somebody whose match key is whole."""
    bsn = "" if pseudonym == KEY else "123456782"
    record = Record(bsn=bsn, family_name="Vries", birth_date="1970-03-05", initials=initials, **more)
    return pseudonym + MAKER.of(record)


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ([says(KEY, "J."), says(NUMBER, "J.")], {(KEY, NUMBER): MADE}),
        ([says(KEY, "J."), says(NUMBER, "P.")], {}),  # twins
        ([says(KEY), says(NUMBER, "J.")], {(KEY, NUMBER): PROPOSED}),
        ([says(KEY, "J."), says(NUMBER), says(NUMBER, "J.")], {(KEY, NUMBER): MADE}),
        ([says(KEY, "J.", house_letter="A"), says(NUMBER, "J.", house_letter="B")], {}),
        ([says(KEY, "J."), says(NUMBER, "J."), says(OTHER, "P.")], {(KEY, NUMBER): MADE}),
        (
            [says(KEY, "J."), says(NUMBER, "J."), says(OTHER)],
            {(KEY, NUMBER): MADE._replace(state=State.PROPOSED), (KEY, OTHER): PROPOSED},
        ),
        ([says(KEY, "J."), says(KEY, "P."), says(NUMBER, "J.")], {(KEY, NUMBER): MADE}),
        ([says(NUMBER, "J."), says(OTHER, "J.")], {}),  # nobody is known by the match key alone
        ([says(KEY, "J."), says(KEY, "P.")], {}),
    ],
)  # fmt: skip
def test_what_records_show(profiles: list[bytes], expected: dict[Pair, Tie]) -> None:
    """Made where one number alone can be it, and a name beside the match key agrees; else proposed, or nothing."""
    assert expected == ties_of(profiles, {})


def test_what_an_operator_said_stays() -> None:
    """A pair that was refused is nobody's candidate; one that was made takes the match key."""
    profiles = [says(KEY, "J."), says(NUMBER, "J."), says(OTHER, "J.")]
    refused, made = Tie(State.REFUSED, by_rule=False), Tie(State.MADE, by_rule=False)

    assert {(KEY, OTHER): refused, (KEY, NUMBER): MADE} == ties_of(profiles, {(KEY, OTHER): refused})
    assert {
        (KEY, OTHER): made,
        (KEY, NUMBER): MADE._replace(state=State.PROPOSED),
    } == ties_of(profiles, {(KEY, OTHER): made})


PROFILES = st.lists(
    st.builds(says, st.sampled_from([KEY, NUMBER, OTHER]), st.sampled_from(["", "J.", "P."])), max_size=7
)


@given(PROFILES, st.randoms(use_true_random=False))
def test_ties_are_those_of_the_set_of_what_was_said(profiles: list[bytes], chance: random.Random) -> None:
    """Whatever the order in which records come, and however often, the same ties stand in the end."""
    stored: dict[Pair, Tie] = {}
    heard: list[bytes] = []
    for profile in chance.sample(profiles * 2, 2 * len(profiles)):
        heard.append(profile)
        stored = ties_of(heard, stored)

    assert ties_of(sorted(set(profiles)), {}) == stored


IDENTITIES = [bytes([number]) * 16 for number in range(6)]
PAIRS = st.tuples(st.sampled_from(IDENTITIES[:3]), st.sampled_from(IDENTITIES[3:]))


@given(st.lists(st.tuples(PAIRS, st.booleans()), max_size=12))
def test_who_is_tied_shares_a_home_and_nobody_else(changes: list[tuple[Pair, bool]]) -> None:
    """Ties made and undone in any order: a home is one of those who share it, and each change is the next version."""
    homes = {one: Home(one, 0) for one in IDENTITIES}
    tied: set[Pair] = set()
    for pair, made in changes:
        tied = tied | {pair} if made else tied - {pair}
        changed = homes_of(homes, tied)
        assert all(home.version == homes[one].version + 1 for one, home in changed.items())
        homes |= changed

    together = {one: {one} for one in IDENTITIES}
    for _ in IDENTITIES:
        for one, other in tied:
            together[one] = together[other] = together[one] | together[other]
    for _ in IDENTITIES:
        together = {one: set().union(*(together[other] for other in theirs)) for one, theirs in together.items()}
    for one in IDENTITIES:
        assert {other for other in IDENTITIES if homes[other].home == homes[one].home} == together[one]
        assert homes[one].home in together[one]


def test_nobody_moves_who_was_there_before() -> None:
    """Of two that come together, the one that was known is the home of both."""
    homes = {KEY: Home(KEY, 0), NUMBER: Home(NUMBER, 0)}

    assert {KEY: Home(NUMBER, 1)} == homes_of(homes, [(KEY, NUMBER)], fresh={KEY})
    assert {NUMBER: Home(KEY, 1)} == homes_of(homes, [(KEY, NUMBER)], fresh={NUMBER})
