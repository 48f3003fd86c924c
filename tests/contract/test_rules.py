"""Every alert fires in a fault and is silent where all is well, leads to whom it is for, and has a page that helps.

Most faults were made in a real installation, whose figures `tests/e2e/record_faults.py` wrote down; see `MADE_UP` for
those that were not.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus import local
from tests.page_commands import commands_of, fenced, parse

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = sorted((DEPLOY / "rules").glob("*.yml"))
RECORDED = Path(__file__).with_name("recorded")
INTERVAL = 15  # seconds between two scrapes
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]

# In which recorded fault each alert fires, and how many minutes after the recording begins (the fault comes a minute
# and a quarter later).
RECORDED_FAULTS = {
    "HerautWatchdog": ("calm", 1),
    "HerautProcessDown": ("room", 4),
    "HerautNotReady": ("database", 4),
    "HerautDatabaseAway": ("database", 4),
    "HerautLogAway": ("database", 4),  # here the log is in the database
    "HerautPartitionStopped": ("blocks", 3),
    "HerautDeadLetters": ("blocks", 3),
    "HerautQueueOld": ("providers", 8),
    "HerautNothingHandedOver": ("providers", 8),
    "HerautProviderPaused": ("providers", 8),
    "HerautUnknownOutcomes": ("providers", 8),
    "HerautDeadlineAtRisk": ("providers", 8),
    "HerautLedgerUnbalanced": ("ledger", 3),
}
# What cannot be made in a run of minutes on one machine, as series of promtool, a sample a minute.
MADE_UP: Mapping[str, Mapping[str, str]] = {
    "HerautPartitionsUnowned": {
        'routing_owned_partitions{job="routing",instance="a"}': "4x20",
        'routing_partitions{job="routing",instance="a",stage="routing"}': "8x20",
    },
    "HerautOwnershipFlaps": {
        'routing_takeovers_total{job="routing",instance="a"}': "8+8x20",
        'routing_partitions{job="routing",instance="a",stage="routing"}': "8x20",
    },
    "HerautBehind": {'routing_oldest_unprocessed_seconds{job="routing",instance="a"}': "0+60x20"},
    "HerautNoProgress": {
        'routing_backlog_blocks{job="routing",instance="a"}': "3x20",
        'routing_blocks_total{job="routing",instance="a"}': "70x20",
    },
    "HerautOutboxOld": {'routing_outbox_oldest_seconds{job="routing",instance="a"}': "0+60x20"},
    "HerautSyntheticLost": {
        'heraut_synthetic_missing{job="intake",channel="letter",partition="3"}': "0x10 1x10",
        'dispatch_provider_paused{job="dispatch",channel="letter"}': "0x20",
        'dispatch_channel_paused{job="dispatch",channel="letter",reason="cohort"}': "1x20",
    },
    "HerautSyntheticAbsent": {'heraut_synthetic_sent_total{job="intake",channel="letter"}': "5x20"},
    "HerautChannelPaused": {'dispatch_channel_paused{job="dispatch",channel="email",reason="sender"}': "1x20"},
    "HerautExhausted": {'routing_notices_total{job="routing",channel="none"}': "0x10 1x10"},
    "HerautPrintRunUnclosed": {'dispatch_unclosed_print_run_seconds{job="dispatch"}': "93500+60x20"},
    "HerautPrintJobRejected": {'dispatch_unprinted_letters{job="dispatch",provider="print"}': "0x10 108x10"},
    "HerautNoticesRejected": {'dispatch_open_notices{job="dispatch",channel="letter",state="rejected"}': "0x10 108x10"},
    "HerautDecisionWaits": {'dispatch_decided_oldest_seconds{job="dispatch",channel="letter"}': "0+60x20"},
    "HerautPrintJobUnanswered": {'dispatch_print_unanswered_seconds{job="dispatch",provider="print"}': "93500+60x20"},
    "HerautSomebodyWaits": {'tracking_oldest_uninformed_seconds{job="tracking",incident="lab"}': "172700+60x20"},
    "HerautReceiptsMissing": {
        'tracking_events_total{job="tracking",kind="accepted"}': "0+10x200",
        'tracking_events_total{job="tracking",kind="receipts"}': "0+10x20 200x180",
    },
    "HerautUploadsBroken": {'intake_broken_uploads_total{job="intake",reason="gzip"}': "0x10 1x10"},
    "HerautApiBudgetBurnsFast": {
        'intake_http_requests_total{job="intake",route="/v1/x",status="503"}': "0+5x20",
        'intake_http_requests_total{job="intake",route="/v1/x",status="200"}': "0+100x20",
    },
    "HerautApiBudgetBurns": {
        'intake_http_requests_total{job="intake",route="/v1/y",status="503"}': "0+1x20",
        'intake_http_requests_total{job="intake",route="/v1/y",status="200"}': "0+100x20",
    },
    "HerautCallersRefused": {'intake_http_requests_total{job="intake",route="/v1/x",status="401"}': "0+60x20"},
    "HerautCertificateEndsSoon": {
        'intake_certificate_expires_timestamp_seconds{job="intake",certificate="http"}': "864000x20"
    },
    "HerautCertificateEnds": {
        'intake_certificate_expires_timestamp_seconds{job="intake",certificate="kafka"}': "86400x20"
    },
    "HerautDiskNearlyFull": {'dispatch_disk_free_ratio{job="dispatch",folder="print"}': "0.2-0.01x20"},
}
_AFTER = {"HerautReceiptsMissing": 180}  # minutes after which they fire, where it is not 19


def _alerts() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


ALERTS = {rule["alert"]: rule for rule in _alerts()}


@cache
def _tool(name: str, package: str) -> str:
    """Return a program; where it is missing the test is skipped, and fails in CI."""
    try:
        return local.program(name, package)
    except local.PrometheusUnavailable as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


def _ran(*command: str) -> str:
    """Return what a command said. It has to do its work."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - found on the path
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def _recorded(fault: str) -> list[dict[str, str]]:
    series: list[dict[str, str]] = yaml.safe_load((RECORDED / f"{fault}.yml").read_text(encoding="utf-8"))
    return series


