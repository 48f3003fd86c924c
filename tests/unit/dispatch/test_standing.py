"""How old the oldest of a queue is."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from services.core.channel import Channel
from services.core.status import AttemptState
from services.dispatch.metrics import StandingMetrics
from services.dispatch.standing import first_seen

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)


def test_what_is_put_off_does_not_get_younger() -> None:
    """Each try begins its state anew; what is handed over is forgotten."""
    later = NOON + timedelta(minutes=5)

    assert {1: NOON, 3: later} == first_seen({1: NOON, 2: NOON}, {1: later, 3: later})


def test_ages_go_on_while_nothing_is_looked_up() -> None:
    """They are of the moment of the scrape: a database that is away makes nothing look young."""
    registry = CollectorRegistry()
    metrics = StandingMetrics(registry, Channel.EMAIL)
    since = datetime.now(UTC) - timedelta(hours=1)
    metrics.show({AttemptState.UNKNOWN: (3, since), AttemptState.TAKEN: (2, since)}, since - timedelta(hours=1))
    metrics.show_runs(1, since)

    def age(state: str) -> float:
        found = registry.get_sample_value("dispatch_open_oldest_seconds", {"channel": "email", "state": state})
        assert found is not None
        return found

    assert [3600, 7200, 0] == [round(age(state), -1) for state in ("unknown", "queued", "under-way")]
    assert age("unknown") < age("unknown")
