"""People who do not exist, with valid citizen service numbers; the same seed makes the same people.

Name and postal address together name one person. Neighbours and relatives share parts of them, and some people are of
a `Kind` that is hard to tell from another, so that the check sees a mix-up between two people.
"""

import hashlib
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.demo.made_up import names
from services.demo.made_up.channels import CONTACTS, Contacts, Who, make_contacts
from services.demo.made_up.kinds import KINDS, SHARED, WITH_A_SECOND, WITHOUT_BSN, Kind, Share, kind_drawer

__all__ = ["Person", "bsns", "each_person", "make_people", "may_be_bsn"]

# The two letters of a postcode: without F, I, O, Q, U and Y, as in the Netherlands, and never SA, SD or SS.
_LETTERS = "ABCDEGHJKLMNPRSTVWXZ"
_PAIRS = tuple(a + b for a in _LETTERS for b in _LETTERS if a + b not in {"SA", "SD", "SS"})
_DIGIT_GROUPS = 9000  # 1000 to 9999
_POSTCODES = _DIGIT_GROUPS * len(_PAIRS)
_HOUSES = 4  # households in one postcode: enough neighbours to mix up

_BSN_SPACE = 99_999_989  # a prime below 10^8: every step size walks through all numbers
_BSN_HEADS = 1_000_000  # the least eight digits: no BSN has more than one leading zero
# Beginnings of the numbers that people fill in where they know none, and the examples of all explanations.
_PLACEHOLDERS = frozenset([*(digit * 8 for digit in "0123456789"), "01234567", "12345678", "98765432", "11122233"])
_NO_BSN = 0.03  # identified by name, birth date and address
_PERSON_KEY = 0.01  # identified by a pseudonym made with a shared key
_FOREIGN = 0.004
_SECRET = 0.01
_NOT_AT_ADDRESS = 0.005

# Letter and addition of two front doors that share a house number.
_DOORS = ((("A", ""), ("B", "")), (("", "1"), ("", "2")), (("", "bis"), ("", "hs")))

_LANGUAGES = (*["nl"] * 90, *["en"] * 7, "nl-NL", "en-GB", "de")  # the incident does not offer `de`


@dataclass(slots=True)
class Person(Contacts):
    """One made-up person, with the fields of a member record. An empty text means that the person has none.

    What a source says otherwise of somebody is another `Person` with the same `number`, which tells who it is.
    `second_to` is the number of the other one where a person was made up to be alike, None elsewhere.
    """

    number: int
    bsn: str
    person_key: str
    initials: str
    given_name: str
    prefix: str
    family_name: str
    birth_date: str
    street: str
    house_number: str
    house_letter: str
    house_number_addition: str
    postcode: str
    city: str
    country: str
    language: str
    secret_address: bool
    not_at_address: bool
    kind: Kind
    second_to: int | None

    @property
    def has_letter(self) -> bool:
        """Return whether a letter may be sent: there is an address, and the person lives there."""
        return not self.not_at_address and bool(self.postcode)

    @property
    def can_be_told(self) -> bool:
        """Return whether some channel takes a notice to this person."""
        return self.has_letter or any(contact.reaches(self) for contact in CONTACTS.values())


def bsns(rng: random.Random) -> Iterator[str]:
    """Return different numbers of nine digits that pass the 11-proof, in a seeded order; some begin with a zero.

    None is a placeholder, which stands for nobody.
    """
    value, step = rng.randrange(_BSN_SPACE), rng.randrange(10_000_000, _BSN_SPACE - 1)
    while True:
        value = (value + step) % _BSN_SPACE
        head = f"{value:08d}"
        check = _check_digit(head)
        if check < 10 and _may_begin(head):
            yield f"{head}{check}"


def may_be_bsn(digits: str) -> bool:
    """Return whether `bsns` could give these nine digits to somebody."""
    head = digits[:-1]
    return _check_digit(head) == int(digits[-1]) and _may_begin(head)


