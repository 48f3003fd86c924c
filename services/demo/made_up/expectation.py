"""What must become of each made-up person: the generator's own list, which the check compares with the hand-overs."""

from dataclasses import dataclass, field

from services.core.facts import NO_FACTS, Facts
from services.demo.made_up.people import Person

__all__ = ["Expectation"]


@dataclass(slots=True)
class Expectation:
    """What Heraut must tell each person, by the person's number, and the totals that its ledger must have.

    `revisions` is how many notices a person must get: 0 = none (deceased, cannot be written to, every channel refuses,
    no record is valid), 1, or 2 where new facts come later. `facts` is what all notices of a person say together.
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
        """Note that the person must get one more notice, with these facts."""
        self.revisions[person.number] += 1
        self.facts[person.number] |= facts

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
        """How many people must be told something."""
        return len(self.people) - self.revisions.count(0)

    @property
    def notices(self) -> int:
        """How many notices must be handed over, supplements included."""
        return sum(self.revisions)
