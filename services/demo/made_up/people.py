"""People who do not exist, with valid citizen service numbers; the same seed makes the same people.

Postcode, house number and name together name one person. Neighbours and relatives share parts of them, so that the
check sees a mix-up between two people.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from services.demo.made_up import names
from services.demo.made_up.channels import CONTACTS, Contacts, Who, make_contacts

__all__ = ["Person", "bsns", "make_people"]

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

_LANGUAGES = (*["nl"] * 90, *["en"] * 7, "nl-NL", "en-GB", "de")  # the incident does not offer `de`


@dataclass(slots=True)
class Person(Contacts):
    """One made-up person, with the fields of a member record. An empty text means that the person has none."""

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

    @property
    def has_letter(self) -> bool:
        """Return whether a letter may be sent: the person lives at the address."""
        return not self.not_at_address

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
        check = sum(weight * int(digit) for weight, digit in zip(range(9, 1, -1), head, strict=True)) % 11
        if check < 10 and value >= _BSN_HEADS and head not in _PLACEHOLDERS:
            yield f"{head}{check}"


def make_people(count: int, seed: int) -> list[Person]:
    """Return `count` people. No two share a BSN, an e-mail address, a portal account or a name at an address."""
    rng = random.Random(seed)  # noqa: S311 - made-up people need no secrets
    numbers = bsns(rng)
    people: list[Person] = []
    offset, step = rng.randrange(_POSTCODES), _coprime_step(rng)
    group = 0
    while len(people) < count:
        postcode = _postcode((offset + group * step) % _POSTCODES)
        people += _neighbours(rng, numbers, postcode, len(people))
        group += 1
    return people[:count]


def _coprime_step(rng: random.Random) -> int:
    """Return a step that visits every postcode once before it repeats one."""
    while True:
        step = rng.randrange(100_000, _POSTCODES)
        if step % 2 and step % 3 and step % 5 and step % len(_PAIRS):
            return step


def _postcode(index: int) -> str:
    digits, pair = divmod(index, len(_PAIRS))
    return f"{1000 + digits}{_PAIRS[pair]}"


def _neighbours(rng: random.Random, numbers: Iterator[str], postcode: str, first: int) -> list[Person]:
    """Return the people of one postcode: households of one to three people, each in a house of its own."""
    street, city = rng.choice(names.STREETS), rng.choice(names.TOWNS)
    house = rng.randrange(1, 200)
    taken: set[tuple[str, str]] = set()  # (family name, initials or given name or birth date) of the people here
    people: list[Person] = []
    for _ in range(_HOUSES):
        house += 2
        letter, addition = _house_suffix(rng)
        family, prefix = rng.choice(names.FAMILY_NAMES), rng.choice(names.PREFIXES)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            person = _person(rng, numbers, first + len(people), family=family, prefix=prefix, taken=taken)
            person.street, person.city, person.postcode = street, city, postcode
            person.house_number, person.house_letter, person.house_number_addition = str(house), letter, addition
            if rng.random() < _FOREIGN and person.bsn:
                _move_abroad(rng, person)
            people.append(person)
    return people


def _house_suffix(rng: random.Random) -> tuple[str, str]:
    """Return house letter and addition; most houses have neither."""
    draw = rng.random()
    if draw < 0.86:
        return "", ""
    if draw < 0.93:
        return rng.choice("ABCD"), ""
    return ("A" if draw > 0.98 else ""), rng.choice(("bis", "2", "III", "hs", "12", "L"))


def _person(
    rng: random.Random, numbers: Iterator[str], number: int, *, family: str, prefix: str, taken: set[tuple[str, str]]
) -> Person:
    if rng.random() < 0.08:  # a double name
        family = f"{family}-{rng.choice(names.FAMILY_NAMES)}"
    given, initials, birth_date = _given_names(rng, family, taken)
    bsn = next(numbers)
    kind = rng.random()
    person_key = ""
    if kind < _PERSON_KEY:
        person_key, bsn = hashlib.sha256(f"shared key {bsn}".encode()).hexdigest(), ""
    elif kind < _PERSON_KEY + _NO_BSN:
        bsn = ""
    contacts = make_contacts(rng, Who(number, given, family))
    return Person(
        number, bsn, person_key, initials, given, prefix, family, birth_date, "", "", "", "", "", "", "NL",
        rng.choice(_LANGUAGES), rng.random() < _SECRET, rng.random() < _NOT_AT_ADDRESS, **contacts,
    )  # fmt: skip


def _given_names(rng: random.Random, family: str, taken: set[tuple[str, str]]) -> tuple[str, str, str]:
    """Return a given name, initials and a birth date, none of which another person in `taken` has with this name."""
    while True:
        given = rng.choice(names.GIVEN_NAMES)
        initials = f"{given[0]}." + "".join(f"{rng.choice('ABCEGHJMPRTW')}." for _ in range(rng.choice((0, 1, 1, 2))))
        born = f"{rng.randrange(1930, 2008)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
        if not {(family, initials), (family, given), (family, born)} & taken:
            taken |= {(family, initials), (family, given), (family, born)}
            return given, initials, born


def _move_abroad(rng: random.Random, person: Person) -> None:
    place = rng.choice(names.FOREIGN_PLACES)
    person.country, person.city, person.street = place.country, place.city, place.street
    person.house_letter = person.house_number_addition = ""
    digits = f"{person.number:08d}"[-len(place.postcode) :]
    person.postcode = digits if digits[0] != "0" else f"1{digits[1:]}"
