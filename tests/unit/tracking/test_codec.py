"""What tracking hears is understood whole, or not at all."""

import pytest
from notification import topics

from services.core.ledger import COUNTERS
from services.core.rooms import STAGES
from services.kit.errors import InvalidMessage
from services.kit.eventlog.port import Record
from services.kit.stage.totals import TotalsRow
from services.tracking.codec import decode
from services.wire.totals import encode_totals


def a_record(*rows: TotalsRow) -> Record:
    """Return a block of totals as the log gives it."""
    return Record(topics.TOTALS_CHANGED, 0, 0, "somebody", 1, 0, encode_totals(rows))


def a_row(stage: str, *counters: str) -> TotalsRow:
    """Return a stage's totals of one cohort."""
    return TotalsRow(stage, "0", "lab/c", 1, dict.fromkeys(counters, 1), 5)


def test_every_counter_of_the_stages_that_send_totals_is_understood() -> None:
    """All words of intake, deduplication and dispatch are taken."""
    rows = [a_row(stage, *COUNTERS[STAGES[stage]]) for stage in topics.TOPIC[topics.TOTALS_CHANGED].producers]

    assert rows == decode(a_record(*rows)).totals


@pytest.mark.parametrize(
    "row",
    [
        a_row("deduplication", "released", "held_later"),
        a_row("deduplication", "received"),  # a word of intake's
        a_row("somebody", "released"),
        a_row("tracking", "notified"),  # tracking counts for itself
    ],
    ids=["unknown-word", "word-of-another-stage", "unknown-stage", "own-stage"],
)
def test_a_counter_that_is_not_known_is_refused(row: TotalsRow) -> None:
    """Leaving it out would show people as in flight who are not, and the ledger would balance."""
    with pytest.raises(InvalidMessage, match="unknown-counter"):
        decode(a_record(a_row("intake", "received"), row))
