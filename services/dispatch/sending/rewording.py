"""Notices that wait, in the words that an operator said they shall have: those of a corrected document."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from services.dispatch.codec import encode_block
from services.dispatch.domain import Batch
from services.dispatch.sending.watching import Watching
from services.kit.postgres import Connection
from services.wire.incidents import Incidents

__all__ = ["Rewording"]


class Rewording:
    """Lets what is in the queue follow a version of its incident that is put with `reissue`.

    Nothing that was begun does: a batch whose hand-over may have reached the provider is an intent, and never in the
    queue. What is followed is stored before the intent, so that a repeat says the same.
    """

    def __init__(self, store: "Blocks", incidents: Incidents, watching: Watching) -> None:
        self._store, self._incidents, self._watching = store, incidents, watching

    async def follow(self, connection: Connection, queued: Sequence[Batch]) -> list[Batch]:
        """Return the batches with the version that each is to be worded by; what changes is written."""
        changed = {batch.number: followed for batch in queued if (followed := self._followed(batch)) is not batch}
        if changed:
            await self._store.reword(connection, {number: encode_block(one.notices) for number, one in changed.items()})
            before = (batch.notices for batch in queued if batch.number in changed)
            for incident_id, version in {(one.incident_id, one.incident_version) for one in before}:
                self._watching.left(incident_id, version)
        return [changed.get(batch.number, batch) for batch in queued]

    def _followed(self, batch: Batch) -> Batch:
        version: int = self._incidents.get(("reissue", batch.notices.incident_id)) or 0
        if version <= batch.notices.incident_version:
            return batch
        return replace(batch, notices=replace(batch.notices, incident_version=version))


class Blocks(Protocol):
    """What is asked of the store."""

    async def reword(self, connection: Connection, blocks: dict[int, bytes]) -> None:
        """Give batches of the queue other blocks."""
        ...
