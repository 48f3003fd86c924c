"""Rooms count, add up and show under the same words, and words that are stored keep their places."""

from typing import Any

from notification.topics import TOPIC, TOTALS_CHANGED
from prometheus_client import CollectorRegistry

from services.core.ledger import BARE_JOINED, CONFLICTING, COUNTERS, Disposition, HoldReason
from services.core.rooms import ROOMS, STAGES
from services.deduplication.domain import COUNTED_AS
from services.intake.domain import Counts
from services.tracking.api import ledger_json
from services.tracking.ledger import CohortLine, Ledger, Line, Totals, hear, ledger_of
from services.tracking.metrics import LedgerMetrics
from services.tracking.openapi import OPENAPI

# As rows are stored: arrays of numbers in this order. Append what is new, and never insert it.
STORED = {
    "intake": ("received", "rejected", "accepted", "discarded"),
    "deduplication": (
        "released", "merged", "suppressed", "conflicting", "withdrawn", "held_unreleased", "held_unreachable",
        "held_not_at_address", "held_identity_conflict", "held_deceased_conflict", "held_paused", "uncorrected",
        "bare_joined",
    ),
    "dispatch": ("set_aside", "moved_on_portal", "moved_on_email", "moved_on_letter", "held_unprinted"),
    "tracking": (
        "notified", "exhausted", "notices_settled", "held_unprintable", "accepted_portal", "refused_portal",
        "accepted_email", "refused_email", "accepted_letter", "refused_letter",
        "bounced", "returned", "complaints",
    ),
}  # fmt: skip


def test_counters_only_grow_at_their_end() -> None:
    """A stored row is never read under another counter's name."""
    assert dict(COUNTERS) == STORED


def test_every_room_that_counts_uses_the_words_of_core() -> None:
    """What a stage counts is what core says, and each word is one stage's alone."""
    words = [counter for counters in COUNTERS.values() for counter in counters]

    assert {*(STAGES[stage] for stage in TOPIC[TOTALS_CHANGED].producers), "tracking"} == COUNTERS.keys() <= set(ROOMS)
    assert COUNTERS["intake"] == Counts._fields
    assert set(COUNTERS["deduplication"]) == {*COUNTED_AS.values(), CONFLICTING, BARE_JOINED}
    assert len(set(words)) == len(words)


def test_what_a_pause_holds_back_in_dispatch_is_held_and_not_in_flight() -> None:
    """Of seven released members three have their notice set aside; never more than are on their way, in any order."""
    rows = [
        Totals("intake", "lab/c", {"received": 9, "rejected": 0, "accepted": 9, "discarded": 0}, 1),
        Totals("deduplication", "lab/c", {"released": 7, "held_paused": 1}, 1),
        Totals("dispatch-letter", "lab/c", {"set_aside": 2}, 1),
        Totals("dispatch-email", "lab/c", {"set_aside": 1}, 1),
        Totals("tracking", "lab/c", {"notified": 2, "exhausted": 0, "notices_settled": 2}, 1),
    ]
    late = [*rows[:-1], Totals("tracking", "lab/c", {"notified": 6, "exhausted": 0, "notices_settled": 6}, 1)]

    lines = [ledger_of("lab", "", [], hear(one)).totals for one in (rows, late)]

    assert [(4, 3), (2, 1)] == [(line.holds[HoldReason.PAUSED], line.in_flight) for line in lines]
    assert [9, 9] == [sum(line.standing().values()) for line in lines]


def test_who_lies_in_a_rejected_print_job_is_held_and_not_told() -> None:
    """As dispatch counts them, beside those whom a pause holds back; no more than are on their way, in any order."""
    rows = [
        Totals("intake", "lab/c", {"received": 9, "rejected": 0, "accepted": 9, "discarded": 0}, 1),
        Totals("deduplication", "lab/c", {"released": 9}, 1),
        Totals("dispatch-letter", "lab/c", {"set_aside": 1, "held_unprinted": 4}, 1),
        Totals("tracking", "lab/c", {"notified": 4, "exhausted": 0, "notices_settled": 4}, 1),
    ]
    late = [*rows[:-1], Totals("tracking", "lab/c", {"notified": 6, "exhausted": 0, "notices_settled": 6}, 1)]

    heard = [hear(one)["lab/c"] for one in (rows, late)]
    lines = [ledger_of("lab", "", [], {"lab/c": one}).totals for one in heard]

    assert [(4, 1, 0), (3, 0, 0)] == [
        (line.holds[HoldReason.UNPRINTED], line.holds[HoldReason.PAUSED], line.in_flight) for line in lines
    ]
    assert [(True, 9), (True, 9)] == [
        (one.agrees, sum(line.standing().values())) for one, line in zip(heard, lines, strict=True)
    ]


def test_tracking_adds_up_everything_that_deduplication_counts() -> None:
    """One member in each of deduplication's counters: all of them are in the ledger, the held ones by their reason.

    Those that conflict are among them, and counted beside.
    """
    counters = COUNTERS["deduplication"]
    count = len(counters) - 2  # three of them stand beside the others, and one member is intake's alone
    rows = [
        Totals("intake", "lab/c", {"received": count, "rejected": 0, "accepted": count, "discarded": 1}, 1),
        Totals("deduplication", "lab/c", dict.fromkeys(counters, 1), 1),
    ]

    heard = hear(rows)["lab/c"]
    line = ledger_of("lab", "", [], {"lab/c": heard}).totals

    assert (count - 1, True, 1) == (heard.seen, heard.agrees, line.in_flight)
    ours = {reason: int(reason.stage == "deduplication") for reason in HoldReason}
    assert (1, 1, 1, ours) == (line.conflicting, line.uncorrected, line.bare_joined, line.holds)
    assert (count, 2) == (sum(line.standing().values()), line.withdrawn)


def test_answers_metrics_and_openapi_name_the_same_places_and_reasons() -> None:
    """Whoever reads one of tracking's faces reads them all."""
    ledger = Ledger("lab", "", (CohortLine("c", "", Line(), balanced=True, first_at=None),))
    metrics = LedgerMetrics(CollectorRegistry())
    metrics.show([ledger], 0)
    answered: dict[str, Any] = ledger_json(ledger)["totals"]
    described = OPENAPI["components"]["schemas"]["Line"]["properties"]
    shown = {sample.labels.get("disposition") for family in metrics.collect() for sample in family.samples}

    places, reasons = {disposition.value for disposition in Disposition}, {reason.key for reason in HoldReason}
    assert places <= answered.keys() == described.keys()
    assert places <= shown
    assert reasons == answered["heldReasons"].keys() == described["heldReasons"]["properties"].keys()
