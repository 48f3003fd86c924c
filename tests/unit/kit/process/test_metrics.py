"""What a process shows of itself: its readiness, its certificates, its disk."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from services.kit.process.health import Health
from services.kit.process.metrics import CertificateMetrics, FolderMetrics, ReadyMetrics, new_registry
from services.kit.testing import FakeClock
from tests.certificates import made_certificates


def _ready(registry: CollectorRegistry) -> dict[str, float]:
    (family,) = registry.collect()
    return {sample.labels["part"]: sample.value for sample in family.samples}


def test_each_part_and_the_whole_are_shown() -> None:
    """A part that is not ready, and one that missed its beat, make the process unready."""
    clock, registry = FakeClock(), CollectorRegistry()
    health = Health("intake", clock)
    ReadyMetrics("intake", health, registry)
    health.set_ready("stage", ready=True)
    health.expect("sender", 10)
    well = _ready(registry)
    clock.advance(11)
    late = _ready(registry)
    health.beat("sender")
    health.set_ready("stage", ready=False)
    waiting = _ready(registry)
    health.set_ready("stage", ready=True)
    health.drain()

    assert {"sender": 1, "stage": 1, "all": 1} == well
    assert {"sender": 0, "stage": 1, "all": 0} == late
    assert {"sender": 1, "stage": 0, "all": 0} == waiting
    assert {"sender": 1, "stage": 1, "all": 0} == _ready(registry)


def test_it_is_shown_until_when_a_certificate_holds(tmp_path: Path) -> None:
    """Of one that cannot be read there is no figure, and no scrape fails by it."""
    made, registry = made_certificates(tmp_path), CollectorRegistry()
    gone = tmp_path / "gone.pem"
    CertificateMetrics("intake", {"http": made.certificate, "kafka": gone, "portal": None}, registry)
    name = "intake_certificate_expires_timestamp_seconds"
    until = registry.get_sample_value(name, {"certificate": "http"})

    assert until is not None
    assert datetime.now(UTC) < datetime.fromtimestamp(until, UTC) < datetime.now(UTC) + timedelta(days=4000)
    assert (None, None) == tuple(registry.get_sample_value(name, {"certificate": one}) for one in ("kafka", "portal"))


def test_the_free_share_of_a_disk_is_shown(tmp_path: Path) -> None:
    """A folder that is not there yet has none."""
    registry = CollectorRegistry()
    FolderMetrics("dispatch", {"print": tmp_path, "data": tmp_path / "none"}, registry)
    free = registry.get_sample_value("dispatch_disk_free_ratio", {"folder": "print"})

    assert free is not None
    assert 0 <= free <= 1
    assert registry.get_sample_value("dispatch_disk_free_ratio", {"folder": "data"}) is None


def test_it_is_shown_which_heraut_runs() -> None:
    """Version, commit and Python, so that a roll-out is seen."""
    (line,) = [line for line in generate_latest(new_registry()).decode().splitlines() if "heraut_build_info{" in line]

    assert all(f'{label}="' in line for label in ("version", "commit", "python"))
