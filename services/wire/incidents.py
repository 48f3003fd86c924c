"""Incidents and cohorts as every room hears of them: `heraut.incidents.changed.v1`."""

import orjson
from notification.topics import INCIDENTS_CHANGED
from notification.v1 import intake_pb2

from services.core.cohort import Cohort
from services.core.incident import Incident
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Entry, GlobalTable
from services.kit.process import Service
from services.wire.columns import parse
from services.wire.incident_document import InvalidDocument, parse_incident

__all__ = ["decode_incidents", "encode_cohort", "encode_incident", "follow_incidents"]


def encode_incident(incident_id: str, version: int, document: bytes) -> bytes:
    """Return the block for `heraut.incidents.changed.v1`; `document` is in its normal form."""
    change = intake_pb2.IncidentChanged(incident_id=incident_id, version=version, document=document)
    return intake_pb2.IncidentsChanged(incidents=[change]).SerializeToString()


def encode_cohort(cohort: Cohort) -> bytes:
    """Return the block for `heraut.incidents.changed.v1`."""
    change = intake_pb2.CohortChanged(
        incident_id=cohort.incident_id,
        cohort_id=cohort.cohort_id,
        version=cohort.version,
        source=cohort.source,
        declared=cohort.declared,
        auto_release=cohort.auto_release,
        sealed=cohort.sealed,
        released=cohort.released,
    )
    return intake_pb2.IncidentsChanged(cohorts=[change]).SerializeToString()


def decode_incidents(value: bytes | None) -> list[Entry]:
    """Read a block of `heraut.incidents.changed.v1` into rows of the global table. Raises InvalidMessage.

    Keys: ("incident", id, version) never changes; ("incident", id) and ("cohort", incident, cohort) are the newest.
    """
    block = parse(intake_pb2.IncidentsChanged(), value)
    entries = []
    for change in block.incidents:
        incident = _incident(change)
        entries.append(Entry(("incident", incident.incident_id, str(incident.version)), 1, incident))
        entries.append(Entry(("incident", incident.incident_id), incident.version, incident))
    for changed in block.cohorts:
        cohort = _cohort(changed)
        entries.append(Entry(("cohort", cohort.incident_id, cohort.cohort_id), cohort.version, cohort))
    return entries


def _incident(change: intake_pb2.IncidentChanged) -> Incident:
    try:
        return parse_incident(change.incident_id, change.version, orjson.loads(change.document))
    except (orjson.JSONDecodeError, InvalidDocument):
        raise InvalidMessage("incident-document") from None


def _cohort(change: intake_pb2.CohortChanged) -> Cohort:
    return Cohort(
        incident_id=change.incident_id,
        cohort_id=change.cohort_id,
        version=change.version,
        source=change.source,
        declared=change.declared if change.HasField("declared") else None,
        auto_release=change.auto_release,
        sealed=change.sealed,
        released=change.released,
    )


def follow_incidents(service: Service) -> GlobalTable:
    """Keep what every room must know of incidents and cohorts in the memory of this process."""
    return service.follow_table("incidents", INCIDENTS_CHANGED, decode_incidents)
