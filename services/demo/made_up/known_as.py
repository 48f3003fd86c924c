"""What the sources say of people who are hard to tell from others, kind by kind."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from services.core.channel import Channel
from services.demo.made_up import names
from services.demo.made_up.channels import CONTACTS, Who
from services.demo.made_up.kinds import SHARED, Kind
from services.demo.made_up.people import Person, may_be_bsn

__all__ = ["Known", "Sources", "without_channel"]

_SECOND_SOURCE = 0.5  # share of people of a kind of whom a second source knows more, or better
# Ways to write a name otherwise; the first one that changes a name is taken.
_SPELLINGS = (("ij", "y"), ("ss", "s"), ("k", "c"), ("aa", "a"), ("ee", "e"), ("n", "nn"), ("s", "z"), ("", "h"))


class Known(NamedTuple):
    """What one source says of somebody. With `other_facts` the facts are not those of what was said before."""

    person: Person
    other_facts: bool = False
    deceased: bool = False


class Sources:
    """What the sources say of people, with the mistakes that they make."""

    def __init__(self, rng: random.Random, people: Iterable[Person]) -> None:
        self._rng = rng
        self._bsns = {person.bsn for person in people}

    def known_as(self, person: Person, first: Person | None) -> list[Known]:
        """Return what the sources say of a person. `first` is the one whom the person is second to, if there is one."""
        if person.kind in SHARED:
            return list(self._shared(person, first)) if first else [Known(person)]
        if person.kind is Kind.INCOMPLETE_BIRTH_DATE:
            return self._incomplete(person)
        if first:
            return [Known(person)]
        return [Known(person), *self._otherwise(person)]

    def _otherwise(self, person: Person) -> Iterator[Known]:
        """Yield what a second source says otherwise of somebody."""
        match person.kind:
            case Kind.MISTYPED_BSN:
                yield Known(replace(person, bsn=self._mistyped(person.bsn)), other_facts=True)
            case Kind.OTHER_BIRTH_DATE:
                yield Known(replace(person, birth_date=_another_year(person.birth_date)), other_facts=True)
            case Kind.MISSPELT_NAME:
                yield Known(replace(person, family_name=_misspelt(person.family_name)))
            case Kind.MOVED:
                yield Known(self._moved(person))
            case Kind.TWO_IDENTITIES | Kind.TWIN_TIED:
                yield Known(replace(person, bsn=""))
            case Kind.TIED_BY_A_THIRD:
                yield Known(replace(person, bsn=""))
                yield Known(replace(_nameless(without_channel(person)), family_name="", birth_date=""))
            case Kind.TIE_PROPOSED | Kind.TIE_TO_TWINS_PROPOSED:
                yield Known(replace(_nameless(person), bsn=""), other_facts=True)

    def _shared(self, person: Person, first: Person) -> Iterator[Known]:
        """Yield what is said of somebody whose record has the BSN of another person."""
        mistaken = replace(person, bsn=first.bsn)
        yield Known(mistaken, deceased=person.kind is Kind.SHARED_BSN_DECEASED)
        if person.kind is Kind.SHARED_BSN_ALONE:
            yield Known(self._number_alone(mistaken), other_facts=True)
        elif person.kind is Kind.SHARED_BSN and self._rng.random() < _SECOND_SOURCE:
            yield Known(person, other_facts=True)

    def _number_alone(self, person: Person) -> Person:
        """Return what somebody says who knows a BSN and a mailbox that nobody else has, and no more."""
        mailbox = self._mailbox(person.number, "archief")
        return replace(_nameless(without_channel(person)), family_name="", birth_date="", email=mailbox)

    def _mailbox(self, number: int, word: str) -> str:
        return CONTACTS[Channel.EMAIL].make(self._rng, Who(number, word, "elders"), 0.0)

    def _mistyped(self, bsn: str) -> str:
        """Return a BSN with two digits mistaken, which passes the 11-proof and which nobody has."""
        while True:
            digits = list(bsn)
            for at in self._rng.sample(range(len(digits)), 2):
                digits[at] = self._rng.choice("0123456789")
            typed = "".join(digits)
            if may_be_bsn(typed) and typed not in self._bsns:
                self._bsns.add(typed)
                return typed

    def _incomplete(self, person: Person) -> list[Known]:
        """Return what a register says that does not know the whole birth date, for some beside one that does."""
        year, month, _ = person.birth_date.split("-")
        born = self._rng.choice((f"{year}-00-00", f"{year}-{month}-00", "0000-00-00", ""))
        incomplete = Known(replace(person, birth_date=born))
        return [Known(person), incomplete] if self._rng.random() < _SECOND_SOURCE else [incomplete]

    def _moved(self, person: Person) -> Person:
        """Return what a source says that has another address and another e-mail address of somebody."""
        street = self._rng.choice([name for name in names.STREETS if name != person.street])
        house, letters = str(self._rng.randrange(200, 400)), person.postcode[4:]
        postcode = f"{self._rng.randrange(1000, 10_000)}{letters}"
        return replace(
            person, street=street, house_number=house, house_letter="", house_number_addition="", postcode=postcode,
            city=self._rng.choice(names.TOWNS), email=self._mailbox(person.number, person.given_name),
        )  # fmt: skip


def without_channel(person: Person) -> Person:
    """Return what a source says that knows neither an address nor any other contact of somebody."""
    nowhere = replace(person, street="", house_number="", house_letter="", house_number_addition="", postcode="")
    nowhere.city = ""
    for contact in CONTACTS.values():
        setattr(nowhere, contact.field, "")
    return nowhere


def _nameless(person: Person) -> Person:
    """Return what a source says that has nothing but the family name of somebody."""
    return replace(person, initials="", given_name="", prefix="")


def _misspelt(family_name: str) -> str:
    """Return another spelling of a name."""
    return next(other for a, b in _SPELLINGS if (other := family_name.replace(a, b, 1)) != family_name)


def _another_year(birth_date: str) -> str:
    """Return a birth date ten years away."""
    year, rest = birth_date.split("-", 1)
    return f"{int(year) + (10 if int(year) < 1990 else -10)}-{rest}"
