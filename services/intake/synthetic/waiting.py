"""Waits for synthetic people: says who arrived, how long it took, and who should have."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from services.core.clock import Clock
from services.intake.metrics import SyntheticMetrics
from services.intake.synthetic.person import Way
from services.intake.synthetic.rows import SyntheticRows
from services.kit.postgres import Connection

__all__ = ["SyntheticWaiting"]

_KEPT: Final = timedelta(days=1)  # who did not arrive by then never will, and was seen


class SyntheticWaiting:
    """One for a process; whoever owns partition 0 has what it says."""

    def __init__(self, rows: SyntheticRows, metrics: SyntheticMetrics, clock: Clock, lost_after: timedelta) -> None:
        """Make one; `lost_after`: how long somebody may be on its way."""
        self.rows, self._metrics, self._clock = rows, metrics, clock
        self._lost_after = lost_after

    def sent(self, way: Way) -> None:
        """Count one that was sent, after the commit."""
        self._metrics.sent(way.channel)

    async def arrived(self, connection: Connection, members: Sequence[bytes]) -> None:
        """Take note that these came through all rooms. One that nobody waits for changes nothing."""
        now = self._clock.now()
        for one in await self.rows.arrive(connection, members):
            self._metrics.arrived(one.way.channel, (now - one.sent_at).total_seconds())

    async def look(self, connection: Connection) -> None:
        """Give up who should have arrived, show who is missing, and forget who was long ago."""
        now = self._clock.now()
        for way in await self.rows.lose(connection, now - self._lost_after):
            self._metrics.lost(way.channel, way.partition)
        await self.rows.forget(connection, now - _KEPT)
        self._metrics.missing(await self.rows.missing(connection))

    def leave(self) -> None:
        """Show nobody missing: another process has it to say."""
        self._metrics.missing({})
