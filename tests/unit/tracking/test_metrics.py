"""The ledger's gauges: where members stand, how long the oldest waits, and never more series than bounded."""

from prometheus_client import CollectorRegistry

from services.core.ledger import HoldReason
from services.tracking.ledger import NO_HOLDS, CohortLine, Holds, Ledger, Line
from services.tracking.metrics import LedgerMetrics


def a_line(cohort_id: str, line: Line, first_at: int | None = None, *, balanced: bool = True) -> CohortLine:
    """Return a cohort's line."""
    return CohortLine(cohort_id, "", line, balanced, first_at)


def unreleased(members: int) -> Holds:
    """Return so many members that wait for a release."""
    return {**NO_HOLDS, HoldReason.UNRELEASED: members}


def gauges(*ledgers: Ledger, now: int = 0, aware: dict[str, float] | None = None) -> CollectorRegistry:
    """Return a registry that shows these ledgers."""
    registry = CollectorRegistry()
    LedgerMetrics(registry).show(ledgers, now, aware)
    return registry


def test_members_are_shown_by_disposition() -> None:
    """Everybody declared is in one of the series."""
    line = Line(
        declared=30,
        received=20,
        missing=10,
        rejected=1,
        accepted=19,
        notified=12,
        merged=3,
        in_flight=2,
        holds=unreleased(2),
    )
    registry = gauges(Ledger("lab", "", (a_line("c", line),)))

    shown = {
        sample.labels["disposition"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "tracking_cohort_members"
    }
    expected = {"notified": 12, "merged": 3, "suppressed": 0, "withdrawn": 0, "held": 2, "inFlight": 2, "exhausted": 0}
    assert expected | {"rejected": 1, "missing": 10} == shown


def test_the_oldest_uninformed_is_of_a_cohort_where_somebody_waits() -> None:
    """A cohort that came to its end makes nobody wait; one with somebody held or in flight does."""
    done = a_line("done", Line(accepted=5, notified=5), 1_000)
    flying = a_line("flying", Line(accepted=5, notified=4, in_flight=1), 40_000)
    held = a_line("held", Line(accepted=5, holds=unreleased(5)), 30_000)
    registry = gauges(Ledger("lab", "", (done, flying, held)), Ledger("calm", "", (done,)), now=90_000)

    name = "tracking_oldest_uninformed_seconds"
    assert 60 == registry.get_sample_value(name, {"incident": "lab"})
    assert 0 == registry.get_sample_value(name, {"incident": "calm"})


def test_cohorts_that_do_not_balance_are_counted() -> None:
    """An alert needs one number."""
    lines = (a_line("a", Line(), balanced=False), a_line("b", Line()))

    assert 1 == gauges(Ledger("lab", "", lines)).get_sample_value("tracking_unbalanced_cohorts", {"incident": "lab"})


def test_series_stay_few_and_nobody_is_left_out() -> None:
    """Cohorts beyond the bound are added up."""
    lines = tuple(a_line(f"c{n}", Line(notified=1)) for n in range(500))
    more = Ledger("more", "", (a_line("x", Line(notified=7)),))
    registry = gauges(Ledger("lab", "", lines), more)

    families = {family.name: family.samples for family in registry.collect()}
    notified = [s for s in families["tracking_cohort_members"] if s.labels["disposition"] == "notified"]
    assert 202 == len(notified)
    assert 507 == sum(sample.value for sample in notified)


def test_the_clock_of_an_incident_is_shown() -> None:
    """It runs from when the controller became aware; an incident that is not known has none."""
    registry = gauges(Ledger("lab", "", ()), Ledger("other", "", ()), aware={"lab": 1_000.5})

    name = "tracking_incident_aware_timestamp_seconds"
    assert 1_000.5 == registry.get_sample_value(name, {"incident": "lab"})
    assert registry.get_sample_value(name, {"incident": "other"}) is None
