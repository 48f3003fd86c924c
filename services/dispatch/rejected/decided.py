"""What operators decided about rejected attempts and is not done yet: what it waits for. Pure.

An act is a permission, so it overtakes nothing that was acknowledged before it: it takes effect in a partition once
deduplication has said there, behind what it called back, that it knows all of intake's blocks of then.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.core.access import Act
from services.core.permission import is_reached

__all__ = ["GIVES_UP", "Decision", "Waiting", "WaitingAct", "ask_again_after", "waiting_in_all"]

GIVES_UP = frozenset({Act.PRINT_GIVEN_UP, Act.SENDING_GIVEN_UP})  # the others make attempts again


class Decision(NamedTuple):
    """What an act decided: about how many notices, and how many more wait for an earlier act about the same."""

    notices: int
    waiting: int = 0


class WaitingAct(NamedTuple):
    """An act that waits in a partition. `after`: the last of intake's blocks of members then, of each partition."""

    partition: int
    number: int
    act: Act
    after: Sequence[int]
    even_if_posted: bool
    since: datetime

    def is_due(self, known: Sequence[int]) -> bool:
        """Tell whether all is known that was acknowledged before it; `known` as deduplication said in its partition.

        A person may come under several identities, with data in one partition and the notice in another; who does is
        not known here. So it waits for all partitions, always: acts are few, and deduplication is seldom behind.
        """
        return is_reached(self.after, self.partition, known, everywhere=True)


class Waiting(NamedTuple):
    """How many notices wait for acts, since when the first, and in which partitions deduplication is behind."""

    notices: int
    since: datetime
    behind_in: frozenset[int]

    @classmethod
    def of(cls, notices: int, since: datetime, after: Sequence[int], known: Sequence[int]) -> "Waiting":
        """Return those of one act in one partition; `known` as deduplication said there."""
        said = known or (0,) * len(after)
        behind = (place for place, (least, most) in enumerate(zip(after, said, strict=False)) if most < least)
        return cls(notices, since, frozenset(behind))

    def as_json(self) -> Mapping[str, Any]:
        """Return it as routes answer it."""
        since = self.since.isoformat(timespec="seconds")
        return {"notices": self.notices, "since": since, "behindIn": sorted(self.behind_in)}


def waiting_in_all(found: Iterable[Waiting]) -> Waiting | None:
    """Return all of these together, None where there are none."""
    ones = list(found)
    if not ones:
        return None
    behind = frozenset[int]().union(*(one.behind_in for one in ones))
    return Waiting(sum(one.notices for one in ones), min(one.since for one in ones), behind)


def ask_again_after(waited: float) -> float:
    """Return in how many seconds deduplication is asked again, once an act has waited for so many.

    At first every two seconds, as nearly always the first answer is enough; where it stands still for an hour, once a
    minute, so that its questions are no load when it goes on. What is asked too late costs a quarter of the wait more.
    """
    return min(60.0, max(2.0, waited / 4))
