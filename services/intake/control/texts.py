"""Asks the gate about cohorts as they stand."""

from collections.abc import Iterable

from services.core.incident import Incident
from services.intake.control.gate import everything, gate, untrue
from services.intake.errors import MissingTextsError
from services.intake.store import CohortRow, Store
from services.kit.postgres import Connection

__all__ = ["check_texts"]


async def check_texts(connection: Connection, store: Store, incident: Incident, rows: Iterable[CohortRow]) -> None:
    """Check that the people of these cohorts can be told in whole words. Raises MissingTextsError, naming cohorts.

    To a cohort that is not sealed anybody may still come, and would be told at once: then every text has to be there.
    What is wrong to say to those of whom nothing is certain is asked of those who came.
    """
    problems = []
    for row in rows:
        known, group = await store.show_uses(connection, row.number), row.cohort.group
        reasons = gate(incident, known if row.cohort.sealed else everything(incident), group)
        reasons += untrue(incident, known, group)
        problems += [{**reason._asdict(), "cohortId": row.cohort.cohort_id} for reason in reasons]
    if problems:
        raise MissingTextsError(problems)
