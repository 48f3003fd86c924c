"""Rule 4: what a dashboard shows is what the code counts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.reasons import BROKEN_UPLOADS, dead_letter_reasons
from services.core.rooms import ROOMS
from services.deduplication.metrics import Metrics as DeduplicationMetrics
from services.dispatch.metrics import DispatchMetrics, PrintMetrics, StandingMetrics
from services.intake.metrics import IntakeMetrics
from services.intake.synthetic import SyntheticMetrics
from services.kit.clock import SystemClock
from services.kit.process.health import Health
from services.kit.process.metrics import CertificateMetrics, FolderMetrics, ReadyMetrics, new_registry
from services.kit.process.requests import RequestMetrics
from services.kit.stage.metrics import StageMetrics
from services.kit.tracing.metrics import SpanMetrics
from services.routing.metrics import RoutingMetrics
from services.tracking.metrics import LedgerMetrics, TrackingMetrics, VerificationMetrics

ROOT = Path(__file__).parents[2]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"))
# What a family of this type is called in queries.
_ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
# A name that no bracket follows and that stands in no `by (...)`, `{...}` or `[...]`.
_ASIDE = re.compile(r"(?:\b(?:by|without|on|ignoring)\s*\([^)]*\))|\{[^}]*\}|\[[^\]]*\]")
_OF_ANY_ROOM = re.compile(r'\{__name__=~"\(([a-z|]+)\)(_\w+)"[^}]*\}')
_RECORDED = re.compile(r"\bheraut:[a-z_0-9:]+")
_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b(?!\s*\()")
# A reason as it is raised.
_REASON = re.compile(r'(?:InvalidMessage|InvalidBlockError|InvalidEventError|UnknownWordError)\("([a-z-]+)"')
# Said to who replays dead letters, and never of a block.
_OF_REPLAYS = {"dead-letter-without-origin", "too-large-to-send-back"}


def _registry() -> CollectorRegistry:
    """Return one registry with everything that any process counts."""
    registry = new_registry()
    for room in ROOMS:
        StageMetrics(room, registry)
        RequestMetrics(room, registry)
        ReadyMetrics(room, Health(room, SystemClock()), registry)
        CertificateMetrics(room, {}, registry)
        FolderMetrics(room, {}, registry)
        SpanMetrics(room, registry)
    for room_metrics in (
        IntakeMetrics,
        DeduplicationMetrics,
        RoutingMetrics,
        TrackingMetrics,
        LedgerMetrics,
        VerificationMetrics,
    ):
        room_metrics(registry)
    SyntheticMetrics(registry, [Channel.LETTER], 1)
    DispatchMetrics(registry, Channel.LETTER, "print")
    StandingMetrics(registry, Channel.LETTER)
    PrintMetrics(registry, "print")
    return registry


def _names(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        for ending in _ENDINGS.get(family.type, ("",)):
            yield family.name + ending


def _rules(path: Path) -> Iterator[dict[str, str]]:
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def _queries(path: Path) -> Iterator[str]:
    """Return the queries of a dashboard or of rules."""
    if path.suffix == ".yml":
        yield from (rule["expr"] for rule in _rules(path))
        return
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def _asked(query: str) -> Iterator[str]:
    """Return the metrics that a query asks for, those of any room by each room's name."""
    for rooms, rest in _OF_ANY_ROOM.findall(query):
        yield from (room + rest for room in rooms.split("|"))
    yield from _NAME.findall(_ASIDE.sub("", _RECORDED.sub("", query)))


@pytest.mark.parametrize("path", [*DASHBOARDS, *RULES], ids=lambda path: path.stem)
def test_every_metric_of_a_dashboard_or_rule_is_counted_by_some_process(path: Path) -> None:
    """No panel stays empty, and no alert silent, because a metric was renamed."""
    asked = {name for query in _queries(path) for name in _asked(query)}
    recorded = {rule["record"] for rules in RULES for rule in _rules(rules) if "record" in rule}

    assert len(asked) > 3
    assert set() == asked - set(_names(_registry()))
    assert set() == {name for query in _queries(path) for name in _RECORDED.findall(query)} - recorded


def test_every_metric_begins_with_its_room() -> None:
    """A name says which room counts it; the rest is about the process itself."""
    foreign = {
        name for name in _names(_registry()) if name.split("_")[0] not in {*ROOMS, "heraut", "process", "python"}
    }

    assert set() == foreign


@pytest.mark.parametrize("room", ROOMS)
def test_every_reason_of_a_dead_letter_is_counted_from_nought(room: str) -> None:
    """What code gives as a reason is known where the counters are made."""
    given = {
        reason
        for folder in (room, "kit", "wire")
        for path in (ROOT / "services" / folder).rglob("*.py")
        for reason in _REASON.findall(path.read_text(encoding="utf-8"))
    }

    assert set() == given - _OF_REPLAYS - {*dead_letter_reasons(room)}


def test_every_reason_of_a_broken_upload_is_counted_from_nought() -> None:
    """The first upload that cannot be read is a rise that an alert can see."""
    told = (ROOT / "services" / "intake" / "errors.py").read_text(encoding="utf-8")
    said = re.search(r"`reason`: ([^.]+)\. `line`", told)

    assert said is not None
    assert set(re.split(r", | or ", said[1])) == {*BROKEN_UPLOADS}


def test_no_series_says_when_another_began() -> None:
    """Twice the series would tell nothing more."""
    assert set() == {name for name in _samples(_registry()) if name.endswith("_created")}


def _samples(registry: CollectorRegistry) -> Iterator[str]:
    for family in registry.collect():
        for sample in family.samples:
            yield sample.name
