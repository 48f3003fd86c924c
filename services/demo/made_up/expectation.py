"""What must become of each person who is told: the generator's own list, which the check compares with the hand-overs.

The list follows the written rule of who is the same person (`same_person.py`, `ties.py`) from the records as they were
sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from services.core.facts import NO_FACTS, Facts
from services.demo.made_up.channels import contact_cells
from services.demo.made_up.people import Person
from services.demo.made_up.same_person import identity, told_apart
from services.demo.made_up.ties import ties

__all__ = ["Expectation", "SentRecord", "ToldPerson"]


class SentRecord(NamedTuple):
    """One valid record as it stands at the end, corrections included. `person` is how its source knows the person.

    `later` says that the record is sent when those before it are settled: its new facts are a supplement.
    """

    person: Person
    facts: Facts
    deceased: bool = False
    later: bool = False


@dataclass(slots=True)
class ToldPerson:
    """Whoever the written rule takes for one person.

    `known_as` is what the records say of who and where; a notice may go by any of them. `facts` is what all notices
    together must say. `revisions` is how many notices there must be: 0 = none (deceased, held, every channel refuses,
    no record is valid), 1, or 2 where new facts come later.
    """

    known_as: list[Person]
    facts: Facts = NO_FACTS
    revisions: int = 0
    may_be_spared: bool = False  # the record is taken back after its release: told or not, who can say

    @property
    def number(self) -> int:
        """The number of the made-up person whom the records are about."""
        return self.known_as[0].number


@dataclass(slots=True)
class Expectation:
    """What Heraut must tell each person, and the totals that its ledger must have."""

    persons: list[ToldPerson] = field(default_factory=list)
    received: int = 0
    rejected: int = 0
    suppressed: int = 0
    held: int = 0
    exhausted: int = 0
    withdrawn: int = 0  # taken back before the release

    def follow(self, records: Iterable[SentRecord]) -> None:
        """Add what must become of the people whom these records are about; they are all records of an incident."""
        by_identity: dict[str, list[SentRecord]] = {}
        records = list(records)
        tied = ties(record.person for record in records)
        for record in records:
            own = identity(record.person)
            by_identity.setdefault(tied.get(own, own), []).append(record)
        for alike in by_identity.values():
            known_as = _different(alike)
            if len(known_as) == 1:
                self._add_person(alike, known_as)
            else:
                self._tell_apart(alike)

    def add_untold(self, people: Iterable[Person]) -> None:
        """Add people who must not be told anything, as they have no valid record."""
        self.persons += [ToldPerson([person]) for person in people]

    def add_spared(self, records: Iterable[SentRecord]) -> None:
        """Add people whose only record is taken back after its release: they are told once, or withdrawn."""
        self.persons += [ToldPerson([one.person], one.facts, 1, may_be_spared=True) for one in records]

    def _tell_apart(self, records: Sequence[SentRecord]) -> None:
        """Add the persons of records that share an identity."""
        persons, held = told_apart([record.person for record in records])
        for places in persons:
            theirs = [records[at] for at in places]
            self._add_person(theirs, _different(theirs))
        for at in held:
            self.persons.append(ToldPerson([records[at].person], records[at].facts))
            self.held += 1

    def _add_person(self, records: Sequence[SentRecord], known_as: list[Person]) -> None:
        """Add the person whom these records are about, and what must become of the records."""
        facts, revisions = records[0].facts, 1
        if len({id(record.facts) for record in records}) > 1:
            facts = _union(records)
            revisions = 1 if _union(record for record in records if not record.later).covers(facts) else 2
        self.persons.append(ToldPerson(known_as, facts, revisions if self._is_told(records, known_as) else 0))

    def _is_told(self, records: Sequence[SentRecord], known_as: Iterable[Person]) -> bool:
        """Return whether a person is told; count the records otherwise. Those merged into one bearer count nowhere."""
        if True in [record.deceased for record in records]:
            self.suppressed += len(records)
            return False
        if any(person.can_be_told for person in known_as):
            return True
        refused = any(any(contact_cells(person).values()) for person in known_as)
        self.exhausted += refused
        self.held += not refused
        return False

    @property
    def totals(self) -> dict[str, int]:
        """The totals of the ledger that follow from the records alone, by their names in the ledger."""
        return {
            "received": self.received,
            "rejected": self.rejected,
            "suppressed": self.suppressed,
            "held": self.held,
            "exhausted": self.exhausted,
        }

    @property
    def accepted(self) -> int:
        """How many records must be accepted in the end."""
        return self.received - self.rejected

    @property
    def told(self) -> int:
        """How many persons must be told something."""
        return sum(person.revisions > 0 for person in self.persons)

    @property
    def notices(self) -> int:
        """How many notices must be handed over, supplements included."""
        return sum(person.revisions for person in self.persons)


def _different(records: Iterable[SentRecord]) -> list[Person]:
    """Return whom these records are about, each once, in order. The same person comes again as the same object."""
    return list({id(record.person): record.person for record in records}.values())


def _union(records: Iterable[SentRecord]) -> Facts:
    return reduce(Facts.__or__, (record.facts for record in records), NO_FACTS)
