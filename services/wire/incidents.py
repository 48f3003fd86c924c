"""Incidents and cohorts as every room hears of them: `heraut.incidents.changed.v1`."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import orjson
from notification.topics import INCIDENTS_CHANGED
from notification.v1 import intake_pb2

from services.core.cohort import Cohort, Figures
from services.core.incident import Incident, KeyVersions
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Entry, GlobalTable
from services.kit.process import Service
from services.kit.tracing import Causes
from services.wire.columns import parse
from services.wire.incident_document import InvalidDocument, parse_incident

__all__ = ["Incidents", "decode_incidents", "encode_cohort", "encode_incident", "entries_of", "follow_incidents"]


class Incidents(Protocol):
    """What incidents and cohorts say now: the global table that `follow_incidents` keeps; keys as in `entries_of`."""

    loaded: asyncio.Event  # all that was said before this process began is known
    changes: int  # grows with whatever is said

    def get(self, key: tuple[str, ...]) -> Any | None:
        """Return the newest entry that is known, None where there is none."""
        ...

    def items(self) -> Iterable[tuple[tuple[str, ...], Any]]:
        """Return all keys with their entries."""
        ...

    def heard_within(self, seconds: float) -> bool:
        """Tell whether everything is known that was said until so many seconds ago."""
        ...

    def led_to(self, name: str) -> Causes:
        """Return what the latest things said of an incident follow from, where that was traced; the newest first."""
        ...

    async def wait_for(self, key: tuple[str, ...], version: int = 1) -> Any:
        """Return the entry once this version, or a later one, is known. Raises RetryableError where that takes long."""
        ...


def encode_incident(
    incident_id: str,
    version: int,
    document: bytes,
    key_versions: KeyVersions,
    after: Sequence[int] = (),
    *,
    reissue: bool = False,
    tied: bool = False,
) -> bytes:
    """Return the block for `heraut.incidents.changed.v1`; `document` is in its normal form."""
    versions = intake_pb2.KeyVersions(**key_versions._asdict())
    change = intake_pb2.IncidentChanged(
        incident_id=incident_id, version=version, document=document, key_versions=versions, after=after, tied=tied
    )
    change.reissue = reissue
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
        release_after=cohort.release_after,
        cancelled=cohort.cancelled,
        paused_since=cohort.paused_since,
        resumed_after=cohort.resumed_after,
        canary=cohort.canary,
        per_day=cohort.per_day,
        group=cohort.group,
        counted_from=cohort.counted_from,
        figures=intake_pb2.Figures(**cohort.figures._asdict()),
        figures_before=intake_pb2.Figures(**cohort.figures_before._asdict()),
        tied=cohort.tied,
    )
    return intake_pb2.IncidentsChanged(cohorts=[change]).SerializeToString()


def decode_incidents(value: bytes | None) -> list[Entry]:
    """Read a block of `heraut.incidents.changed.v1` into rows of the global table. Raises InvalidMessage."""
    block = parse(intake_pb2.IncidentsChanged(), value)
    incidents = [entry for change in block.incidents for entry in entries_of(_incident(change), len(change.document))]
    return [*incidents, *(entry for change in block.cohorts for entry in entries_of(_cohort(change)))]


def entries_of(known: Incident | Cohort, size: int = 0) -> list[Entry]:
    """Return the rows of the global table for one version of an incident or a cohort; `size` is its document's.

    ("incident", id, version) and ("pause", incident id, pause id) never change: a pause that is over stays known, as
    the cohort was when it began. ("incident", id) and ("cohort", incident id, cohort id) are the newest. Of versions
    of incidents a bounded part stays in memory beside the newest: they are waited for (`wait_for`), which reads them.
    ("rules", id, version) has what that version lets go, and stays. ("reissue", id) is the newest version that notices
    which wait shall follow.
    """
    if isinstance(known, Cohort):
        newest = Entry(("cohort", known.incident_id, known.cohort_id), known.version, known)
        pause = known.pause_id
        return [newest, Entry(("pause", known.incident_id, pause), 1, known)] if pause else [newest]
    followed = [Entry(("reissue", known.incident_id), known.version, known.version)] if known.reissue else []
    return [
        *followed,
        Entry(("incident", known.incident_id, str(known.version)), 1, known, size),
        Entry(("incident", known.incident_id), known.version, known),
        Entry(("rules", known.incident_id, str(known.version)), 1, known.rules),
    ]


def _incident(change: intake_pb2.IncidentChanged) -> Incident:
    versions = KeyVersions(*(getattr(change.key_versions, purpose) for purpose in KeyVersions._fields))
    try:
        incident = parse_incident(change.incident_id, change.version, orjson.loads(change.document), versions)
    except (orjson.JSONDecodeError, InvalidDocument):
        raise InvalidMessage("incident-document") from None
    return replace(incident, after=tuple(change.after), reissue=change.reissue, tied=change.tied)


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
        release_after=tuple(change.release_after),
        cancelled=change.cancelled,
        paused_since=change.paused_since,
        resumed_after=tuple(change.resumed_after),
        canary=change.canary if change.HasField("canary") else None,
        per_day=change.per_day if change.HasField("per_day") else None,
        group=change.group,
        counted_from=change.counted_from,
        figures=_figures(change.figures),
        figures_before=_figures(change.figures_before),
        tied=change.tied,
    )


def _figures(said: intake_pb2.Figures) -> Figures:
    return Figures(said.complaints, said.bounced, said.returned)


def follow_incidents(service: Service) -> GlobalTable:
    """Keep what every room must know of incidents and cohorts in the memory of this process."""
    return service.follow_table("incidents", INCIDENTS_CHANGED, decode_incidents)
