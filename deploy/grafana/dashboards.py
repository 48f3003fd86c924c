#!/usr/bin/env python3
"""Builds the dashboards as JSON: `deploy/grafana/dashboards.py` writes them, `--check` says whether they are fresh.

A page for whoever leads an incident (the war room), one for each room, one for channels, one for the event log, one for
the database. Every query asks for the job and instance that are chosen on the page, and rates over what Grafana finds
right for the scrape interval. `$runbooks` is where the pages of `deploy/prometheus/runbooks` can be read.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
ROOMS = ("intake", "deduplication", "routing", "dispatch", "tracking")
DATASOURCE = {"type": "prometheus", "uid": "$datasource"}
# A name of a metric, with or without a selector, that the selector of the page goes into. `@x` is a metric of any room.
_METRIC = re.compile(rf"(@|\b(?:{'|'.join(ROOMS)}|process|up\b)_?)([a-z_]*)(\{{[^}}]*\}})?")
_PAGE = 'job=~"$job",instance=~"$instance"'
_WIDTH, _HEIGHT = 24, 8


def chosen(expression: str) -> str:
    """Return an expression with the page's job and instance in every selector."""

    def selector(found: re.Match[str]) -> str:
        room, rest, own = found[1], found[2], (found[3] or "{}")[1:-1]
        inside = ",".join(filter(None, (_PAGE, own)))
        if room == "@":
            return f'{{__name__=~"({"|".join(ROOMS)})_{rest}",{inside}}}'
        return f"{room}{rest}{{{inside}}}"

    return _METRIC.sub(selector, expression)


def query(expression: str, legend: str) -> dict[str, Any]:
    """Return one line of a panel."""
    return {"datasource": DATASOURCE, "expr": expression, "legendFormat": legend}


