#!/usr/bin/env python3
"""Builds the dashboards as JSON: `deploy/grafana/dashboards.py` writes them, `--check` says whether they are fresh."""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
ROOMS = ("intake", "deduplication", "routing", "dispatch", "tracking")
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
# Four scrapes of 5 s: enough for a rate, short enough to see a wave of a minute.
WINDOW = "20s"


def query(expression: str, legend: str) -> dict[str, Any]:
    """Return one line of a panel."""
    return {"datasource": DATASOURCE, "expr": expression, "legendFormat": legend}


def panel(title: str, says: str, unit: str, queries: list[dict[str, Any]], kind: str = "timeseries") -> dict[str, Any]:
    """Return a panel; `says` is what the reader learns from it."""
    defaults: dict[str, Any] = {"unit": unit, "min": 0}
    return {
        "type": kind,
        "title": title,
        "description": says,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "table", "placement": "right", "calcs": ["lastNotNull", "max"]}}
        if kind == "timeseries"
        else {},
        "targets": [item | {"refId": chr(ord("A") + at)} for at, item in enumerate(queries)],
    }


def pipeline() -> dict[str, Any]:
    """Return the one page that the person on duty opens first."""
    panels = [
        panel("Uninformed for", "How long the longest-waiting person of an incident has waited.", "s",
              [query("max by (incident) (tracking_oldest_uninformed_seconds)", "{{incident}}")], "stat"),
        panel("Where everybody is", "Members by disposition: held and in flight should shrink.", "short",
              [query("sum by (disposition) (tracking_cohort_members)", "{{disposition}}")], "bargauge"),
        panel("Members taken in", "Records a second at intake, by what became of them.", "ops",
              [query(f"sum by (outcome) (rate(intake_members_total[{WINDOW}]))", "{{outcome}}")]),
        panel("Members deduplicated", "Members a second, by what was decided.", "ops",
              [query(f"sum by (outcome) (rate(deduplication_members_total[{WINDOW}]))", "{{outcome}}")]),
        panel("Notices routed", "Notices a second, by channel.", "ops",
              [query(f"sum by (channel) (rate(routing_notices_total[{WINDOW}]))", "{{channel}}")]),
        panel("Hand-overs", "Attempts a second, by channel and outcome.", "ops",
              [query(f"sum by (channel, outcome) (rate(dispatch_attempts_total[{WINDOW}]))",
                     "{{channel}} {{outcome}}")]),
        panel("Outcomes tracked", "Events a second that tracking counted.", "ops",
              [query(f"sum by (kind) (rate(tracking_events_total[{WINDOW}]))", "{{kind}}")]),
        panel("Oldest unprocessed", "Lag of each room in seconds; a line that climbs is a room that stands.", "s",
              [query(f"max({room}_oldest_unprocessed_seconds)", room) for room in ROOMS]),
        panel("Batch time p99", "Time from decoding a batch to its commit.", "s",
              [query(f"histogram_quantile(0.99, sum by (le) (rate({room}_batch_seconds_bucket[{WINDOW}])))", room)
               for room in ROOMS[1:]]),
        panel("Accepted to handed over, p99", "How long a person waits inside Heraut, by channel.", "s",
              [query("histogram_quantile(0.99, sum by (le, channel) (rate(dispatch_notice_seconds_bucket[1m])))",
                     "{{channel}}")]),
        panel("Memory", "Resident memory of each process.", "bytes",
              [query("process_resident_memory_bytes", "{{job}} {{instance}}")]),
        panel("CPU", "Cores in use by each process.", "short",
              [query(f"rate(process_cpu_seconds_total[{WINDOW}])", "{{job}} {{instance}}")]),
        panel("Dead letters", "Records set aside, by room: any is worth a look.", "short",
              [query(f"sum({room}_dead_letters_total) or vector(0)", room) for room in ROOMS]),
    ]  # fmt: skip
    for at, item in enumerate(panels):
        item |= {"id": at + 1, "gridPos": {"x": 12 * (at % 2), "y": 8 * (at // 2), "w": 12, "h": 8}}
        panels[at] = item
    return {
        "uid": "heraut-pipeline",
        "title": "Heraut: the pipeline",
        "tags": ["heraut"],
        "timezone": "browser",
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "schemaVersion": 41,
        "panels": panels,
    }


def main() -> int:
    """Write the dashboards, or with `--check` compare them."""
    text = json.dumps(pipeline(), indent=1, ensure_ascii=False) + "\n"
    target = FOLDER / "pipeline.json"
    if "--check" in sys.argv:
        fresh = target.exists() and target.read_text(encoding="utf-8") == text
        print("fresh" if fresh else f"{target.name} is stale: run deploy/grafana/dashboards.py")
        return 0 if fresh else 1
    target.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
