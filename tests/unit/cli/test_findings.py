"""What the running system's answers mean: each standstill is seen, and a system that is well has no fault."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.cli.finding import Finding
from services.cli.service_findings import age, service_findings
from services.cli.snapshot import Process, Snapshot
from services.cli.store_findings import _disk, durability_findings
from services.cli.target import SERVICE_NAMES
from services.core.ledger import HoldReason
from services.core.rooms import STAGES
from services.kit.eventlog import Durability

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWN = "1.0, commit abc"
_NOTHING = {"attempts": 0, "since": None}
HELD_BACK = {"messages": 0, "domains": 0, "domainsLeftAlone": 0, "capsUntil": None}


def a_process(name: str, **changed: Any) -> Process:
    """Return a process that is well."""
    figures = {f"{STAGES[name]}_owned_partitions": 8.0} | changed.pop("figures", {})
    return replace(Process(name, version=OWN, figures=figures), **changed)


def a_channel(name: str, **changed: Any) -> dict[str, Any]:
    """Return a channel on which nothing waits."""
    states = dict.fromkeys(("queued", "underWay", "unknown", "refused", "paused", "rejected", "decided"), _NOTHING)
    held_back = HELD_BACK | changed.pop("held_back", {})
    return {"channel": name, "provider": "test", "pauses": [], "caps": [], "heldBack": held_back, **states, **changed}


def a_ledger(**changed: Any) -> dict[str, Any]:
    """Return a ledger in which everybody was told."""
    held = {reason.key: 0 for reason in HoldReason} | changed.pop("held", {})
    totals = {"accepted": 10, "told": 1.0, "inFlight": 0, "rejected": 0, "exhausted": 0, "heldReasons": held}
    return {"incidentId": "lab", "balanced": changed.pop("balanced", True), "totals": totals | changed}


def found(*processes: Process, **changed: Any) -> dict[str, tuple[str, str]]:
    """Return mark and words of each finding, by its name."""
    others = [a_process(name) for name in SERVICE_NAMES if name not in {one.name for one in processes}]
    snapshot = Snapshot(NOW, [*processes, *others], [a_channel("email")], [a_ledger()], {})
    without = changed.pop("without", {})
    return {one.name: (one.mark, one.words) for one in service_findings(replace(snapshot, **changed), 8, OWN, without)}


def test_a_system_that_is_well_has_nothing_to_look_at() -> None:
    """One line for all services, and one for each channel and incident."""
    said = found()

    assert {"services", "clock", "version", "channel email", "incident lab"} == said.keys()
    assert {"ok"} == {mark for mark, _ in said.values()}


def test_a_system_that_is_down_is_no_green_tick() -> None:
    """It says all ok with nothing running no more."""
    down = [Process(name, fault="does not answer") for name in SERVICE_NAMES]
    said = found(*down)

    assert ["services"] == list(said)
    assert "FAULT" == said["services"][0]


@pytest.mark.parametrize(
    ("process", "mark", "words"),
    [
        (a_process("intake", fault="intake does not answer at x"), "FAULT", "does not answer"),
        (a_process("intake", waiting_for=("stage",)), "FAULT", "not ready: it waits for stage"),
        (a_process("intake", figures={"intake_stopped_partitions": 2.0}), "FAULT", "2 partitions stand still"),
        (a_process("intake", figures={"intake_provider_paused": 1.0}), "FAULT", "its provider takes nothing"),
        (a_process("intake", figures={"intake_owned_partitions": 6.0}), "look", "owns 6 of 8 partitions"),
        (a_process("intake", figures={"intake_oldest_unprocessed_seconds": 90.0}), "look", "is 1m 30s behind"),
        (replace(a_process("intake"), figures={}), "look", "not shown to this token"),
    ],
)
def test_a_process_that_is_not_well_has_its_line(process: Process, mark: str, words: str) -> None:
    """Readiness, partitions and delay; the others are told together."""
    said = found(process)

    assert (mark, True) == (said["intake"][0], words in said["intake"][1])
    assert said["services"][1].startswith("tracking, deduplication")


@pytest.mark.parametrize(
    ("changed", "without", "mark", "words"),
    [
        (
            {"provider": None},
            {"email": "HERAUT_SMTP_URL"},
            "look",
            "HERAUT_SMTP_URL is not given here: what goes that way waits",
        ),
        ({}, {"email": "HERAUT_SMTP_URL"}, "ok", "nothing waits"),
        (
            {"provider": None, "queued": {"attempts": 2, "since": "2026-03-01T11:59:00+00:00"}},
            {"email": "HERAUT_SMTP_URL"},
            "FAULT",
            "HERAUT_SMTP_URL is not given here: 2 queued, the first for 1m 0s",
        ),
        ({"queued": {"attempts": 2, "since": "2026-03-01T11:59:00+00:00"}}, {}, "ok", "2 queued, the first for 1m 0s"),
        ({"queued": {"attempts": 2, "since": "2026-03-01T10:00:00+00:00"}}, {}, "look", "does its provider take"),
        ({"unknown": {"attempts": 3, "since": "2026-03-01T10:00:00+00:00"}}, {}, "look", "heraut unknown list"),
        ({"rejected": {"attempts": 3, "since": "2026-03-01T10:00:00+00:00"}}, {}, "FAULT", "heraut rejected list"),
        ({"decided": {"attempts": 3, "since": "2026-03-01T10:00:00+00:00"}}, {}, "look", "deduplication is behind"),
        ({"decided": {"attempts": 3, "since": "2026-03-01T11:59:00+00:00"}}, {}, "ok", "nothing waits"),
        ({"pauses": ["sender"]}, {}, "FAULT", "left alone (sender)"),
        ({"caps": [{"messages": 9, "seconds": 86400, "usedToday": 4}]}, {}, "ok", "nothing waits; 9 a day, 4 today"),
        ({"held_back": {"capsUntil": "2026-03-02T00:00:05+00:00"}}, {}, "look", "used up until 2026-03-02T00:00:05"),
        (
            {"held_back": {"messages": 12, "domains": 2}},
            {},
            "look",
            "12 wait for limits of domains, of which there are 2",
        ),
        ({"held_back": {"domainsLeftAlone": 1}}, {}, "look", "domains that asked for less: 1"),
    ],
)
def test_whatever_keeps_a_channel_is_seen(
    changed: dict[str, Any], without: dict[str, str], mark: str, words: str
) -> None:
    """No green tick with people waiting for a provider that nobody set."""
    said = found(channels=[a_channel("email", **changed)], without=without)["channel email"]

    assert (mark, True) == (said[0], words in said[1])


@pytest.mark.parametrize(
    ("provider", "ledger", "words"),
    [
        (None, a_ledger(accepted=0), "it has no provider: HERAUT_SMTP_URL is not given here"),
        (None, a_ledger(inFlight=3), "it has no provider"),
        (None, a_ledger(held={"unreleased": 3}), "it has no provider"),
        (None, a_ledger(), None),
        ("smtp", a_ledger(inFlight=3), None),
    ],
)
def test_a_channel_that_an_incident_takes_has_a_provider(
    provider: str | None, ledger: dict[str, Any], words: str | None
) -> None:
    """Else people wait for nobody, and that is a fault before any of them is released; not once all are told."""
    said = found(
        channels=[a_channel("email", provider=provider)],
        ledgers=[ledger],
        ways={"lab": ["email"]},
        without={"email": "HERAUT_SMTP_URL"},
    )
    mark, told = said.get("incident lab, email", (None, ""))

    assert ("FAULT" if words else None, True) == (mark, (words or "") in told)


def test_a_channel_without_a_process_is_named_too() -> None:
    """Whoever is to be told by it waits as well."""
    said = found(channels=[a_channel("email")], ledgers=[a_ledger(inFlight=1)], ways={"lab": ["email", "portal"]})

    assert ("FAULT", "people are told by portal, and it has no provider: nobody hands over on it") == said[
        "incident lab, portal"
    ]
    assert "incident lab, email" not in said


@pytest.mark.parametrize(
    ("ledger", "mark", "words"),
    [
        (a_ledger(held={"unreleased": 4}), "ok", "held: 4 not released"),
        (a_ledger(held={"unreachable": 2, "unreleased": 4}), "look", "2 unreachable"),
        (a_ledger(rejected=1), "look", "1 rejected: heraut cohort problems"),
        (a_ledger(exhausted=1), "look", "1 refused on every channel"),
        (a_ledger(balanced=False), "FAULT", "does not balance"),
    ],
)
def test_who_is_held_and_why_is_told(ledger: dict[str, Any], mark: str, words: str) -> None:
    """What waits for an operator's own word is no news to them; what needs somebody's work is."""
    said = found(ledgers=[ledger])["incident lab"]

    assert (mark, True) == (said[0], words in said[1])


@pytest.mark.parametrize(
    ("job", "mark", "words"),
    [
        ({"unprinted": 108}, "FAULT", "108 letters were rejected and nobody is told by them: heraut print jobs; run-1"),
        ({"waitsSince": "2026-02-18T10:00:00+00:00"}, "look", "the print house said nothing of 1 for "),
    ],
)
def test_print_jobs_that_are_rejected_or_not_answered_are_told(job: dict[str, Any], mark: str, words: str) -> None:
    """One that was handed over this morning is nobody's business."""
    fresh = {"job": "run-2", "unprinted": 0, "waitsSince": NOW.isoformat()}
    said = found(print_jobs=[{"job": "run-1", "unprinted": 0, "waitsSince": None} | job, fresh])

    assert mark == said["print jobs"][0]
    assert said["print jobs"][1].startswith(words)
    assert "print jobs" not in found(print_jobs=[fresh])


