"""Nothing is traced unless somebody asks for it, and then with what is installed."""

import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry

from services.kit.errors import ConfigError
from services.kit.tracing import NOT_TRACED, Kind, fault_of, open_tracing

URL = "http://127.0.0.1:4318"
_WITHOUT_THE_EXTRA = """
import sys
sys.modules["opentelemetry"] = None
from services.kit.process import main
from services.routing.app import run
from services.routing.config import Config
sys.exit(main("routing", Config, run, ["--check-config"]))
"""


def test_nobody_traces_by_default() -> None:
    """One object for all that is asked of it; its counters stand at 0, as a series that is missing looks like none."""
    registry = CollectorRegistry()
    tracing = open_tracing(None, "routing", "routing", registry)
    span = tracing.begin("routing x", Kind.CONSUMER, (), {})
    with span.here():
        span.end({})

    assert NOT_TRACED is tracing
    assert (False, ()) == (tracing.is_on, span.causes)
    lost = [
        registry.get_sample_value("routing_spans_lost_total", {"reason": why}) for why in ("queue-full", "not-taken")
    ]
    assert lost == [0, 0]


def test_without_the_extra_it_is_a_fault_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the setting and what to install; without the setting nothing is missed."""
    assert fault_of(URL) is None
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    fault = fault_of(URL) or ""

    assert "HERAUT_OTLP_URL" in fault
    assert "heraut[otel]" in fault
    assert fault_of(None) is None
    with pytest.raises(ConfigError, match="heraut"):
        open_tracing(URL, "routing", "routing", CollectorRegistry())


@pytest.mark.parametrize(
    ("given", "said", "status"),
    [
        ({"HERAUT_OTLP_URL": URL}, "heraut[otel]", 2),
        ({"HERAUT_OTLP_URL": "collector:4318"}, "HERAUT_OTLP_URL: must be http://host:port", 2),
        ({"HERAUT_OTLP_URL": "http://collector.example:4318"}, "HERAUT_ALLOW_PLAINTEXT=otlp", 2),
        ({}, "", 0),
    ],
)
def test_a_service_says_what_is_wrong_before_it_starts(given: dict[str, str], said: str, status: int) -> None:
    """`--check-config` of a checkout without the extra; a service itself ends so too."""
    done = subprocess.run(  # noqa: S603 - our own service
        [sys.executable, "-c", _WITHOUT_THE_EXTRA], env=given, check=False, capture_output=True, text=True
    )

    assert (status, True) == (done.returncode, said in done.stderr)


def test_settings_of_opentelemetry_that_are_wrong_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """No span would be sent, and nobody would know why."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "many")

    with pytest.raises(ConfigError, match="OTEL_"):
        open_tracing(URL, "routing", "routing", CollectorRegistry())
