"""Every metric of routing that is its own; those that all stages have are in `kit.metrics`."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter

from services.core.channel import CHANNELS, Channel

__all__ = ["RoutingMetrics"]


class RoutingMetrics:
    """Counters with their children bound once; moved once a block, never once a notice."""

    def __init__(self, registry: CollectorRegistry) -> None:
        notices = Counter(
            "routing_notices_total",
            "Notices by the channel they were sent to, each attempt counted; none = no channel left, or unprintable.",
            ["channel"],
            registry=registry,
        )
        self._channels: dict[Channel | None, Counter] = {channel: notices.labels(channel.label) for channel in CHANNELS}
        self._channels[None] = notices.labels("none")
        passed = Counter(
            "routing_passed_over_total",
            "Notices whose next channel a newer version of their incident has closed: they take another, or none.",
            ["channel"],
            registry=registry,
        )
        self._passed = {channel: passed.labels(channel.label) for channel in CHANNELS}

    def count(self, channel: Channel | None, notices: int) -> None:
        """Count a block's notices that went the same way."""
        self._channels[channel].inc(notices)

    def count_passed(self, notices: Mapping[Channel, int]) -> None:
        """Count a block's notices that passed over a channel, by that channel."""
        for channel, count in notices.items():
            self._passed[channel].inc(count)
