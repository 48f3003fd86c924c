"""The check finds each kind of error, and none where everybody is told as the written rule says."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from services.core.channel import Channel
from services.core.facts import Facts
from services.demo.checking.check import Verdict, check
from services.demo.checking.hand_over import AddressBook, Entry, HandOver
from services.demo.checking.reading import Told, address_block
from services.demo.made_up.channels import CONTACTS
from services.demo.made_up.cohorts import make_waves
from services.demo.made_up.expectation import Expectation, SentRecord, ToldPerson
from services.demo.made_up.people import Person, make_people

BASE, MORE = Facts(0b0011, 0b0011), Facts(0b0111, 0b0111)
OTHER = Facts(0b1001, 0b1001)
PEOPLE = make_people(20, seed=1, kinds={})


def _expectation(revisions: int = 1) -> Expectation:
    expectation = Expectation()
    told = PEOPLE[:-1]
    expectation.follow(SentRecord(person, BASE) for person in told)
    if revisions > 1:
        expectation = Expectation()
        first = [SentRecord(person, BASE) for person in told]
        expectation.follow([*first, *(SentRecord(person, MORE, later=True) for person in told)])
    expectation.add_untold(PEOPLE[-1:])
    return expectation


def _told(whose: Person, facts: Facts) -> Told:
    return Told(facts, f"{whose.prefix} {whose.family_name}".strip(), frozenset())


def _hand_over(at: int, facts: Facts = BASE, notice: str = "", **changes: Any) -> HandOver:
    """Return a right hand-over to a person of `_expectation`, unless something is changed."""
    values: dict[str, Any] = {
        "channel": "email",
        "at": 1,
        "shown": [Entry(at, PEOPLE[at])],
        "notice": notice or f"n{at}",
        "told": _told(PEOPLE[at], facts),
    }
    return HandOver(**(values | changes))


def _all() -> list[HandOver]:
    return [_hand_over(at) for at in range(len(PEOPLE) - 1)]


def _found(verdict: Verdict) -> dict[str, int]:
    names = ("lost", "duplicates", "somebody_elses", "unexpected", "untold", "split")
    return {name: count for name in names if (count := getattr(verdict, name))}


def test_all_is_well() -> None:
    """The check holds where everybody is told once."""
    assert check(_expectation(), _all()).holds


def test_one_left_out_is_lost() -> None:
    """A person without any hand-over is counted as lost."""
    assert {"lost": 1} == _found(check(_expectation(), _all()[1:]))


@pytest.mark.parametrize("notice", ["", "another"])
def test_one_told_twice_is_a_duplicate(notice: str) -> None:
    """A second hand-over is a duplicate, of the same notice and of another."""
    assert {"duplicates": 1} == _found(check(_expectation(), [*_all(), _hand_over(3, notice=notice)]))


def test_two_names_swapped_are_somebody_elses() -> None:
    """Two people who got each other's letters in their own envelopes are two mistakes."""
    hand_overs = _all()
    hand_overs[0] = _hand_over(0, told=_told(PEOPLE[5], BASE))
    hand_overs[5] = _hand_over(5, told=_told(PEOPLE[0], BASE))

    assert {"somebody_elses": 2} == _found(check(_expectation(), hand_overs))


def test_a_category_of_no_record_is_somebody_elses() -> None:
    """A notice with a category that no record of its person has is somebody else's."""
    assert {"somebody_elses": 1} == _found(check(_expectation(), [_hand_over(0, MORE), *_all()[1:]]))


def test_certainty_of_no_record_is_somebody_elses() -> None:
    """To call certain what every record of a person calls possible is somebody else's certainty."""
    expectation = Expectation()
    expectation.follow([SentRecord(PEOPLE[0], Facts(0b0011, 0))])

    assert {"somebody_elses": 1} == _found(check(expectation, [_hand_over(0)]))


def test_an_address_that_nobody_has_is_somebody_elses_and_a_person_lost() -> None:
    """A letter to an address that no record has is a mistake, and its person is lost."""
    assert {"lost": 1, "somebody_elses": 1} == _found(check(_expectation(), [_hand_over(0, shown=()), *_all()[1:]]))


