"""What was taken of a person: a set of (data category, certainty) pairs as two bit masks.

Bit i stands for the incident's i-th data category, which is why categories may be added but never lost
or reordered. `exposed` has every category said to be hit, `confirmed` those of them that are certain.
"""

from dataclasses import dataclass

__all__ = ["MAX_CATEGORIES", "NO_FACTS", "Facts"]

MAX_CATEGORIES = 60  # a mask is one signed 64-bit column in PostgreSQL


@dataclass(frozen=True, slots=True)
class Facts:
    """A set of facts; `confirmed` is a subset of `exposed`."""

    exposed: int
    confirmed: int

    def __or__(self, other: "Facts") -> "Facts":
        return Facts(self.exposed | other.exposed, self.confirmed | other.confirmed)

    def covers(self, other: "Facts") -> bool:
        """Tell whether somebody told these facts would learn nothing from `other`."""
        return not (other.exposed & ~self.exposed or other.confirmed & ~self.confirmed)

    def categories(self) -> list[int]:
        """Return the exposed categories' positions, ascending."""
        return [bit for bit in range(self.exposed.bit_length()) if self.exposed >> bit & 1]

    def is_confirmed(self, category: int) -> bool:
        """Tell whether the category at this position is certain."""
        return bool(self.confirmed >> category & 1)


NO_FACTS = Facts(0, 0)
