"""Spans of hand-overs, where somebody asked for traces: one a round, from what its batches follow from.

What the outcome is told with follows from the span: it is written while the span is the current one.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from services.dispatch.domain import Round
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.dispatch.store import Store
from services.kit.postgres import Pool, is_retryable
from services.kit.tracing import Causes, Kind, Tracing

__all__ = ["HandOverSpans"]


class HandOverSpans:
    """Makes the spans of one channel's rounds. The provider is not told of the trace."""

    def __init__(self, tracing: Tracing, pool: Pool, store: Store, traits: Traits) -> None:
        self._tracing, self._pool, self._store, self._traits = tracing, pool, store, traits

    @asynccontextmanager
    async def of(self, one: Round) -> AsyncIterator[list[AttemptOutcome]]:
        """Trace a round while the context lasts; what is put into the list is how it ended."""
        channel = self._traits.channel.label
        about: dict[str, str | int] = {
            "heraut.channel": channel,
            "heraut.provider": self._traits.name,
            "heraut.incident_id": one.notices.incident_id,
            "heraut.entries": len(one),
            "messaging.destination.partition.id": str(one.partition),
        }
        span = self._tracing.begin(f"hand over {channel}", Kind.CLIENT, await self._led_to(one), about)
        ended: list[AttemptOutcome] = []
        failed: type[BaseException] | None = None
        try:
            with span.here():
                yield ended
        except Exception as error:
            failed = type(error)
            raise
        finally:
            span.end(_told(ended), failed)

    async def _led_to(self, one: Round) -> Causes:
        try:
            async with self._pool.acquire() as connection:
                return await self._store.led_to(connection, one.numbers)
        except Exception as error:
            if not is_retryable(error):
                raise
            return ()  # a trace is not worth a hand-over that has to wait


def _told(ended: Sequence[AttemptOutcome]) -> dict[str, str | int]:
    """Return how many ended how; a round whose outcome could not be written is settled by whoever finds it."""
    counts = Counter(outcome.state.name.lower() for outcome in ended)
    return {"heraut.outcome": "done" if ended else "retried", **{f"heraut.{state}": n for state, n in counts.items()}}
