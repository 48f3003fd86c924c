"""Every metric of dispatch that is its own; those that all stages have are in `kit.metrics`."""

from collections import Counter as Tally
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.core.channel import Channel

__all__ = ["DispatchMetrics"]

# From a portal message a tenth of a second after its upload to a letter that waited a week for its release.
_NOTICE_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400, 259200, 604800)
# A round is aimed at half a second; a hanging provider is given up after two minutes.
_ROUND_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class DispatchMetrics:
    """Counters with their children bound once; moved once a round, never once a notice."""

    def __init__(self, registry: CollectorRegistry, channel: Channel, provider: str) -> None:
        attempts = Counter(
            "dispatch_attempts_total",
            "How hand-overs ended: accepted, refused, unknown, not-sent or not-now (surely not handed over, waits), "
            "repeat (no answer yet; the same again is safe).",
            ["channel", "provider", "outcome"],
            registry=registry,
        )
        outcomes = ("accepted", "refused", "unknown", "not-sent", "not-now", "repeat")
        self._attempts = {outcome: attempts.labels(channel.label, provider, outcome) for outcome in outcomes}
        self._notice_seconds = Histogram(
            "dispatch_notice_seconds",
            "Time from a member's acceptance to the hand-over of its notice.",
            ["channel"],
            buckets=_NOTICE_BUCKETS,
            registry=registry,
        ).labels(channel.label)
        self.round_seconds = Histogram(
            "dispatch_round_seconds",
            "Time in which a provider took one round: a print batch, or some hundreds of messages.",
            ["channel", "provider"],
            buckets=_ROUND_BUCKETS,
            registry=registry,
        ).labels(channel.label, provider)
        self.repeated = Counter(
            "dispatch_repeated_total",
            "Hand-overs that were begun before and are made again, as the provider knows our id.",
            ["channel", "provider"],
            registry=registry,
        ).labels(channel.label, provider)
        self.paused = Gauge(
            "dispatch_provider_paused", "1 while the provider takes nothing and is left alone.", ["channel"],
            registry=registry,
        ).labels(channel.label)  # fmt: skip

    def count(self, outcomes: Iterable[str]) -> None:
        """Count a round's outcomes, after its commit."""
        for outcome, number in Tally(outcomes).items():
            self._attempts[outcome].inc(number)

    def handed_over(self, accepted_at: Sequence[int], now: int) -> None:
        """Observe how long notices were on their way; times in ms since 1970."""
        observe = self._notice_seconds.observe
        for at in accepted_at:
            observe((now - at) / 1000)
