"""What deduplication counts, beside what every stage counts (`services.kit.metrics`)."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter

from services.core.ledger import COUNTERS

__all__ = ["Metrics"]


class Metrics:
    """The room's catalogue; children are bound once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        members = Counter(
            "deduplication_members_total",
            "How often a member came to stand somewhere; one that moves counts again, as does a batch tried again. "
            "conflicting: wherever it stands, its identity is somebody else's too. uncorrected: it told somebody what "
            "is not theirs, and nobody could be told so. bare_joined: it joined others by its identity alone.",
            ["outcome"],
            registry=registry,
        )
        self._outcomes = {counter: members.labels(counter) for counter in COUNTERS["deduplication"]}

    def count(self, entered: Mapping[str, int]) -> None:
        """Count members by the counter that they came to stand in."""
        for counter, members in entered.items():
            self._outcomes[counter].inc(members)
