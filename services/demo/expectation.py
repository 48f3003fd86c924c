"""What must have become of each made-up person: the generator's own list, held against what the providers took."""

from dataclasses import dataclass, field

from services.core.facts import NO_FACTS, Facts
from services.demo.people import Person

__all__ = ["Expectation"]


@dataclass(slots=True)
class Expectation:
    """By person number, what Heraut must have told; and the totals that its ledger must come to.

    `revisions` is how many notices a person must get: 0 = none may go out (deceased, cannot be written to,
    every channel refuses, never said validly), 1, or 2 where new facts came later. `facts` is the union told.
    """

    people: list[Person]
    revisions: bytearray = field(default_factory=bytearray)
    facts: list[Facts] = field(default_factory=list)
    received: int = 0
    rejected: int = 0
    suppressed: int = 0
    held: int = 0
    exhausted: int = 0

    def __post_init__(self) -> None:
        self.revisions = bytearray(len(self.people))
        self.facts = [NO_FACTS] * len(self.people)

    def tell(self, person: Person, facts: Facts) -> None:
        """Note that the person must be told these facts, beside what was to be told before."""
        self.revisions[person.number] += 1
        self.facts[person.number] |= facts

    @property
    def accepted(self) -> int:
        """How many records must have been accepted in the end."""
        return self.received - self.rejected

    @property
    def told(self) -> int:
        """How many people must have been told something."""
        return len(self.people) - self.revisions.count(0)

    @property
    def notices(self) -> int:
        """How many notices must have been handed over, supplements included."""
        return sum(self.revisions)
