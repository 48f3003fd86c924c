"""Whether the people of the next blocks are likely to be all new: then nobody is looked for. Pure.

To look for somebody who is not there costs the database as much as half of the row that is written then, and the more
the larger the table. The row's key tells as well: whoever is known has the first place, which is not given twice. So
where nobody was known for a while, rows are written as if all were new, and who is known after all is looked for then.
"""

from typing import Final

__all__ = ["Strangers"]

# What is written for nothing is a batch in this many at most, and half as often each time.
_AFTER: Final = 8
_AT_MOST: Final = 1024


class Strangers:
    """By the incident's number; one for a process. Wrong guesses cost time, and nothing else."""

    def __init__(self, after: int = _AFTER, at_most: int = _AT_MOST) -> None:
        """Make one that guesses after so many batches in which nobody was known; twice as many each time it errs."""
        self._after, self._at_most = after, at_most
        self._needed: dict[int, int] = {}
        self._seen: dict[int, int] = {}  # batches in which nobody was known, one after the other

    def are_likely(self, incident: int) -> bool:
        """Tell whether all people of the next batch of an incident are likely to be new."""
        return self._seen.get(incident, 0) >= self._needed.get(incident, self._after)

    def looked(self, incident: int, *, somebody: bool) -> None:
        """Note whether somebody of a batch was known."""
        self._seen[incident] = 0 if somebody else self._seen.get(incident, 0) + 1

    def were_known(self, incident: int) -> None:
        """Note that somebody was known who was taken for new."""
        self._seen[incident] = 0
        self._needed[incident] = min(2 * self._needed.get(incident, self._after), self._at_most)
