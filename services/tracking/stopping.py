"""Looks once a second whether a cohort that goes out has to be stopped, and raises it: once, for intake to pause.

The owner of partition 0 does it for all, so that no two processes raise the same. What it knows is in the database.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.tracking.stops import Kept, figures_of, found_in
from services.tracking.store import Store
from services.wire.incidents import Incidents
from services.wire.stops import Raised, encode_stops

__all__ = ["Stopping"]


class Stopping:
    """One for a process."""

    def __init__(self, store: Store, incidents: Incidents) -> None:
        self._store, self._incidents = store, incidents

    async def tick(self, connection: Connection, partitions: Sequence[int]) -> list[Output]:
        """Look at every cohort that is released; return the block that names those to be stopped."""
        going = {f"{one.incident_id}/{one.cohort_id}": one for one in self._released()} if 0 in partitions else {}
        if not going:
            return []
        counted = await self._store.sum_figures(connection, going)
        kept = await self._store.read_stops(connection, going)
        raised: list[Raised] = []
        for scope, cohort in sorted(going.items()):
            raised += await self._look(connection, cohort, counted.get(scope, {}), kept.get(scope, Kept()))
        return [encode_stops(raised)] if raised else []

    def _released(self) -> list[Cohort]:
        known: list[Any] = [value for key, value in self._incidents.items() if key[0] == "cohort"]
        return [cohort for cohort in known if cohort.is_released]

    async def _look(
        self, connection: Connection, cohort: Cohort, counted: Mapping[str, int], kept: Kept
    ) -> list[Raised]:
        scope = f"{cohort.incident_id}/{cohort.cohort_id}"
        incident = self._incidents.get(("incident", cohort.incident_id))
        if cohort.counted_from > kept.counted_from:
            kept = Kept(cohort.counted_from, figures_of(counted, cohort.figures_before))
            await self._store.keep_stop(connection, scope, kept)
        # A process that has just begun may know an older version of the cohort than the one before it did.
        if not isinstance(incident, Incident) or cohort.counted_from < kept.counted_from:
            return []
        found = found_in(figures_of(counted, cohort.figures), kept, incident.policy.stop)
        if found is None:
            return []
        raised = Raised(cohort.incident_id, cohort.cohort_id, kept.counted_from, *found)
        await self._store.keep_stop(connection, scope, kept._replace(found=raised.as_json()))
        return [raised]
