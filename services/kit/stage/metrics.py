"""Metrics that every stage has, and the buckets they share."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = [
    "BATCH_BUCKETS",
    "StageMetrics",
]

# A batch is a few milliseconds of work; past ten seconds the lease is in danger.
BATCH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class StageMetrics:
    """What a stage counts, named after its room; children are bound once."""

    def __init__(self, room: str, registry: CollectorRegistry) -> None:
        self.batch_seconds = Histogram(
            f"{room}_batch_seconds",
            "Time from the first decode of a batch to its commit.",
            buckets=BATCH_BUCKETS,
            registry=registry,
        )
        self.oldest_unprocessed_seconds = Gauge(
            f"{room}_oldest_unprocessed_seconds",
            "Age of the oldest block that is read but not yet committed; 0 when there is none.",
            registry=registry,
        )
        self.stopped_partitions = Gauge(
            f"{room}_stopped_partitions",
            "Partitions that stand still until a human looks: alert on any.",
            registry=registry,
        )
        self.owned_partitions = Gauge(
            f"{room}_owned_partitions", "Partitions that this process owns now.", registry=registry
        )
        self.records = Counter(f"{room}_blocks_total", "Blocks committed.", registry=registry)
        self.repeated = Counter(
            f"{room}_repeated_blocks_total", "Blocks that came again and were dropped.", registry=registry
        )
        self._dead_letters = Counter(
            f"{room}_dead_letters_total", "Records set aside, by reason.", ["reason"], registry=registry
        )
        self._bound: dict[str, Counter] = {}

    def dead_letters(self, reason: str) -> Counter:
        """Return the counter of dead letters for a reason code."""
        child = self._bound.get(reason)
        if child is None:
            child = self._bound[reason] = self._dead_letters.labels(reason)
        return child
