"""How long messages of the portal lie unread: by the incident's policy, and kept in the database.

What is kept is a row a block, of incidents alone whose policy waits for readers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from services.core.channel import Channel
from services.core.incident import Incident
from services.core.receipts import Receipt, ReceiptKind
from services.kit.postgres import Connection
from services.tracking.domain import Outcomes, State
from services.tracking.store import Store
from services.wire.incidents import Incidents

__all__ = ["Unread"]

_AT_ONCE: Final = 2  # blocks in one transaction, of up to 2,048 messages each
_DAY_MS: Final = 86_400_000


class Unread:
    """Begins to wait where messages were accepted, and says which of them nobody has read when the time is over."""

    def __init__(self, store: Store, incidents: Incidents) -> None:
        self._store, self._incidents = store, incidents

    async def begin(self, connection: Connection, blocks: Sequence[Outcomes]) -> None:
        """Wait for the readers of what was accepted in these blocks."""
        for block in blocks:
            if block.channel != Channel.PORTAL or not block.notices:
                continue
            incident_id = block.scopes[0].partition("/")[0]
            rows = [row for row, state in enumerate(block.states) if state == State.ACCEPTED]
            if rows and self._waits(incident_id):
                notices = b"".join(block.notices[row] for row in rows)
                attempts = [block.attempts[row] for row in rows]
                await self._store.add_unread(connection, incident_id, block.at, notices, attempts)

    def _waits(self, incident_id: str) -> bool:
        incident: Incident | None = self._incidents.get(("incident", incident_id))
        # One that is not known here yet may wait.
        return incident is None or incident.policy.cascade.unread_after is not None

    async def take(self, connection: Connection, now: datetime) -> list[Receipt]:
        """Return which messages lie unread for as long as their incident waits."""
        found: list[Receipt] = []
        for incident_id, days in sorted(self._waiting().items()):
            until = now - timedelta(days=days)
            for at, notices, attempts in await self._store.take_unread(connection, incident_id, until, _AT_ONCE):
                ids = (notices[start : start + 16] for start in range(0, len(notices), 16))
                made = list(zip(ids, attempts, strict=True))
                known = await self._store.seen_by_reader(connection, made, int(Channel.PORTAL), at)
                found += [
                    Receipt(notice, int(Channel.PORTAL), attempt, int(ReceiptKind.UNREAD), at + days * _DAY_MS)
                    for notice, attempt in made
                    if (notice, attempt) not in known
                ]
        return found

    def _waiting(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for key, value in self._incidents.items():
            if key[0] == "incident" and len(key) == 2 and (days := value.policy.cascade.unread_after) is not None:
                found[str(key[1])] = days
        return found