def test_a_providers_fault_is_somebody_elses() -> None:
    """A letter whose reference is not the manifest's is a mistake."""
    hand_overs = [_hand_over(0, fault="reference"), *_all()[1:]]

    assert {"somebody_elses": 1} == _found(check(_expectation(), hand_overs))


def test_telling_who_must_not_be_told_is_unexpected() -> None:
    """A notice to a person without a valid record is unexpected, and has facts that no record has."""
    verdict = check(_expectation(), [*_all(), _hand_over(len(PEOPLE) - 1)])

    assert {"somebody_elses": 1, "unexpected": 1} == _found(verdict)


def _both_revisions() -> Iterator[HandOver]:
    for at in range(len(PEOPLE) - 1):
        yield _hand_over(at, BASE, f"first {at}")
        yield _hand_over(at, MORE, f"second {at}")


def test_a_supplement_is_no_duplicate() -> None:
    """A second notice with new facts is right."""
    assert check(_expectation(2), _both_revisions()).holds


def test_a_missing_supplement_is_untold() -> None:
    """A person who was told the first facts alone is untold."""
    hand_overs = [one for one in _both_revisions() if one.notice != "second 2"]

    assert {"untold": 1} == _found(check(_expectation(2), hand_overs))


def test_the_same_revision_twice_makes_up_for_no_other() -> None:
    """Two hand-overs of one revision are a duplicate and a gap, not two revisions."""
    hand_overs = [one if one.notice != "second 2" else _hand_over(2, BASE, "first 2") for one in _both_revisions()]

    assert {"duplicates": 1, "untold": 1} == _found(check(_expectation(2), hand_overs))


# Twins without BSN: they share a match key, and each has facts and a mailbox of their own.
ONE = replace(
    PEOPLE[0], bsn="", person_key="", initials="A.", given_name="Anna", birth_date="1980-01-02", email="a@example.org",
    number=0,
)  # fmt: skip
TWIN = replace(ONE, initials="B.", given_name="Bram", email="b@example.org", number=1)


def _twins() -> Expectation:
    expectation = Expectation()
    expectation.follow([SentRecord(ONE, BASE), SentRecord(TWIN, OTHER), SentRecord(ONE, BASE)])
    return expectation


def _mail(expectation: Expectation, to: Person, facts: Facts, notice: str, greeted: Person | None = None) -> HandOver:
    """Return a notice that the mail server took for somebody's mailbox."""
    shown = AddressBook(expectation.persons).reached_by(Channel.EMAIL, to.email)
    return HandOver("email", 1, shown, notice, _told(greeted or to, facts))


def _twin_mails(*mails: tuple[Person, Facts]) -> dict[str, int]:
    """Return what is wrong with notices to the twins, each a notice of its own."""
    expectation = _twins()
    return _found(check(expectation, [_mail(expectation, to, facts, str(at)) for at, (to, facts) in enumerate(mails)]))


def test_twins_are_two_persons() -> None:
    """Each twin is told once; two records of one of them are no reason for a second notice."""
    assert {} == _twin_mails((ONE, BASE), (TWIN, OTHER))


def test_twins_mixed_up_are_counted_twice() -> None:
    """Each got the news of the other: no record of theirs has it."""
    assert {"somebody_elses": 2, "untold": 2} == _twin_mails((ONE, OTHER), (TWIN, BASE))


def test_a_twin_merged_into_the_other_is_lost() -> None:
    """One notice with the facts of both: somebody else's category for one, and nothing for the other."""
    assert {"lost": 1, "somebody_elses": 1} == _twin_mails((ONE, BASE | OTHER))


def test_a_twin_told_at_the_others_address_is_lost() -> None:
    """Both notices went to one mailbox: its owner got somebody else's news, and one notice too many."""
    assert {"lost": 1, "somebody_elses": 1, "duplicates": 1} == _twin_mails((ONE, BASE), (ONE, OTHER))