def test_clocks_and_versions_that_differ_are_told() -> None:
    """A lease goes by a clock, and half an upgrade is worth a look."""
    said = found(a_process("routing", ahead=30.0), a_process("tracking", version="0.9, commit def"))

    assert ("FAULT", "routing is 30 s ahead of this clock") == said["clock"]
    assert ("look", "this command is 1.0, commit abc, and tracking is 0.9, commit def") == said["version"]


def test_what_could_not_be_asked_is_told_once() -> None:
    """A service that does not answer has a line already; a token that is not accepted has not."""
    away = a_process("tracking", fault="does not answer")
    said = found(away, unanswered={"tracking": "does not answer", "dispatch-email": "the token is not accepted"})

    assert ("FAULT", "the token is not accepted") == said["dispatch-email"]
    assert "FAULT" == said["tracking"][0]


@pytest.mark.parametrize(("free", "mark"), [(20.0, "ok"), (5.0, "look"), (0.5, "FAULT")])
def test_a_disk_that_fills_up_is_seen(free: float, mark: str) -> None:
    """Print files and the embedded database need room."""
    assert mark == _disk(Path("/data"), 100 * 2**30, 0, int(free * 2**30)).mark


def test_a_weak_log_is_looked_at_and_a_wrong_one_is_a_fault() -> None:
    """One copy works until its broker is lost; a copy that is behind is a broker that is away."""
    said = list(durability_findings(Durability("2 topics", ("one copy",), ("behind",))))

    assert [Finding("durability", ok=False, words="behind"), "look"] == [said[0], said[1].mark]
    assert ["ok"] == [one.mark for one in durability_findings(Durability("2 topics"))]


@pytest.mark.parametrize(("seconds", "words"), [(0, "0s"), (75, "1m 15s"), (86_400 * 3 + 7_300, "3d 2h")])
def test_times_are_told_in_two_units(seconds: float, words: str) -> None:
    """Nobody reads seconds by the ten thousand."""
    assert words == age(seconds)
