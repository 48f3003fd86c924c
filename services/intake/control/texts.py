"""Asks the gate about cohorts as they stand."""

from collections.abc import Iterable

from services.core.incident import Incident
from services.intake.control.gate import everything, gate
from services.intake.errors import MissingTextsError
from services.intake.store import CohortRow, Store
from services.kit.postgres import Connection

__all__ = ["check_texts"]


async def check_texts(connection: Connection, store: Store, incident: Incident, rows: Iterable[CohortRow]) -> None:
    """Check that the people of these cohorts can be told in whole words. Raises MissingTextsError, naming cohorts.

    To a cohort that is not sealed anybody may still come, and would be told at once: then every text has to be there.
    """
    problems = []
    for row in rows:
        uses = await store.show_uses(connection, row.number) if row.cohort.sealed else everything(incident)
        problems += [
            {**reason._asdict(), "cohortId": row.cohort.cohort_id} for reason in gate(incident, uses, row.cohort.group)
        ]
    if problems:
        raise MissingTextsError(problems)
