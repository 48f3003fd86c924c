"""Every metric of routing that is its own; those that all stages have are in `kit.metrics`."""

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

    def count(self, channel: Channel | None, notices: int) -> None:
        """Count a block's notices that went the same way."""
        self._channels[channel].inc(notices)
