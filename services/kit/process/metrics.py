"""The registry of a process, with the figures that every process has."""

from platform import python_version

from prometheus_client import CollectorRegistry, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from services.core.version import this_commit, this_version

__all__ = ["new_registry"]


def new_registry() -> CollectorRegistry:
    """Return a registry with the process's own figures (memory, CPU, file descriptors), and which Heraut it is."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    which = {"version": this_version(), "commit": this_commit(), "python": python_version()}
    Info("heraut_build", "Which Heraut runs.", registry=registry).info(which)
    return registry