def test_a_twin_told_twice_is_a_duplicate() -> None:
    """A second notice of the same facts is one too many."""
    assert {"duplicates": 1} == _twin_mails((ONE, BASE), (TWIN, OTHER), (TWIN, OTHER))


def test_a_twin_greeted_at_the_others_door_is_found() -> None:
    """A letter that shows the name of one and the address of the other goes to an address that nobody has."""
    next_door = replace(TWIN, house_letter="B", number=1)
    expectation = Expectation()
    expectation.follow([SentRecord(replace(ONE, house_letter="A"), BASE), SentRecord(next_door, OTHER)])
    name, _, place = address_block(next_door)
    _, street, _ = address_block(replace(ONE, house_letter="A"))

    assert () == AddressBook(expectation.persons).at_address(["Post", name, street, place])
    assert 1 == len(AddressBook(expectation.persons).at_address(["Post", *address_block(next_door)]))


# One real person whose sources differ in the birth date: by the rule two persons, at one mailbox.
YOUNGER = replace(ONE, bsn="123456782", birth_date="1990-01-02")
OLDER = replace(YOUNGER, birth_date="1980-01-02")


def _split_mails(*facts: Facts) -> dict[str, int]:
    expectation = Expectation()
    expectation.follow([SentRecord(YOUNGER, BASE), SentRecord(OLDER, OTHER)])
    return _found(check(expectation, [_mail(expectation, OLDER, one, str(at)) for at, one in enumerate(facts)]))


def test_whom_the_rule_tells_apart_is_split_and_no_duplicate() -> None:
    """Two notices at one mailbox are right where each has the facts of one of the two persons, in any order."""
    assert {"split": 1} == _split_mails(BASE, OTHER) == _split_mails(OTHER, BASE)


def test_one_notice_for_both_is_somebody_elses() -> None:
    """A notice that joins the facts of two persons names a category that no record of its person has."""
    assert {"lost": 1, "somebody_elses": 1} == _split_mails(BASE | OTHER)


def test_one_of_both_told_twice_is_a_duplicate() -> None:
    """A third notice is one too many, although both have the mailbox."""
    assert {"split": 1, "duplicates": 1} == _split_mails(BASE, OTHER, OTHER)


def test_one_of_both_told_alone_leaves_the_other_lost() -> None:
    """One notice does not stand for both."""
    assert {"lost": 1} == _split_mails(OTHER)


# Two people with one BSN, as a source typed the BSN of the one in a record of the other.
VICTIM = replace(PEOPLE[2], bsn="123456782", email="victim@example.org", number=2)
STRANGER = replace(PEOPLE[3], bsn="123456782", email="stranger@example.org", number=3)


def _shared(**of_stranger: Any) -> Expectation:
    expectation = Expectation()
    expectation.follow([SentRecord(VICTIM, BASE), SentRecord(STRANGER, OTHER, **of_stranger)])
    return expectation


def test_the_address_of_the_other_record_is_somebody_elses() -> None:
    """A victim's notice at the mailbox of another record with the same BSN is counted, whomever it greets."""
    expectation = _shared()
    for greeted in (VICTIM, STRANGER):
        mails = [_mail(expectation, STRANGER, BASE, "1", greeted), _mail(expectation, STRANGER, OTHER, "2")]
        assert {"lost": 1, "somebody_elses": 1, "duplicates": 1} == _found(check(expectation, mails))


def test_the_dead_do_not_silence_the_living() -> None:
    """Where another record of the BSN says deceased, the living person is lost if not told, the dead one never."""
    expectation = _shared(deceased=True)

    assert (1, 1) == (expectation.notices, expectation.suppressed)
    assert {"lost": 1} == _found(check(expectation, []))
    assert {} == _found(check(expectation, [_mail(expectation, VICTIM, BASE, "1")]))


