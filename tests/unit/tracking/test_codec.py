"""What tracking hears is understood whole, or not at all."""

import pytest
from google.protobuf.message import Message
from notification import topics
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2

from services.core.ledger import COUNTERS
from services.core.rooms import STAGES
from services.core.synthetic import SYNTHETIC_INCIDENT
from services.kit.errors import InvalidMessage
from services.kit.eventlog.port import Record
from services.kit.stage.totals import TotalsRow
from services.tracking.codec import Work, decode
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


def test_synthetic_people_arrive_and_are_counted_nowhere() -> None:
    """Of what other rooms say of their incident, it is heard who came through, and nothing else."""
    attempted = dispatch_pb2.DeliveriesAttempted(incident_id=SYNTHETIC_INCIDENT, ids=b"n" * 16, members=b"m" * 16)
    superseded = deduplication_pb2.NoticesSuperseded(incident_id=SYNTHETIC_INCIDENT, ids=b"n" * 16)
    exhausted = routing_pb2.NoticesExhausted()
    exhausted.notices.incident_id, exhausted.notices.incident_version = SYNTHETIC_INCIDENT, 1
    blocks: dict[str, Message] = {
        topics.DELIVERIES_ATTEMPTED: attempted,
        topics.NOTICES_SUPERSEDED: superseded,
        topics.NOTICES_EXHAUSTED: exhausted,
    }
    heard = [decode(Record(topic, 0, 0, "x", 1, 0, block.SerializeToString())) for topic, block in blocks.items()]
    totals = TotalsRow("intake", "0", f"{SYNTHETIC_INCIDENT}/people", 1, {"received": 1}, 5)
    counted = decode(a_record(totals, a_row("intake", "received")))

    assert [Work(arrived=[b"m" * 16]), Work(), Work()] == heard
    assert [a_row("intake", "received")] == counted.totals
