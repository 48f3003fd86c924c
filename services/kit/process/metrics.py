"""The registry of a process, with the figures that every process has."""

import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from platform import python_version

from cryptography import x509
from prometheus_client import CollectorRegistry, Info, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from services.core.version import this_commit, this_version
from services.kit.process.health import Health

__all__ = ["CertificateMetrics", "FolderMetrics", "ReadyMetrics", "new_registry"]

# Series that say when another series began: twice as many, and no query of ours asks for them.
disable_created_metrics()  # type: ignore[no-untyped-call]
_LOOK_EVERY = 10.0  # seconds between two looks at files and disks, however often it is scraped


def new_registry() -> CollectorRegistry:
    """Return a registry with the process's own figures (memory, CPU, file descriptors), and which Heraut it is."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    which = {"version": this_version(), "commit": this_commit(), "python": python_version()}
    Info("heraut_build", "Which Heraut runs.", registry=registry).info(which)
    return registry


class ReadyMetrics(Collector):
    """What `/readyz` says, as a gauge: whoever is not asked by a balancer is still seen by an alert."""

    def __init__(self, room: str, health: Health, registry: CollectorRegistry) -> None:
        self._room, self._health = room, health
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the metric."""
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauge of each part, and of all of them."""
        family = self._family()
        for part, ready in self._health.parts().items():
            family.add_metric([part], float(ready))
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            f"{self._room}_ready", "1 while the part can do its work; all = what /readyz says.", labels=["part"]
        )


class _Looked(Collector):
    """A gauge of files or folders that is looked up seldom."""

    def __init__(self, about: tuple[str, str, str], places: Mapping[str, Path], registry: CollectorRegistry) -> None:
        """Make it; `about`: its name, what it says, and its label, whose values are the names of the places."""
        self._about = about
        self._places = places
        self._values: dict[str, float] = {}
        self._look_at = 0.0
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the metric."""
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauge; of what cannot be read there is none."""
        if time.monotonic() >= self._look_at:
            self._values = dict(self._look())
            self._look_at = time.monotonic() + _LOOK_EVERY
        family = self._family()
        for name, value in self._values.items():
            family.add_metric([name], value)
        return [family]

    def _look(self) -> Iterable[tuple[str, float]]:
        for name, path in self._places.items():
            try:
                yield name, self._value(path)
            except (OSError, ValueError):
                continue

    def _value(self, path: Path) -> float:
        raise NotImplementedError

    def _family(self) -> GaugeMetricFamily:
        name, says, label = self._about
        return GaugeMetricFamily(name, says, labels=[label])


class CertificateMetrics(_Looked):
    """Until when the certificates hold that a process shows."""

    def __init__(self, room: str, certificates: Mapping[str, Path | None], registry: CollectorRegistry) -> None:
        """Watch certificates in PEM files, each by a name of ours; None = it has none."""
        about = f"{room}_certificate_expires_timestamp_seconds", "Until when our certificate holds.", "certificate"
        super().__init__(about, {name: path for name, path in certificates.items() if path is not None}, registry)

    def _value(self, path: Path) -> float:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()


class FolderMetrics(_Looked):
    """How much of its disk each folder of ours may still use."""

    def __init__(self, room: str, folders: Mapping[str, Path], registry: CollectorRegistry) -> None:
        """Watch the disks that these folders are on."""
        about = f"{room}_disk_free_ratio", "Share of the folder's disk that is free.", "folder"
        super().__init__(about, folders, registry)

    def _value(self, path: Path) -> float:
        usage = shutil.disk_usage(path)
        return usage.free / usage.total
