"""What every part of dispatch that settles attempts needs of the store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from services.core.status import AttemptState
from services.dispatch.domain import Round
from services.dispatch.outcomes import AttemptOutcome
from services.kit.postgres import Connection

__all__ = ["SettlingStore"]


class SettlingStore(Protocol):
    """Where outcomes are written."""

    async def record(
        self,
        connection: Connection,
        one: Round,
        outcomes: Sequence[AttemptOutcome],
        now: datetime,
        waiting: AttemptState = AttemptState.UNKNOWN,
    ) -> list[int]:
        """Write down how attempts ended that wait in that state; returns the rows that this settled."""
        ...
