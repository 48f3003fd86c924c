"""How the running system stands, asked of all services at once: what `doctor` judges and `watch` shows."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import orjson
from prometheus_client.parser import text_string_to_metric_families

from services.cli.client import Client, Face, open_client
from services.cli.console import Fault
from services.cli.target import SERVICE_NAMES
from services.core.channel import Channel
from services.core.rooms import DISPATCH_STAGES, STAGES, dispatch_stage

__all__ = ["Process", "Snapshot", "take_snapshot"]


@dataclass(frozen=True, slots=True)
class Process:
    """One service as it answers. `fault` says why it does not; the rest is empty then."""

    name: str
    fault: str | None = None
    waiting_for: tuple[str, ...] = ()
    ahead: float = 0.0  # seconds that its clock is ahead of ours, to the second
    version: str | None = None  # None where its figures were not shown to us
    figures: Mapping[str, float] = field(default_factory=dict)  # by name, over all labels

    @property
    def ready(self) -> bool:
        """Tell whether it can do its work."""
        return self.fault is None and not self.waiting_for

    def figure(self, name: str) -> float:
        """Return a figure of its room, such as `stopped_partitions`; 0 where it has none."""
        return self.figures.get(f"{STAGES[self.name]}_{name}", 0.0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All services, the channels and the ledgers at one moment; `unanswered` says what could not be asked, and why."""

    at: datetime
    processes: list[Process]
    channels: list[dict[str, Any]]
    ledgers: list[dict[str, Any]]
    unanswered: dict[str, str]
    print_jobs: list[dict[str, Any]] = field(default_factory=list)  # of which something is left to be heard or done
    ways: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by incident, the channels that it tells people by


async def take_snapshot(data: Path, incident_id: str | None = None, *, ways: bool = False) -> Snapshot:
    """Ask all services; with an incident, for its ledger alone. `ways`: which channels incidents take, too."""
    async with open_client(data) as client:
        asked = asyncio.gather(*(_process(client, name) for name in SERVICE_NAMES))
        unanswered: dict[str, str] = {}
        channels = asyncio.gather(*(_channel(client, stage, unanswered) for stage in DISPATCH_STAGES))
        ledgers = await _ledgers(client, incident_id, unanswered)
        jobs = await _print_jobs(client)
        taken = {one["incidentId"]: await _ways(client, one["incidentId"]) for one in ledgers} if ways else {}
        found = [one for of_stage in await channels for one in of_stage]
        return Snapshot(datetime.now(UTC), await asked, found, ledgers, unanswered, jobs, taken)


async def _process(client: Client, name: str) -> Process:
    try:
        ready = await client.face(name, "/readyz")
        figures = await client.face(name, "/metrics")
    except Fault as error:
        return Process(name, fault=error.message)
    waiting = _waiting_for(ready)
    values, version = _figures(figures.body.decode()) if figures.status == 200 else ({}, None)
    return Process(name, None, tuple(waiting), _ahead(ready.date), version, values)


def _waiting_for(ready: Face) -> Sequence[str]:
    if ready.status not in {200, 503}:
        return (f"readiness: it answers {ready.status}",)
    found: Sequence[str] = orjson.loads(ready.body).get("waitingFor", ())
    return found


def _ahead(date: str | None) -> float:
    return (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds() if date else 0.0


def _figures(text: str) -> tuple[dict[str, float], str | None]:
    """Return figures by name, those of all labels together, and which Heraut it is."""
    values: dict[str, float] = {}
    version = None
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0.0) + sample.value
            if sample.name == "heraut_build_info":
                version = f"{sample.labels['version']}, commit {sample.labels['commit']}"
    return values, version


async def _channel(client: Client, stage: str, unanswered: dict[str, str]) -> list[dict[str, Any]]:
    try:
        answer = await client.call("GET", stage, "channels")
    except Fault as error:
        unanswered[stage] = error.message
        return []
    found: list[dict[str, Any]] = answer["channels"]
    return found


async def _print_jobs(client: Client) -> list[dict[str, Any]]:
    """Return the print jobs that somebody may have to look at; that dispatch is away is said of its channel."""
    try:
        answer = await client.call("GET", dispatch_stage(Channel.LETTER), "print-jobs")
    except Fault:
        return []
    found: list[dict[str, Any]] = answer["jobs"]
    return found


async def _ways(client: Client, incident_id: str) -> list[str]:
    """Return the channels that an incident's newest document lets notices take; that intake is away is said of it."""
    try:
        document = (await client.call("GET", "intake", "incidents", incident_id))["document"]
    except Fault:
        return []
    return [one for one in document["channels"] if one not in document.get("compromisedChannels", ())]


async def _ledgers(client: Client, incident_id: str | None, unanswered: dict[str, str]) -> list[dict[str, Any]]:
    try:
        known = (await client.call("GET", "tracking", "incidents"))["incidents"]
        ids = [one["incidentId"] for one in known if incident_id in {None, one["incidentId"]}]
        return [await client.call("GET", "tracking", "incidents", one, "ledger") for one in ids]
    except Fault as error:
        unanswered["tracking"] = error.message
        return []
