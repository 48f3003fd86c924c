"""The sink beside the provider: where synthetic people arrive, who are nobody. It hands nothing over.

What is known of them is gone once they arrived, so that they do not pile up: a repeat costs nobody anything.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from services.core.clock import Clock
from services.core.status import AttemptState
from services.dispatch.domain import Round
from services.dispatch.handlers import OutcomeBlocks
from services.dispatch.outcomes import AttemptOutcome
from services.dispatch.provider import Traits
from services.dispatch.sending.handing_over import Payloads
from services.kit.errors import LostOwnershipError
from services.kit.postgres import Queries, is_retryable
from services.kit.stage import StageHandle
from services.wire.incidents import Incidents

__all__ = ["Sink"]

logger = logging.getLogger(__name__)

_QUERIES = Queries.load(Path(__file__).parents[1] / "queries.sql")
_ARRIVED = AttemptOutcome(AttemptState.ACCEPTED)


class Sink:
    """Takes the rounds of synthetic people on one channel."""

    def __init__(
        self, stage: StageHandle, payloads: Payloads, incidents: Incidents, traits: Traits, clock: Clock
    ) -> None:
        self._stage, self._payloads, self._incidents = stage, payloads, incidents
        self._blocks, self._clock = OutcomeBlocks(traits), clock

    async def take(self, one: Round) -> Sequence[AttemptOutcome]:
        """Tell that a round's people arrived, but for those whose data does not open: they are lost.

        Where that cannot be written down, the round stays begun, and comes again; then nothing is returned.
        """
        try:
            await self._incidents.wait_for(("incident", one.notices.incident_id, str(one.notices.incident_version)))
            contacts = await self._payloads.contacts(one)
            opened = [row for row, contact in enumerate(contacts) if contact is not None]
            await self._write(one, opened)
            return [_ARRIVED] * len(opened)
        except Exception as error:
            if not (isinstance(error, LostOwnershipError) or is_retryable(error)):
                raise
            logger.warning("a synthetic person waits", extra={"error_class": type(error).__name__})
            return ()

    async def _write(self, one: Round, opened: list[int]) -> None:
        keys = zip(*one.keys, strict=True)
        async with self._stage.fenced([one.partition]) as transaction:
            gone = await transaction.connection.fetchval(_QUERIES["drop_batches"], one.numbers, *map(list, keys))
            if gone == len(one.numbers):  # else another process told of it
                arrived = one.notices.pick(opened)
                transaction.emit(self._blocks.of(one.partition, arrived, [_ARRIVED] * len(opened), self._clock.now()))
