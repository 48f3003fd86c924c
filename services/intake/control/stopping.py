"""Pauses cohorts of which tracking found that a share went above a rule of their incident."""

import logging
from collections.abc import Iterable
from typing import Final

from services.core.access import Act, Caller, Principal
from services.intake.context import Context
from services.intake.control.cohorts import Cohorts
from services.intake.control.pausing import Pausing
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.kit.process import AUDIT
from services.wire.stops import Raised

__all__ = ["Stopping"]

_audit: Final = logging.getLogger(AUDIT)


class Stopping:
    """One for a process. The rule is the principal: no account can be called `rule:refused`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def take(self, connection: Connection, raised: Iterable[tuple[Raised, str]]) -> list[Output]:
        """Pause the cohorts, each found in a block of its own place in the log; returns the blocks to send."""
        outputs: list[Output] = []
        for one, place in raised:
            caller = Caller(Principal(f"rule:{one.rule}", frozenset()), place, one.incident_id, one.cohort_id)
            now = self._context.clock.now()
            cohorts = Cohorts(connection, self._context.store, caller, self._context.partitions, now)
            changed = await Pausing(cohorts).stop(one)
            if changed is not None:
                outputs += changed[1]
                self._context.metrics.stopped.labels(one.rule).inc()
                _audited(caller)
        return outputs


def _audited(caller: Caller) -> None:
    # Before the commit: a transaction that is tried again may leave the line twice, and never none.
    _audit.info(
        "done",
        extra={
            "act": Act.COHORT_PAUSED.value,
            "principal": caller.principal.name,
            "request_id": caller.request_id,
            "incident_id": caller.incident_id,
            "cohort_id": caller.cohort_id,
        },
    )
