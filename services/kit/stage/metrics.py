"""Metrics that every stage has, and the buckets they share."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.core.reasons import dead_letter_reasons

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
        self._waiting(room, registry)
        self._ownership(room, registry)
        self.records = Counter(f"{room}_blocks_total", "Blocks committed.", registry=registry)
        self.repeated = Counter(
            f"{room}_repeated_blocks_total", "Blocks that came again and were dropped.", registry=registry
        )
        self._dead_letters = Counter(
            f"{room}_dead_letters_total", "Records set aside, by reason.", ["reason"], registry=registry
        )
        self._bound = {reason: self._dead_letters.labels(reason) for reason in dead_letter_reasons(room)}

    def _waiting(self, room: str, registry: CollectorRegistry) -> None:
        """Make what shows that something waits, and who is silent."""
        self.oldest_unprocessed_seconds = Gauge(
            f"{room}_oldest_unprocessed_seconds",
            "Age of the oldest block that was read and is not committed, also while an outage has it read again; "
            "0 when there is none.",
            registry=registry,
        )
        self.backlog = Gauge(
            f"{room}_backlog_blocks", "Blocks that the log has and this process did not read yet.", registry=registry
        )
        self.outbox_oldest_seconds = Gauge(
            f"{room}_outbox_oldest_seconds",
            "Age of the oldest block that is committed and not in the log yet; 0 when there is none, and where the log "
            "is in the database.",
            registry=registry,
        )
        heard = Gauge(
            f"{room}_last_heard_timestamp_seconds",
            "When the dependency answered last; 0 = never since the start.",
            ["dependency"],
            registry=registry,
        )
        self._heard = {name: heard.labels(name) for name in ("log", "database")}

    def _ownership(self, room: str, registry: CollectorRegistry) -> None:
        """Make what shows who works on what."""
        self._partitions = Gauge(
            f"{room}_partitions",
            "Partitions of the stage, which owned ones of all its processes add up to.",
            ["stage"],
            registry=registry,
        )
        self.takeovers = Counter(
            f"{room}_takeovers_total",
            "Partitions taken over: at a start, from another process, or anew after an outage.",
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

    def expect(self, stage: str, partitions: int) -> None:
        """Say how many partitions the stage has."""
        self._partitions.labels(stage).set(partitions)

    def hear(self, dependency: str, when: Callable[[], float]) -> None:
        """Ask at every scrape when the dependency (log or database) answered last, in seconds since 1970."""
        self._heard[dependency].set_function(when)

    def dead_letters(self, reason: str) -> Counter:
        """Return the counter of dead letters for a reason code."""
        child = self._bound.get(reason)
        if child is None:
            child = self._bound[reason] = self._dead_letters.labels(reason)
        return child
