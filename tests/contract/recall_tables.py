"""One channel's tables in the model of recalls: in memory, and every attempt is a batch of its own."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.core.notices import Notices
from services.core.status import AttemptState
from services.dispatch.domain import Batch, Round
from services.dispatch.outcomes import AttemptOutcome, part_ways
from services.dispatch.recalls import Answering, RecalledAttempt
from services.wire.recalls import Recall

__all__ = ["NOW", "Attempt", "Table"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_WAITS = {AttemptState.TAKEN, AttemptState.UNPRINTED}


@dataclass
class Attempt:
    """One attempt, alone in its batch."""

    notice: Notices
    state: AttemptState = AttemptState.TAKEN
    began: bool = False  # somebody may have been told by it


class Table:
    """One channel's tables in memory; every attempt is a batch of its own."""

    def __init__(self) -> None:
        self.others: list[Table] = []  # of the other channels
        self.attempts: dict[tuple[bytes, int], Attempt] = {}
        self.recalls: dict[bytes, tuple[Recall, Answering]] = {}

    def numbered(self) -> list[Attempt]:
        """Return the attempts; the place of each is its batch's number."""
        return list(self.attempts.values())

    async def add_recalls(self, _: object, recalls: Sequence[Recall], now: datetime) -> None:  # noqa: ARG002
        """Remember."""
        for one in recalls:
            self.recalls.setdefault(one.notice, (one, Answering.OPEN))

    async def end_recalls(self, _: object, recalls: Sequence[Recall], now: datetime) -> None:  # noqa: ARG002
        """Answer."""
        for one in recalls:
            self.recalls[one.notice] = one, Answering.ANSWERED

    async def has_recalls(self, _: object, partitions: Collection[int]) -> bool:  # noqa: ARG002
        """Tell whether one is not answered."""
        return any(state is not Answering.ANSWERED for _, state in self.recalls.values())

    async def recalls_under_way(self, _: object, partitions: Collection[int], limit: int) -> list[bytes]:  # noqa: ARG002
        """Return those that had begun."""
        return [notice for notice, (_, state) in self.recalls.items() if state is Answering.UNDER_WAY]

    async def recalled_attempts(self, _: object, notices: Collection[bytes]) -> list[RecalledAttempt]:
        """Return the attempts of recalled notices."""
        return [
            RecalledAttempt(self.recalls[key[0]][0], number, attempt.state, elsewhere=self._elsewhere(key[0]))
            for number, (key, attempt) in enumerate(self.attempts.items())
            if key[0] in notices and key[0] in self.recalls and self.recalls[key[0]][1] is not Answering.ANSWERED
        ]

    def _elsewhere(self, notice: bytes) -> frozenset[AttemptState]:
        made = (item for other in self.others for item in other.attempts.items())
        return frozenset(attempt.state for key, attempt in made if key[0] == notice)

    async def batches_of(self, _: object, numbers: Collection[int]) -> list[Batch]:
        """Return batches."""
        return [Batch(one, 0, self.numbered()[one].notice, 0, NOW) for one in sorted(numbers)]

    async def reopen_recalls(self, _: object, notices: Collection[bytes], now: datetime) -> None:  # noqa: ARG002
        """Look again at those that were answered, and wait."""
        waiting = {key[0] for key, attempt in self.attempts.items() if attempt.state in _WAITS}
        for notice in waiting.intersection(notices):
            recall, state = self.recalls.get(notice, (None, Answering.OPEN))
            if recall and state is Answering.ANSWERED:
                self.recalls[notice] = recall, Answering.UNDER_WAY

    def is_looked_at(self, notice: bytes) -> bool:
        """Tell whether a recall waits to be answered."""
        return notice in self.recalls and self.recalls[notice][1] is not Answering.ANSWERED

    async def mark_recalls(self, _: object, notices: Collection[bytes], state: Answering, now: datetime) -> None:  # noqa: ARG002
        """Mark."""
        for notice in notices:
            self.recalls[notice] = self.recalls[notice][0], state

    async def record(
        self,
        _: object,
        one: Round,
        outcomes: Sequence[AttemptOutcome],
        now: datetime,  # noqa: ARG002
        waiting: AttemptState = AttemptState.UNKNOWN,
    ) -> list[int]:
        """Settle what waits."""
        settled: list[int] = []
        for number, rows in one.rows():
            attempt = self.numbered()[number]
            (fate,) = part_ways(attempt.state, outcomes[rows.start : rows.stop], waiting)
            if fate:
                attempt.state = fate.state
                settled += rows
        return settled
