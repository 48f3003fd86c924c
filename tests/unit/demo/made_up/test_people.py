"""The made-up people differ from each other, have valid numbers, and are the same for the same seed."""

import random
from itertools import islice

from stdnum.nl import bsn

from services.core.channel import CHANNELS, Channel
from services.demo.checking.reading import address_block
from services.demo.made_up.channels import CONTACTS
from services.demo.made_up.people import Person, bsns, make_people, may_be_bsn

PEOPLE = make_people(4000, seed=7)


def test_the_same_seed_makes_the_same_people() -> None:
    """The same seed makes the same people, however many."""
    assert PEOPLE[:300] == make_people(300, seed=7)


def test_another_seed_makes_others() -> None:
    """Two runs with different seeds have nobody in common."""
    assert set() == {p.bsn for p in PEOPLE if p.bsn} & {p.bsn for p in make_people(4000, seed=8)}


def test_every_bsn_is_valid_and_given_once() -> None:
    """No two people share a BSN, and each passes the 11-proof."""
    numbers = [person.bsn for person in PEOPLE if person.bsn]

    assert len(numbers) == len(set(numbers))
    assert [number for number in numbers if not bsn.is_valid(number)] == []


def test_some_bsns_begin_with_zero() -> None:
    """Some numbers begin with a zero, which spreadsheets drop."""
    assert any(number.startswith("0") for number in islice(bsns(random.Random(1)), 100))  # noqa: S311


def test_a_bsn_has_eight_digits_at_least() -> None:
    """A BSN without its leading zero still has eight digits: with fewer it is none, and its record is rejected."""
    assert {8, 9} == {len(number.lstrip("0")) for number in islice(bsns(random.Random(1)), 20_000)}  # noqa: S311


def test_no_bsn_is_a_placeholder() -> None:
    """Numbers that people fill in where they know none pass the 11-proof, and are nobody's."""
    assert [bsn.is_valid("123456782"), may_be_bsn("123456782"), may_be_bsn("111222333")] == [True, False, False]
    assert all(may_be_bsn(number) for number in islice(bsns(random.Random(2)), 100))  # noqa: S311


def test_everybody_can_be_told_from_the_others_by_any_address() -> None:
    """No two people share an e-mail address, a portal account, or a name at an address."""
    assert len(PEOPLE) == len({address_block(person) for person in PEOPLE})
    for contact in CONTACTS.values():
        values = [contact.spelling(value) for person in PEOPLE if (value := contact.of(person))]
        assert len(values) == len(set(values))


def test_every_channel_gets_a_share() -> None:
    """About 35 % of the people are told by portal, 35 % by e-mail and 30 % by letter: no channel goes untried."""
    shares = dict.fromkeys(CHANNELS, 0)
    for person in PEOPLE:
        shares[_first_channel(person)] += 1

    even = len(PEOPLE) / len(CHANNELS)
    assert {channel.label: told for channel, told in shares.items() if not 0.75 < told / even < 1.26} == {}


def _first_channel(person: Person) -> Channel:
    return next((channel for channel, contact in CONTACTS.items() if contact.of(person)), Channel.LETTER)


def test_providers_refuse_some_contacts() -> None:
    """Each kind of contact has values that its provider refuses, and few of them."""
    for contact in CONTACTS.values():
        values = [value for person in PEOPLE if (value := contact.of(person))]
        assert 0 < sum(map(contact.refuses, values)) / len(values) < 0.01
