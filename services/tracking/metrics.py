"""Every metric of tracking that is its own; those that all stages have are in `kit.metrics`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.tracking.domain import KINDS, Verdict
from services.tracking.ledger import Ledger, Line

__all__ = ["LedgerMetrics", "TrackingMetrics", "VerificationMetrics"]

# More cohorts than a dashboard can show; those beyond are added up per incident, so that series stay few.
_MAX_COHORTS = 200
_OTHERS = "_others"  # no cohort can have this id


class TrackingMetrics:
    """Counters with their children bound once; moved once a block, never once a notice."""

    def __init__(self, registry: CollectorRegistry) -> None:
        events = Counter(
            "tracking_events_total",
            "Events heard, by kind; a repeat counts again. accepted, refused, unknown: hand-overs; "
            "exhausted, reattempted, superseded: notices; totals: counts of other stages.",
            ["kind"],
            registry=registry,
        )
        self._kinds = {kind: events.labels(kind) for kind in KINDS}

    def count(self, kinds: Mapping[str, int]) -> None:
        """Count a block's events."""
        for kind, events in kinds.items():
            self._kinds[kind].inc(events)


class VerificationMetrics:
    """What people who verify a notice were told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        verifications = Counter(
            "tracking_verifications_total",
            "References that people asked about, by what they were told. unknown: of no notice of ours, so many of "
            "them say that somebody sends false ones; too-often: refused, because too many were asked about.",
            ["verdict"],
            registry=registry,
        )
        self._verdicts = {verdict: verifications.labels(verdict) for verdict in Verdict}

    def count(self, verdict: Verdict) -> None:
        """Count one answer."""
        self._verdicts[verdict].inc()


class LedgerMetrics(Collector):
    """The ledger as gauges. Made anew at every scrape from the ledgers last seen: no series outlives its cohort."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ledgers: Sequence[Ledger] = ()
        self._aware: Mapping[str, float] = {}
        self._now = 0
        registry.register(self)

    def show(self, ledgers: Sequence[Ledger], now: int, aware: Mapping[str, float] | None = None) -> None:
        """Show these from now on.

        `now` is ms since 1970; `aware` is when the controller became aware, by incident, in seconds since 1970.
        """
        self._ledgers, self._now, self._aware = ledgers, now, aware or {}

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the metrics."""
        return self._families()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the gauges."""
        members, oldest, unbalanced, aware = self._families()
        for incident_id, cohort_id, figures in _bounded(self._ledgers):
            for disposition, count in figures.items():
                members.add_metric([incident_id, cohort_id, disposition], count)
        for ledger in self._ledgers:
            waiting = [c.first_at for c in ledger.cohorts if c.waiting > 0 and c.first_at is not None]
            oldest.add_metric([ledger.incident_id], (self._now - min(waiting, default=self._now)) / 1000)
            unbalanced.add_metric([ledger.incident_id], sum(not c.balanced for c in ledger.cohorts))
            if ledger.incident_id in self._aware:
                aware.add_metric([ledger.incident_id], self._aware[ledger.incident_id])
        return members, oldest, unbalanced, aware

    @staticmethod
    def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily(
                "tracking_cohort_members",
                f"Declared members by where they stand; beyond {_MAX_COHORTS} cohorts, cohort is {_OTHERS}.",
                labels=["incident", "cohort", "disposition"],
            ),
            GaugeMetricFamily(
                "tracking_oldest_uninformed_seconds",
                "Age of the oldest cohort with somebody in flight or held, from when intake counted its first record: "
                "an upper bound of how long anybody accepted has waited. 0 = nobody waits.",
                labels=["incident"],
            ),
            GaugeMetricFamily(
                "tracking_unbalanced_cohorts",
                "Cohorts whose ledger does not balance although nothing is on the way: alert on any.",
                labels=["incident"],
            ),
            GaugeMetricFamily(
                "tracking_incident_aware_timestamp_seconds",
                "When the controller became aware of the breach: from then on the time of article 34 GDPR runs.",
                labels=["incident"],
            ),
        )


def _figures(line: Line) -> dict[str, int]:
    """Return the declared members of a line by where they stand."""
    accepted = {disposition.value: members for disposition, members in line.standing().items()}
    return accepted | {"rejected": line.rejected, "missing": line.missing}


def _bounded(ledgers: Sequence[Ledger]) -> Iterator[tuple[str, str, dict[str, int]]]:
    left = _MAX_COHORTS
    for ledger in ledgers:
        for cohort in ledger.cohorts[:left]:
            yield ledger.incident_id, cohort.cohort_id, _figures(cohort.line)
        if others := ledger.cohorts[left:]:
            yield ledger.incident_id, _OTHERS, _figures(sum((cohort.line for cohort in others), Line()))
        left = max(0, left - len(ledger.cohorts))
