"""How the release of a cohort goes: what was let go, how hand-overs ended, and how near rules are to a stop."""

from typing import Any

from services.core.access import Act, Principal
from services.core.channel import CHANNEL_NAMES
from services.core.cohort import Cohort, Figures
from services.core.incident import Incident
from services.core.policy import SMALLEST_SAMPLE
from services.kit.postgres import Pool
from services.tracking.ledger import hear
from services.tracking.stops import Found, Kept, figures_of, shares_of
from services.tracking.store import Store
from services.wire.incidents import Incidents

__all__ = ["ReleaseProgress"]


class ReleaseProgress:
    """Answers for one cohort, from figures that are there: no row of a person is read."""

    def __init__(self, pool: Pool, store: Store, incidents: Incidents) -> None:
        self._pool, self._store, self._incidents = pool, store, incidents

    async def of(self, principal: Principal, incident_id: str, cohort_id: str) -> dict[str, Any] | None:
        """Return it as JSON, None where the principal sees no such cohort."""
        incident: Incident | None = self._incidents.get(("incident", incident_id))
        cohort: Cohort | None = self._incidents.get(("cohort", incident_id, cohort_id))
        if incident is None or cohort is None or not principal.may(Act.LEDGER_SHOWN, cohort.source):
            return None
        scope = f"{incident_id}/{cohort_id}"
        async with self._pool.acquire() as connection:
            totals = await self._store.read_totals(connection, scope)  # with those of longer names
            counted = (await self._store.sum_figures(connection, [scope])).get(scope, {})
            kept = (await self._store.read_stops(connection, [scope])).get(scope, Kept())
        heard = hear(row for row in totals if row.scope == scope).get(scope)
        let_go = heard.lifted().released if heard else 0
        figures = figures_of(counted, cohort.figures)
        before = kept.before if kept.counted_from >= cohort.counted_from else figures_of(counted, cohort.figures_before)
        return {
            "incidentId": incident_id,
            "cohortId": cohort_id,
            "released": cohort.is_released,
            "canary": cohort.canary,
            "perDay": cohort.per_day,
            "letGo": let_go,
            "left": None if cohort.canary is None else max(0, cohort.canary - let_go),
            "told": counted.get("notified", 0),
            "channels": {
                name: {"accepted": figures[f"accepted_{name}"], "refused": figures[f"refused_{name}"]}
                for name in CHANNEL_NAMES.values()
            },
            **{name: figures[name] for name in Figures._fields},
            "paused": cohort.paused,
            "pauseId": cohort.pause_id,
            "stopped": kept.found,
            "rules": [_rule(found) for found in shares_of(figures, before, incident.policy.stop)],
        }


def _rule(found: Found) -> dict[str, Any]:
    share = found.some / found.out_of if found.out_of else None
    about = {"rule": found.rule, "channel": found.channel, "count": found.some, "of": found.out_of}
    return {**about, "share": share, "above": found.above, "enough": found.out_of >= SMALLEST_SAMPLE}
