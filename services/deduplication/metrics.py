"""What deduplication counts, beside what every stage counts (`services.kit.metrics`)."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from services.deduplication.domain import COUNTERS

__all__ = ["Metrics"]


class Metrics:
    """The room's catalogue; children are bound once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        members = Counter(
            "deduplication_members_total",
            "How often a member came to stand somewhere; one that moves counts again, as does a batch tried again.",
            ["outcome"],
            registry=registry,
        )
        self._outcomes = [members.labels(outcome) for outcome in COUNTERS]

    def count(self, entered: Sequence[int]) -> None:
        """Count members by where they came to stand, in the order of COUNTERS."""
        for outcome, count in zip(self._outcomes, entered, strict=True):
            if count:
                outcome.inc(count)