def panel(
    title: str,
    says: str,
    unit: str,
    lines: Iterable[tuple[str, str]],
    *,
    kind: str = "timeseries",
    width: int = 12,
    alerts: tuple[str, ...] = (),
    bad_from: float | None = None,
) -> dict[str, Any]:
    """Return a panel; `says` is what the reader learns from it, `lines` are expressions with their legends.

    `alerts`: those whose pages help where it looks bad. `bad_from`: red from this value on.
    """
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if bad_from is not None:
        steps.append({"color": "red", "value": bad_from})
    links = [{"title": f"What to do: {alert}", "url": f"${{runbooks}}/{alert}.md"} for alert in alerts]
    return {
        "type": kind,
        "title": title,
        "description": says,
        "datasource": DATASOURCE,
        "links": links,
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": _options(kind),
        "targets": [query(chosen(line), legend) | {"refId": chr(65 + at)} for at, (line, legend) in enumerate(lines)],
        "gridPos": {"w": width, "h": _HEIGHT // 2 if kind in {"stat", "gauge"} else _HEIGHT},
    }


def _options(kind: str) -> dict[str, Any]:
    if kind == "timeseries":
        return {"legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}}
    return {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal"} if kind != "table" else {}


def _variable(name: str, about: str, asks: str) -> dict[str, Any]:
    """Return a choice of one or more values of a label."""
    return {
        "type": "query",
        "name": name,
        "label": about,
        "datasource": DATASOURCE,
        "query": {"query": asks, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "sort": 1,
    }


def variables(job: str, extra: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """Return the choices of a page; `job`: the pattern of the jobs that it is about."""
    return [
        {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"},
        _variable("job", "Room", f'label_values(up{{job=~"{job}"}}, job)') | {"allValue": job},
        _variable("instance", "Process", 'label_values(up{job=~"$job"}, instance)'),
        *(_variable(*one) for one in extra),
        {
            "type": "textbox",
            "name": "runbooks",
            "label": "Pages of what to do",
            "query": "deploy/prometheus/runbooks",
            "current": {"text": "deploy/prometheus/runbooks", "value": "deploy/prometheus/runbooks"},
        },
    ]


def page(
    name: str,
    title: str,
    panels: list[dict[str, Any]],
    *,
    job: str = "|".join(ROOMS),
    extra: Iterable[tuple[str, str, str]] = (),
) -> dict[str, Any]:
    """Return a dashboard, its panels laid out from left to right."""
    x = y = row = 0
    for number, item in enumerate(panels, 1):
        if x + item["gridPos"]["w"] > _WIDTH:
            x, y, row = 0, y + row, 0
        item["id"], item["gridPos"] = number, item["gridPos"] | {"x": x, "y": y}
        x, row = x + item["gridPos"]["w"], max(row, item["gridPos"]["h"])
    return {
        "uid": f"heraut-{name}",
        "title": f"Heraut: {title}",
        "tags": ["heraut"],
        "timezone": "browser",
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "schemaVersion": 41,
        "templating": {"list": variables(job, extra)},
        "links": [{"type": "dashboards", "tags": ["heraut"], "title": "Heraut", "asDropdown": True, "keepTime": True}],
        "panels": panels,
    }


_INCIDENT = ("incident", "Incident", "label_values(tracking_cohort_members, incident)")
_CHANNEL = ("channel", "Channel", "label_values(dispatch_open_notices, channel)")
_MEMBERS = 'tracking_cohort_members{incident=~"$incident"}'
_DUE = 'tracking_cohort_members{incident=~"$incident",disposition!~"merged|suppressed|withdrawn"}'


def p99(metric: str, by: str, quantile: float = 0.99, selector: str = "") -> str:
    """Return the expression of a quantile of a histogram."""
    return f"histogram_quantile({quantile}, sum by (le, {by}) (rate({metric}_bucket{selector}[$__rate_interval])))"


def rate(metric: str, by: str) -> str:
    """Return the expression of how often something happens a second."""
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def war_room() -> dict[str, Any]:
    """Return the page that is on the wall while people are being told."""
    incident = '{incident=~"$incident"}'
    panels = [
        panel("Since it was known", "Since the controller became aware of the breach.", "s",
              [(f"time() - max by (incident) (tracking_incident_aware_timestamp_seconds{incident})", "{{incident}}")],
              kind="stat", width=6, bad_from=72 * 3600),
        panel("Left of three days", "Negative: whoever is told now is told late.", "s",
              [(f"heraut:incident:seconds_left{incident}", "{{incident}}")], kind="stat", width=6,
              alerts=("HerautDeadlineAtRisk",)),
        panel("Told", "Share of those who should be told: all but merged, suppressed and withdrawn.", "percentunit",
              [(('sum by (incident) (tracking_cohort_members{incident=~"$incident",disposition="notified"}) / '
                f"sum by (incident) ({_DUE})"), "{{incident}}")], kind="gauge", width=6),
        panel("Done in", "At the pace of the last ten minutes, with those that are in flight or missing.", "s",
              [((f"heraut:incident:remaining{incident} / "
                f"clamp_min(heraut:incident:told_per_second{incident}, 1e-9)"), "{{incident}}")],
              kind="stat", width=6, alerts=("HerautDeadlineAtRisk",)),
        panel("Where everybody is", "Declared members by where they stand; adds up to 100 %.", "percentunit",
              [(f"sum by (disposition) ({_MEMBERS}) / scalar(sum({_MEMBERS}))", "{{disposition}}")],
              kind="bargauge", alerts=("HerautSomebodyWaits", "HerautLedgerUnbalanced")),
        panel("What is stuck", "Alerts that fire now; HerautWatchdog always does.", "short",
              [('sum by (alertname, severity) (ALERTS{alertstate="firing"})', "{{alertname}}")], kind="bargauge"),
        panel("Where everybody went", "The same, over time.", "short",
              [(f"sum by (disposition) ({_MEMBERS})", "{{disposition}}")]),
        panel("Told a second", "People of whom a provider took the notice.", "ops",
              [(f"heraut:incident:told_per_second{incident}", "{{incident}}")]),
        panel("Open on each channel", "Attempts that are not settled.", "short",
              [("sum by (channel, state) (dispatch_open_notices)", "{{channel}} {{state}}")],
              alerts=("HerautNothingHandedOver", "HerautUnknownOutcomes", "HerautNoticesRejected")),
        panel("The first of them", "How long the first has waited: seconds, where all is well.", "s",
              [("max by (channel, state) (dispatch_open_oldest_seconds)", "{{channel}} {{state}}")],
              alerts=("HerautQueueOld",), bad_from=300),
        panel("Hand-overs", "Attempts a second, by how they ended.", "ops",
              [(rate("dispatch_attempts_total", "channel, outcome"), "{{channel}} {{outcome}}")],
              alerts=("HerautProviderPaused", "HerautChannelPaused")),
        panel("How far behind each room is", "A line that climbs is a room that stands.", "s",
              [("max by (job) (@oldest_unprocessed_seconds)", "{{job}}")], alerts=("HerautBehind",), bad_from=60),
        panel("Waits the longest", "The oldest cohort with somebody in flight or held.", "s",
              [(f"max by (incident) (tracking_oldest_uninformed_seconds{incident})", "{{incident}}")], kind="stat",
              width=6, alerts=("HerautSomebodyWaits",), bad_from=48 * 3600),
        panel("Cohorts that do not balance", "Any: nothing may be claimed until it is understood.", "short",
              [(f"max by (incident) (tracking_unbalanced_cohorts{incident})", "{{incident}}")], kind="stat", width=6,
              alerts=("HerautLedgerUnbalanced",), bad_from=1),
        panel("Rooms that are ready", "0: what it waits for is on the room's page.", "short",
              [('min by (job) (@ready{part="all"})', "{{job}}")], kind="stat", width=12, alerts=("HerautNotReady",)),
        panel("Synthetic people missing", "A partition stands still.", "short", kind="stat", width=6, bad_from=1,
              lines=[("sum by (channel) (heraut_synthetic_missing)", "{{channel}}")], alerts=("HerautSyntheticLost",)),
    ]  # fmt: skip
    return page("war-room", "the war room", panels, extra=[_INCIDENT])


def _of_every_room(room: str) -> list[dict[str, Any]]:
    return [
        panel("Ready", "Each part of each process.", "short",
              [(f"min by (instance, part) ({room}_ready)", "{{instance}} {{part}}")], kind="stat",
              alerts=("HerautNotReady", "HerautProcessDown")),
        panel("Last heard", "Since the database and the log answered last.", "s",
              [(f"time() - max by (instance, dependency) ({room}_last_heard_timestamp_seconds)",
                "{{instance}} {{dependency}}")], alerts=("HerautDatabaseAway", "HerautLogAway"), bad_from=30),
        panel("Partitions", "Those that there are, owned ones, and those that stand still.", "short",
              [(f"max by (stage) ({room}_partitions)", "{{stage}}"),
               (f"sum by (instance) ({room}_owned_partitions)", "owned by {{instance}}"),
               (f"sum by (instance) ({room}_stopped_partitions)", "stand still at {{instance}}")],
              alerts=("HerautPartitionStopped", "HerautPartitionsUnowned", "HerautOwnershipFlaps")),
        panel("Blocks a second", "Committed, and dropped as they came again.", "ops",
              [(rate(f"{room}_blocks_total", "instance"), "{{instance}}"),
               (rate(f"{room}_repeated_blocks_total", "instance"), "repeated {{instance}}")],
              alerts=("HerautNoProgress",)),
        panel("Behind", "Age of the oldest block that is read and not committed, or committed and not published.", "s",
              [(f"max by (instance) ({room}_oldest_unprocessed_seconds)", "{{instance}}"),
               (f"max by (instance) ({room}_outbox_oldest_seconds)", "outbox of {{instance}}")],
              alerts=("HerautBehind", "HerautOutboxOld"), bad_from=60),
        panel("To be read", "Blocks that the log has and nobody here has read.", "short",
              [(f"sum by (instance) ({room}_backlog_blocks)", "{{instance}}")], alerts=("HerautNoProgress",)),
        panel("Time of a batch", "From its first decode to its commit.", "s",
              [(p99(f"{room}_batch_seconds", "job"), "99 %"), (p99(f"{room}_batch_seconds", "job", 0.5), "half")]),
        panel("Dead letters", "Records set aside since the processes began: any is worth a look.", "short",
              [(f"sum by (reason) ({room}_dead_letters_total)", "{{reason}}")], alerts=("HerautDeadLetters",),
              bad_from=1),
        panel("Requests", "A second, by route and answer.", "ops",
              [(rate(f"{room}_http_requests_total", "route, status"), "{{route}} {{status}}")],
              alerts=("HerautApiBudgetBurnsFast", "HerautCallersRefused")),
        panel("Time of a request", "99 % are answered within it.", "s",
              [(p99(f"{room}_http_request_seconds", "route"), "{{route}}")]),
        panel("Spans lost", "A second, where traced: the collector is slow or away. Nothing waits for it.", "ops",
              [(rate(f"{room}_spans_lost_total", "instance, reason"), "{{instance}} {{reason}}")]),
        panel("Memory", "Resident, of each process.", "bytes",
              [(f'process_resident_memory_bytes{{job="{room}"}}', "{{instance}}")]),
        panel("CPU", "Cores in use by each process.", "short",
              [(f'rate(process_cpu_seconds_total{{job="{room}"}}[$__rate_interval])', "{{instance}}")]),
    ]  # fmt: skip


def _of_one_room(room: str) -> list[dict[str, Any]]:
    """Return what only this room has."""
    return {
        "intake": [
            panel("Records", "A second, by what they came to.", "ops",
                  [(rate("intake_members_total", "outcome"), "{{outcome}}")]),
            panel("Time of uploads and chunks", "99 % are done within it.", "s",
                  [(p99("intake_upload_seconds", "job"), "upload"), (p99("intake_chunk_seconds", "job"), "chunk")]),
            panel("Uploads", "Open now, and broken since the processes began.", "short",
                  [("sum(intake_open_uploads)", "open"),
                   ("sum by (reason) (intake_broken_uploads_total)", "broken: {{reason}}")],
                  alerts=("HerautUploadsBroken",)),
            panel("Through all rooms", "How long half of the synthetic people take, at most.", "s",
                  [(p99("heraut_synthetic_seconds", "channel", 0.5), "{{channel}}")],
                  alerts=("HerautSyntheticLost", "HerautSyntheticAbsent"), bad_from=300),
        ],
        "deduplication": [
            panel("Members", "A second, by where they came to stand.", "ops",
                  [(rate("deduplication_members_total", "outcome"), "{{outcome}}")]),
        ],
        "routing": [
            panel("Notices", "A second, by the channel they were sent to; none: nobody can reach them.", "ops",
                  [(rate("routing_notices_total", "channel"), "{{channel}}")], alerts=("HerautExhausted",)),
        ],
        "dispatch": [
            panel("Hand-overs", "A second, by how they ended.", "ops",
                  [(rate("dispatch_attempts_total", "channel, outcome"), "{{channel}} {{outcome}}")]),
        ],
        "tracking": [
            panel("Events", "A second, by kind.", "ops", [(rate("tracking_events_total", "kind"), "{{kind}}")]),
            panel("References that people asked about", "A second, by what they were told.", "ops",
                  [(rate("tracking_verifications_total", "verdict"), "{{verdict}}")]),
        ],
    }[room]  # fmt: skip


def channels() -> dict[str, Any]:
    """Return the page of the channels and their providers."""
    on = '{channel=~"$channel"}'
    panels = [
        panel("Open", "Attempts that are not settled.", "short",
              [(f"sum by (channel, state) (dispatch_open_notices{on})", "{{channel}} {{state}}"),
               (f"max by (channel) (dispatch_decided_notices{on})", "{{channel}} decided, not done yet")],
              alerts=("HerautNothingHandedOver", "HerautUnknownOutcomes", "HerautNoticesRejected")),
        panel("The first of them", "How long the first has waited.", "s",
              [(f"max by (channel, state) (dispatch_open_oldest_seconds{on})", "{{channel}} {{state}}")],
              alerts=("HerautQueueOld", "HerautDecisionWaits"), bad_from=300),
        panel("Hand-overs", "A second, by how they ended.", "ops",
              [(rate(f"dispatch_attempts_total{on}", "channel, outcome"), "{{channel}} {{outcome}}")]),
        panel("Whose fault", "Answers a second that were no acceptance.", "ops",
              [(rate(f"dispatch_blames_total{on}", "channel, blame"), "{{channel}} {{blame}}")],
              alerts=("HerautChannelPaused",)),
        panel("Paused", "1: nothing goes; for domains, incidents and cohorts how many.", "short",
              [(f"max by (channel) (dispatch_provider_paused{on})", "{{channel}}"),
               (f"max by (channel, reason) (dispatch_channel_paused{on})", "{{channel}} {{reason}}")],
              alerts=("HerautProviderPaused", "HerautChannelPaused"), bad_from=1),
        panel("Last heard", "Since the provider last took or refused something.", "s",
              [(f"time() - max by (channel) (dispatch_provider_last_heard_timestamp_seconds{on} > 0)", "{{channel}}")],
              kind="stat"),
        panel("Accepted to handed over", "How long people were on their way inside Heraut.", "s",
              [(p99("dispatch_notice_seconds", "channel", selector=on), "{{channel}}: 99 %"),
               (p99("dispatch_notice_seconds", "channel", 0.5, on), "{{channel}}: half")]),
        panel("Time of a round", "In which a provider took what it was given at once; 99 %.", "s",
              [(p99("dispatch_round_seconds", "channel", selector=on), "{{channel}}")]),
        panel("Print runs that are not closed", "The print house has no total of them.", "short",
              [("max(dispatch_unclosed_print_runs)", "runs")], kind="stat", alerts=("HerautPrintRunUnclosed",)),
        panel("What the print house did not say, or rejected", "Files that it said nothing of; letters it rejected.",
              "short", [("max(dispatch_print_files) by (state)", "files {{state}}"),
                        ("max(dispatch_unprinted_letters)", "letters not printed"),
                        ("sum(dispatch_print_answers_left)", "answers that cannot be read")],
              alerts=("HerautPrintJobRejected", "HerautPrintJobUnanswered")),
        panel("Made again", "Hand-overs that are made again, and refusals taken back, a second.", "ops",
              [(rate(f"dispatch_repeated_total{on}", "channel"), "again {{channel}}"),
               (rate(f"dispatch_taken_back_total{on}", "channel"), "taken back {{channel}}")]),
    ]  # fmt: skip
    return page("channels", "channels", panels, job="dispatch", extra=[_CHANNEL])


def event_log() -> dict[str, Any]:
    """Return the page of the event log, Kafka or the database's own, as the rooms see it."""
    panels = [
        panel("Last heard", "Since it answered each process last.", "s",
              [('time() - max by (job, instance) (@last_heard_timestamp_seconds{dependency="log"})',
                "{{job}} {{instance}}")], alerts=("HerautLogAway",), bad_from=30),
        panel("Outbox", "Age of the oldest block that is committed and not in the log.", "s",
              [("max by (job) (@outbox_oldest_seconds)", "{{job}}")], alerts=("HerautOutboxOld",), bad_from=60),
        panel("To be read", "Blocks that the log has and nobody has read.", "short",
              [("sum by (job) (@backlog_blocks)", "{{job}}")], alerts=("HerautNoProgress",)),
        panel("Taken", "Blocks a second.", "ops", [(rate("@blocks_total", "job"), "{{job}}")]),
        panel("Repeated", "Blocks a second that came again and were dropped.", "ops",
              [(rate("@repeated_blocks_total", "job"), "{{job}}")]),
        panel("Dead letters", "Since the processes began.", "short",
              [("sum by (job) (@dead_letters_total)", "{{job}}")], alerts=("HerautDeadLetters",), bad_from=1),
        panel("Stand still", "Partitions that nobody may work on.", "short",
              [("sum by (job) (@stopped_partitions)", "{{job}}")], alerts=("HerautPartitionStopped",), bad_from=1),
        panel("Take-overs", "Partitions a second.", "ops", [(rate("@takeovers_total", "job"), "{{job}}")],
              alerts=("HerautOwnershipFlaps",)),
    ]  # fmt: skip
    return page("event-log", "the event log", panels)


def database() -> dict[str, Any]:
    """Return the page of PostgreSQL, as the rooms see it."""
    panels = [
        panel("Last heard", "Since it answered each process last.", "s",
              [('time() - max by (job, instance) (@last_heard_timestamp_seconds{dependency="database"})',
                "{{job}} {{instance}}")], alerts=("HerautDatabaseAway",), bad_from=30),
        panel("Time of a batch, 99 %", "From its first decode to its commit.", "s",
              [(p99("@batch_seconds", "job"), "{{job}}")]),
        panel("Time of a chunk of intake, 99 %", "A transaction of up to 16,384 records.", "s",
              [(p99("intake_chunk_seconds", "job"), "{{job}}")]),
        panel("Free disk", "Of each folder of ours.", "percentunit",
              [("min by (job, folder) (@disk_free_ratio)", "{{job}} {{folder}}")], alerts=("HerautDiskNearlyFull",)),
        panel("Outages that callers met", "Requests a second that were answered with 503.", "ops",
              [(rate('@http_requests_total{status="503"}', "job"), "{{job}}")], alerts=("HerautApiBudgetBurnsFast",)),
        panel("Take-overs", "Partitions a second: many come of commits that take too long.", "ops",
              [(rate("@takeovers_total", "job"), "{{job}}")], alerts=("HerautOwnershipFlaps",)),
    ]  # fmt: skip
    return page("database", "the database", panels)


def pages() -> dict[str, dict[str, Any]]:
    """Return all dashboards by the name of their file."""
    rooms = {room: page(room, room, [*_of_one_room(room), *_of_every_room(room)], job=room) for room in ROOMS}
    return {"war-room": war_room(), **rooms, "channels": channels(), "event-log": event_log(), "database": database()}


def main() -> int:
    """Write the dashboards, or with `--check` compare them."""
    wanted = {f"{name}.json": json.dumps(one, indent=1, ensure_ascii=False) + "\n" for name, one in pages().items()}
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if "--check" in sys.argv:
        stale = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
        print(f"stale: {', '.join(stale)}: run deploy/grafana/dashboards.py" if stale else "fresh")
        return 1 if stale else 0
    for name in there.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