def _expectation(alert: str, minutes: float, *, fires: bool) -> dict[str, Any]:
    """Return what a query for an alert gives: 1 where it fires, and nothing where it is not even about to."""
    expected = [{"labels": "{}", "value": 1}] if fires else []
    state = ',alertstate="firing"' if fires else ""
    query = f'count(ALERTS{{alertname="{alert}"{state}}}) > bool 0'
    return {"expr": query, "eval_time": f"{int(minutes * 60)}s", "exp_samples": expected}


def _promtool(folder: Path, tests: list[dict[str, Any]], every: str = "15s") -> None:
    document = {"rule_files": [str(path) for path in RULES], "evaluation_interval": every, "tests": tests}
    path = folder / "tests.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    _ran(_tool("promtool", "prometheus"), "test", "rules", str(path))


def test_every_alert_has_its_fault() -> None:
    """None is written that was never seen to fire."""
    assert RECORDED_FAULTS.keys().isdisjoint(MADE_UP)
    assert {*ALERTS} == {*RECORDED_FAULTS, *MADE_UP}


@pytest.mark.parametrize("fault", sorted({fault for fault, _ in RECORDED_FAULTS.values()}))
def test_alerts_fire_in_faults_of_a_real_run(fault: str, tmp_path: Path) -> None:
    """Each that the fault is for, and none of them before it."""
    expected = [(alert, at) for alert, (of, at) in RECORDED_FAULTS.items() if of == fault]
    firing = [_expectation(alert, at, fires=True) for alert, at in expected]
    before = [_expectation(alert, 1, fires=False) for alert, _ in expected if alert != "HerautWatchdog"]
    _promtool(tmp_path, [{"interval": "15s", "input_series": _recorded(fault), "promql_expr_test": before + firing}])


def test_alerts_are_silent_where_all_is_well(tmp_path: Path) -> None:
    """While people are told by a sound installation only the watchdog is heard."""
    silent = [_expectation(alert, 2, fires=alert == "HerautWatchdog") for alert in ALERTS]
    _promtool(tmp_path, [{"interval": "15s", "input_series": _recorded("calm"), "promql_expr_test": silent}])