def _may_begin(head: str) -> bool:
    return int(head) >= _BSN_HEADS and head not in _PLACEHOLDERS


def _check_digit(head: str) -> int:
    """Return the check digit of eight digits; 10 means that no number begins with them."""
    return sum(weight * int(digit) for weight, digit in zip(range(9, 1, -1), head, strict=True)) % 11


def make_people(count: int, seed: int, kinds: Mapping[Kind, Share] = KINDS) -> list[Person]:
    """Return the first `count` of `each_person`."""
    return list(itertools.islice(each_person(seed, kinds), count))


def each_person(seed: int, kinds: Mapping[Kind, Share] = KINDS) -> Iterator[Person]:
    """Return people without end. No two share a BSN, an e-mail address, a portal account or a name at an address.

    Without `kinds` they are all ordinary, and no two share a match key either.
    """
    rng = random.Random(seed)  # noqa: S311 - made-up people need no secrets
    numbers, draw_kind = bsns(rng), kind_drawer(kinds)
    offset, step = rng.randrange(_POSTCODES), _coprime_step(rng)
    made = 0
    for group in itertools.count():
        place = _postcode((offset + group * step) % _POSTCODES), rng.choice(names.STREETS), rng.choice(names.TOWNS)
        people = _Neighbourhood(rng, numbers, draw_kind, place, made).settle()
        made += len(people)
        yield from people


def _coprime_step(rng: random.Random) -> int:
    """Return a step that visits every postcode once before it repeats one."""
    while True:
        step = rng.randrange(100_000, _POSTCODES)
        if step % 2 and step % 3 and step % 5 and step % len(_PAIRS):
            return step


def _postcode(index: int) -> str:
    digits, pair = divmod(index, len(_PAIRS))
    return f"{1000 + digits}{_PAIRS[pair]}"


class _House(NamedTuple):
    """An address beside street and place, and the name of the family in it."""

    number: int
    letter: str
    addition: str
    family: str
    prefix: str


