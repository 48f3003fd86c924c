"""The closures of an incident's channels: whether all is reported that had begun by then, and how many moved on."""

from collections import Counter
from typing import Any

from services.core.access import Act, Principal
from services.core.channel import CHANNEL_NAMES
from services.core.closures import Closure, closures_of
from services.core.incident import Incident
from services.core.ledger import MOVED_ON
from services.kit.postgres import Connection, Pool
from services.tracking.store import Store
from services.wire.incidents import Incidents

__all__ = ["ClosureLists"]


class ClosureLists:
    """What had begun when a channel was closed, as far as dispatch has reported it."""

    def __init__(self, pool: Pool, store: Store, incidents: Incidents, partitions: int) -> None:
        self._pool, self._store, self._incidents, self._partitions = pool, store, incidents, partitions

    async def of(self, principal: Principal, incident_id: str) -> dict[str, Any] | None:
        """Return an incident's closures as JSON, None where the incident is not known, or is not all the principal's.

        They are complete once their channels have reported of each partition. `movedOn` is what waited for a channel
        that was closed, by channel: what routing sent past it is not among them.
        """
        incident = self._incidents.get(("incident", incident_id))
        if incident is None or principal.is_bound(Act.LEDGER_SHOWN):
            return None
        found = closures_of(entry for entry in self._incidents.items() if entry[0][:2] == ("rules", incident_id))
        async with self._pool.acquire() as connection:
            closures = [await self._shown(connection, one, incident) for one in found]
            totals = await self._store.read_totals(connection, f"{incident_id}/")
        moved = Counter[str]()
        for row in totals:
            moved.update(row.counts)
        names = {CHANNEL_NAMES[channel]: moved[counter] for channel, counter in MOVED_ON.items() if moved[counter]}
        complete = all(one["complete"] for one in closures)
        return {"incidentId": incident_id, "complete": complete, "closures": closures, "movedOn": names}

    async def _shown(self, connection: Connection, closure: Closure, newest: Incident) -> dict[str, Any]:
        reported = await self._store.count_observed(connection, closure.incident_id, closure.pause_id)
        begun = await self._store.list_begun(connection, closure.incident_id, closure.pause_id)
        return {
            "channel": closure.channel.label,
            "version": closure.version,
            "openAgain": bool(newest.usable_mask & closure.channel),
            "complete": reported.get(int(closure.channel), 0) >= self._partitions,
            "begun": [{"noticeId": notice.hex(), "attempt": attempt} for notice, _, attempt in begun],
        }