def test_a_record_that_fits_two_is_told_nothing() -> None:
    """A record with the shared BSN alone is held: a notice to its mailbox is unexpected."""
    alone = replace(
        STRANGER, initials="", given_name="", prefix="", family_name="", birth_date="", email="x@example.org"
    )
    expectation = Expectation()
    expectation.follow([SentRecord(VICTIM, BASE), SentRecord(STRANGER, OTHER), SentRecord(alone, MORE)])
    mails = [_mail(expectation, VICTIM, BASE, "1"), _mail(expectation, STRANGER, OTHER, "2")]

    assert 1 == expectation.held
    assert {} == _found(check(expectation, mails))
    assert {"unexpected": 1} == _found(check(expectation, [*mails, _mail(expectation, alone, MORE, "3")]))


def test_two_addresses_of_one_person_are_both_right() -> None:
    """A notice may go by any record of its person, with the name and the address of that record together."""
    moved = replace(VICTIM, email="moved@example.org", family_name="Vyctim")
    expectation = Expectation()
    expectation.follow([SentRecord(VICTIM, BASE), SentRecord(moved, BASE)])

    assert {} == _found(check(expectation, [_mail(expectation, VICTIM, BASE, "1")]))
    assert {} == _found(check(expectation, [_mail(expectation, moved, BASE, "1")]))
    assert {"somebody_elses": 1} == _found(check(expectation, [_mail(expectation, moved, BASE, "1", VICTIM)]))
    both = [_mail(expectation, VICTIM, BASE, "1"), _mail(expectation, moved, BASE, "2")]
    assert {"duplicates": 1} == _found(check(expectation, both))


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Expectation:
    """Return what must become of people of every kind."""
    return make_waves(make_people(3000, seed=2), 3, 2, tmp_path_factory.mktemp("waves"), supplements=False)[1]


def _given(book: AddressBook, person: ToldPerson, known_as: Person) -> HandOver:
    """Return the notice of a person as a provider takes it who reaches them by what one source knows."""
    told, notice = _told(known_as, person.facts), address_block(known_as)[0] + known_as.bsn + str(person.facts)
    for channel, contact in CONTACTS.items():
        if contact.reaches(known_as):
            return HandOver(channel.label, 1, book.reached_by(channel, contact.of(known_as)), notice, told)
    return HandOver("letter", 1, book.at_address(["Post", *address_block(known_as)]), notice, told)


def test_whoever_follows_the_rule_holds(made_up: Expectation) -> None:
    """People of every kind, each told once by any of their records and in any order: the check finds nothing wrong."""
    rng, book = random.Random(3), AddressBook(made_up.persons)  # noqa: S311 - a test needs no secrets
    for _ in range(3):
        hand_overs = [
            _given(book, person, rng.choice([known for known in person.known_as if known.can_be_told]))
            for person in made_up.persons
            if person.revisions
        ]
        rng.shuffle(hand_overs)
        verdict = check(made_up, hand_overs)
        assert [] == verdict.examples
        assert (True, made_up.told) == (verdict.holds, verdict.told)
        assert verdict.split > 10


# The same person without a BSN in another source: tied to the BSN where a name agrees, and else at most proposed.
NUMBERED = replace(ONE, bsn="123456782")
NAMELESS = replace(ONE, initials="", given_name="")


def _tied_mails(without: Person, *facts: Facts) -> dict[str, int]:
    said = BASE if without is ONE else OTHER
    expectation = Expectation()
    expectation.follow([SentRecord(NUMBERED, BASE), SentRecord(without, said)])
    mails = [_mail(expectation, NUMBERED, one, str(at)) for at, one in enumerate(facts)]
    return _found(check(expectation, mails))


def test_who_is_tied_and_told_under_both_identities_is_told_twice() -> None:
    """One person under two identities is due one notice, and no split."""
    assert {} == _tied_mails(ONE, BASE)
    assert {"duplicates": 1} == _tied_mails(ONE, BASE, BASE)


def test_a_tie_in_doubt_that_is_made_is_somebody_elses() -> None:
    """By the rule a bare match key is a person of its own: its facts are not the other one's."""
    assert {"split": 1} == _tied_mails(NAMELESS, BASE, OTHER)
    assert {"lost": 1, "somebody_elses": 1} == _tied_mails(NAMELESS, BASE | OTHER)
