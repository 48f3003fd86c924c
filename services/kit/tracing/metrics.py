"""What becomes of spans."""

from prometheus_client import CollectorRegistry, Counter

__all__ = ["SpanMetrics"]


class SpanMetrics:
    """Counts spans; children are bound once, and are 0 where nobody traces."""

    def __init__(self, room: str, registry: CollectorRegistry) -> None:
        self.sent = Counter(f"{room}_spans_sent_total", "Spans that the collector took.", registry=registry)
        lost = Counter(
            f"{room}_spans_lost_total",
            "Spans that were lost: there was no room for them (queue-full), or the collector did not take them"
            " (not-taken).",
            ["reason"],
            registry=registry,
        )
        self.queue_full, self.not_taken = lost.labels("queue-full"), lost.labels("not-taken")
