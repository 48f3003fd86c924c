"""An operator pauses a channel, or lets it go on. One state for all processes of the channel, in the database.

Each process reads it more than once a second, and begins nothing while it has not read it for `FRESH_SECONDS`. So
nothing begins any more two seconds after a pause was answered, on any replica, whatever hangs.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg

from services.core.access import Act, Caller
from services.core.channel import Channel
from services.core.clock import Clock
from services.dispatch.pauses import FRESH_SECONDS
from services.dispatch.restored import RESTORED
from services.kit.postgres import Connection, Pool, Queries, is_retryable

__all__ = ["OPERATOR", "ChannelPause", "PauseState"]

logger = logging.getLogger(__name__)

OPERATOR: Final = "operator"  # why a channel is paused, among the breaker's reasons
_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))
_EVERY = 0.75  # seconds between two looks: one that comes late stops nothing yet


class PauseState(NamedTuple):
    """How a channel stands: who paused it, and since when. Neither = it goes on.

    `found`: letters may come to the queue that were found in print files, once the database was set back.
    """

    paused_by: str | None = None
    since: datetime | None = None
    found: bool = False


class ChannelPause:
    """The pause of one channel, as this process knows it."""

    def __init__(
        self, channel: Channel, pool: Pool, clock: Clock, show: Callable[[bool], None] = lambda _paused: None
    ) -> None:
        """`show` is told how it stands after each look."""
        self._channel, self._pool, self._clock, self._show = channel, pool, clock, show
        self._standing = PauseState()
        self._heard_at = float("-inf")  # when the look began that told it

    @property
    def standing(self) -> PauseState:
        """How the channel stood at the last look."""
        return self._standing

    @property
    def paused(self) -> bool:
        """Whether the channel was paused at the last look."""
        return self._standing.paused_by is not None

    def may_go(self) -> bool:
        """Tell whether anything may begin: the channel is not paused, and that was heard lately."""
        return not self.paused and self._clock.monotonic() - self._heard_at < FRESH_SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop`."""
        while not stop.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _EVERY)

    async def look(self) -> None:
        """Learn how the channel stands."""
        at = self._clock.monotonic()
        try:
            async with self._pool.acquire() as connection:
                standing = await self._read(connection)
        except Exception as error:
            if not is_retryable(error):
                raise
            logger.warning("it is not known whether the channel is paused", extra={"error_class": type(error).__name__})
            return
        self._learned(standing, at)

    async def pause(self, caller: Caller) -> PauseState:
        """Pause the channel, unless it is. What is being handed over ends; nothing else begins."""
        return await self._do(Act.CHANNEL_PAUSED, caller)

    async def resume(self, caller: Caller) -> PauseState:
        """Let the channel go on, unless it does."""
        return await self._do(Act.CHANNEL_RESUMED, caller)

    async def _do(self, act: Act, caller: Caller) -> PauseState:
        at = self._clock.monotonic()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_QUERIES["lock_channel"], int(self._channel))
            standing = _by_act(await connection.fetchrow(_QUERIES["channel_stands"], int(self._channel)))
            if (standing.paused_by is None) is (act is Act.CHANNEL_PAUSED):
                about = (int(self._channel), act.value, caller.principal.name, caller.request_id)
                await connection.execute(_QUERIES["record_act"], *about)
            if act is Act.CHANNEL_RESUMED:
                await connection.execute(_QUERIES["restore_is_over"], int(self._channel))
            standing = await self._read(connection)
        self._learned(standing, at)
        return standing

    async def _read(self, connection: Connection) -> PauseState:
        """Return how the channel stands; until its print files are read it waits, whoever resumed it."""
        (row,) = await connection.fetch(_QUERIES["channel_state"], int(self._channel))
        standing = _by_act(row)
        if row["unread_since"] and standing.paused_by is None:
            standing = PauseState(RESTORED, row["unread_since"])
        return standing._replace(found=row["found"])

    def _learned(self, standing: PauseState, at: float) -> None:
        if at < self._heard_at:
            return  # a look that began later has ended before
        if (standing.paused_by is None) is self.paused:
            words = "the channel goes on" if self.paused else "an operator paused the channel: everything stays open"
            logger.warning(words)
        self._standing, self._heard_at = standing, at
        self._show(self.paused)


def _by_act(row: asyncpg.Record | None) -> PauseState:
    """Return what the latest act on a channel says."""
    if row is None or row["act"] != Act.CHANNEL_PAUSED:
        return PauseState()
    return PauseState(row["principal"], row["at"])