def test_alerts_fire_in_faults_that_are_made_up(tmp_path: Path) -> None:
    """Those that no run of minutes on one machine can show."""
    series = {name: values for faults in MADE_UP.values() for name, values in faults.items()}
    rows = [{"series": name, "values": values} for name, values in series.items()]
    asked = [_expectation(alert, _AFTER.get(alert, 19), fires=True) for alert in MADE_UP]
    _promtool(tmp_path, [{"interval": "1m", "input_series": rows, "promql_expr_test": asked}], every="1m")


def test_the_first_dead_letter_is_not_missed(tmp_path: Path) -> None:
    """Not even one of a process that has just begun to count, nor after an hour of silence."""
    name = 'routing_dead_letters_total{job="routing",reason="undecodable"}'
    new = {"interval": "1m", "input_series": [{"series": name, "values": "_x5 1x20"}]}
    late = {"interval": "1m", "input_series": [{"series": name, "values": "0x70 1x5"}]}
    tests = [
        new | {"promql_expr_test": [_expectation("HerautDeadLetters", 7, fires=True)]},
        late | {"promql_expr_test": [_expectation("HerautDeadLetters", 72, fires=True)]},
    ]
    _promtool(tmp_path, tests, every="1m")


@pytest.mark.parametrize(
    "paused",
    ['dispatch_provider_paused{channel="letter"}', 'dispatch_channel_paused{channel="letter",reason="operator"}'],
)
def test_a_synthetic_person_wakes_nobody_for_a_channel_that_is_paused(paused: str, tmp_path: Path) -> None:
    """It waits there like everybody, and who is on duty knows of the pause."""
    series = {'heraut_synthetic_missing{channel="letter",partition="3"}': "1x20", paused: "1x20"}
    rows = [{"series": name, "values": values} for name, values in series.items()]
    silent = _expectation("HerautSyntheticLost", 19, fires=False)
    _promtool(tmp_path, [{"interval": "1m", "input_series": rows, "promql_expr_test": [silent]}], every="1m")


def test_rules_and_receivers_are_valid() -> None:
    """As the programs themselves read them."""
    _ran(_tool("promtool", "prometheus"), "check", "rules", *map(str, RULES))
    _ran(_tool("amtool", "prometheus-alertmanager"), "check-config", str(DEPLOY / "alertmanager.yml"))


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [("none", "dead-man"), ("critical", "on-duty"), ("warning", "tickets"), ("info", "tickets")],
)
def test_alerts_lead_to_whom_they_are_for(severity: str, receiver: str) -> None:
    """Who is on duty is woken by what is critical, and by nothing else."""
    amtool, config = _tool("amtool", "prometheus-alertmanager"), f"--config.file={DEPLOY / 'alertmanager.yml'}"
    of_severity = [alert for alert, rule in ALERTS.items() if rule["labels"]["severity"] == severity]

    assert of_severity
    for alert in of_severity:
        labels = [f"alertname={alert}", f"severity={severity}"]
        _ran(amtool, "config", "routes", "test", config, f"--verify.receivers={receiver}", *labels)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_page_that_helps(alert: str) -> None:
    """What it means, what it does to people, how to find out more, and what to do."""
    page = DEPLOY / "runbooks" / f"{alert}.md"
    text = page.read_text(encoding="utf-8")

    assert page.relative_to(DEPLOY.parents[1]).as_posix() == ALERTS[alert]["annotations"]["runbook_url"]
    assert [alert, *HEADINGS] == re.findall(r"^##? (.+)$", text, re.MULTILINE)
    assert set(re.findall(r"\bHeraut[A-Z]\w+", text)) <= {*ALERTS}
    for command in commands_of(text):
        parse(command)


def test_there_is_no_page_without_an_alert() -> None:
    """Nobody reads it."""
    assert {f"{alert}.md" for alert in ALERTS} == {path.name for path in (DEPLOY / "runbooks").iterdir()}


def test_queries_of_the_pages_are_valid(tmp_path: Path) -> None:
    """Prometheus understands each."""
    pages = sorted((DEPLOY / "runbooks").iterdir())
    queries = [query for page in pages for query in fenced(page.read_text(encoding="utf-8"), "promql")]
    rules = [{"record": f"page:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "pages.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}), encoding="utf-8")

    assert len(queries) >= len(pages)
    _ran(_tool("promtool", "prometheus"), "check", "rules", "--lint=none", str(path))