class _Neighbourhood:
    """The people of one postcode: households of one to three people, each in a house of its own."""

    def __init__(
        self,
        rng: random.Random,
        numbers: Iterator[str],
        draw_kind: Callable[[random.Random], Kind],
        place: tuple[str, str, str],
        first: int,
    ) -> None:
        self._rng, self._numbers, self._draw_kind = rng, numbers, draw_kind
        self._postcode, self._street, self._city = place
        self._first = first
        self._people: list[Person] = []
        # (family name, initials or given name or birth date) of the people here
        self._taken: set[tuple[str, str]] = set()

    def settle(self) -> list[Person]:
        """Return the people."""
        rng, number = self._rng, self._rng.randrange(1, 200)
        for _ in range(_HOUSES):
            number += 2  # between two houses there is room for a second person who lives elsewhere
            house = _House(number, *_house_suffix(rng), rng.choice(names.FAMILY_NAMES), rng.choice(names.PREFIXES))
            for _ in range(rng.choice((1, 1, 1, 2, 3))):
                self._move_in(house)
        return self._people

    def _move_in(self, house: _House) -> None:
        """Add one more person, and a second one where the kind takes two."""
        rng = self._rng
        person = self._person(house)
        self._people.append(person)
        person.kind = self._draw_kind(rng)
        if person.kind is Kind.ORDINARY:
            if rng.random() < _FOREIGN and person.bsn:
                _move_abroad(rng, person)
            return
        self._make_plain(person)
        if person.kind in WITH_A_SECOND:
            second = self._alike(person, house) if person.kind not in SHARED else self._stranger(person, house)
            second.kind, second.second_to = person.kind, person.number
            self._make_plain(second)
            self._people.append(second)

    def _make_plain(self, person: Person) -> None:
        """Leave nothing special but the kind: reachable by letter, and identified as the kind demands."""
        person.person_key, person.not_at_address = "", False
        person.bsn = "" if person.kind in WITHOUT_BSN else person.bsn or next(self._numbers)

    def _person(self, house: _House, born: str = "") -> Person:
        """Return one more person of a house, born on a given day or on any."""
        rng, family = self._rng, house.family
        number = self._first + len(self._people)
        if not born and rng.random() < 0.08:  # a double name
            family = f"{family}-{rng.choice(names.FAMILY_NAMES)}"
        given, initials, birth_date = _given_names(rng, family, self._taken, born)
        bsn, person_key = self._numbered()
        contacts = make_contacts(rng, Who(number, given, family))
        return Person(
            number, bsn, person_key, initials, given, house.prefix, family, birth_date, self._street,
            str(house.number), house.letter, house.addition, self._postcode, self._city, "NL",
            rng.choice(_LANGUAGES), rng.random() < _SECRET, rng.random() < _NOT_AT_ADDRESS, Kind.ORDINARY, None,
            **contacts,
        )  # fmt: skip

    def _numbered(self) -> tuple[str, str]:
        """Return BSN and person key of one more person, who has one of them or neither."""
        bsn, kind = next(self._numbers), self._rng.random()
        if kind < _PERSON_KEY:
            return "", hashlib.sha256(f"shared key {bsn}".encode()).hexdigest()
        return "" if kind < _PERSON_KEY + _NO_BSN else bsn, ""

    def _alike(self, person: Person, house: _House) -> Person:
        """Return a second person with the same match key, who is a twin or a namesake."""
        house = house._replace(family=person.family_name)
        second = self._person(house, born=person.birth_date)
        while second.initials[0] == person.initials[0]:
            second = self._person(house, born=person.birth_date)
        if person.kind is Kind.NAMESAKES_BY_INITIALS:
            person.given_name = second.given_name = ""
        elif person.kind is Kind.NAMESAKES_NEXT_DOOR:
            second.initials, second.given_name = person.initials, person.given_name
            ours, theirs = self._rng.choice(_DOORS)
            person.house_letter, person.house_number_addition = ours
            second.house_letter, second.house_number_addition = theirs
        return second

    def _stranger(self, person: Person, house: _House) -> Person:
        """Return a second person who has neither name nor birth date nor address in common with the first."""
        rng = self._rng
        family = rng.choice([name for name in names.FAMILY_NAMES if name not in person.family_name])
        self._taken.add((family, person.birth_date))
        return self._person(house._replace(number=house.number + 1, family=family, prefix=rng.choice(names.PREFIXES)))


def _house_suffix(rng: random.Random) -> tuple[str, str]:
    """Return house letter and addition; most houses have neither."""
    draw = rng.random()
    if draw < 0.86:
        return "", ""
    if draw < 0.93:
        return rng.choice("ABCD"), ""
    return ("A" if draw > 0.98 else ""), rng.choice(("bis", "2", "III", "hs", "12", "L"))


def _given_names(rng: random.Random, family: str, taken: set[tuple[str, str]], born: str) -> tuple[str, str, str]:
    """Return a given name, initials and a birth date, none of which another person in `taken` has with this name.

    With `born` that is the birth date, whoever else has it.
    """
    while True:
        given = rng.choice(names.GIVEN_NAMES)
        initials = f"{given[0]}." + "".join(f"{rng.choice('ABCEGHJMPRTW')}." for _ in range(rng.choice((0, 1, 1, 2))))
        day = born or f"{rng.randrange(1930, 2008)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
        if not {(family, initials), (family, given)} & taken and (born or (family, day) not in taken):
            taken |= {(family, initials), (family, given), (family, day)}
            return given, initials, day


def _move_abroad(rng: random.Random, person: Person) -> None:
    place = rng.choice(names.FOREIGN_PLACES)
    person.country, person.city, person.street = place.country, place.city, place.street
    person.house_letter = person.house_number_addition = ""
    digits = f"{person.number:08d}"[-len(place.postcode) :]
    person.postcode = digits if digits[0] != "0" else f"1{digits[1:]}"
