"""What tracking hears, as it comes in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from notification.topics import (
    DELIVERIES_ATTEMPTED,
    NOTICES_EXHAUSTED,
    NOTICES_REATTEMPTED,
    NOTICES_SUPERSEDED,
    PAUSES_OBSERVED,
    RECEIPTS_RECEIVED,
    TOPIC,
    TOTALS_CHANGED,
)
from notification.v1 import deduplication_pb2, dispatch_pb2, routing_pb2

from services.core.channel import channel_named
from services.core.ids import ID_BYTES
from services.core.ledger import COUNTERS
from services.core.notices import Notices
from services.core.receipts import Receipt
from services.core.rooms import STAGES
from services.core.status import AttemptState, unprintable_fields
from services.core.synthetic import is_synthetic
from services.kit.errors import InvalidMessage
from services.kit.eventlog import Record
from services.kit.stage import TotalsRow
from services.tracking.domain import Observed, Outcomes, Refusals, State, Superseded
from services.tracking.errors import UnknownWordError
from services.wire.columns import SMALL, check_names, column, moment, parse, picked, split_ids
from services.wire.notices import notices_from_wire
from services.wire.receipts import decode_received
from services.wire.totals import decode_totals

__all__ = ["TOPICS", "Work", "decode"]

# What the stages that send totals count.
_COUNTERS = {stage: frozenset(COUNTERS[STAGES[stage]]) for stage in TOPIC[TOTALS_CHANGED].producers}
_REFUSED = int(AttemptState.REFUSED)
_FOR_GOOD = 2**31 - 1  # the highest mark: what a block without marks means
# What an outcome comes to, as a table for whole columns.
_STATES = bytes.maketrans(
    bytes((AttemptState.ACCEPTED, AttemptState.REFUSED, AttemptState.UNKNOWN)),
    bytes((State.ACCEPTED, State.UNHEARD, State.UNKNOWN)),
)
_OUTCOMES = {
    "accepted": int(AttemptState.ACCEPTED),
    "refused": int(AttemptState.REFUSED),
    "unknown": int(AttemptState.UNKNOWN),
}


@dataclass(slots=True)
class Work:
    """One block as it was understood, and how many events of which kind were in it."""

    notices: Outcomes | Superseded | None = None
    refusals: Refusals | None = None
    observed: Observed | None = None
    totals: list[TotalsRow] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    source: str = ""  # the partition, where there are receipts
    arrived: list[bytes] = field(default_factory=list)  # members who are synthetic people
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many events are in it, for traces."""
        return sum(self.kinds.values())


def decode(record: Record) -> Work:
    """Read one block. Raises InvalidMessage, of which UnknownWordError is one kind."""
    reader = _READERS.get(record.topic)
    if reader is None:
        raise InvalidMessage("unexpected-topic")
    return reader(record)


def _attempted(record: Record) -> Work:
    wire = parse(dispatch_pb2.DeliveriesAttempted(), record.value)
    if is_synthetic(wire.incident_id):  # none of it is counted: the sink tells of who arrived
        return Work(arrived=split_ids(wire.members, len(wire.ids) // ID_BYTES))
    ids = split_ids(wire.ids, len(wire.ids) // ID_BYTES)
    count = len(ids)
    outcomes = wire.outcomes
    if len(outcomes) != count:
        raise InvalidMessage("column-length")
    if not set(outcomes) <= set(_OUTCOMES.values()):
        raise UnknownWordError("unknown-outcome")
    block = Outcomes(
        source=str(record.partition),
        channel=_channel(wire.channel),
        at=moment(wire.at),
        scopes=_picked_scopes(wire, count),
        notices=ids,
        members=split_ids(wire.members, count),
        revisions=column(wire.revisions, count),
        states=list(outcomes.translate(_STATES)),
        attempts=column(wire.attempts, count, SMALL),
    )
    kinds = {kind: outcomes.count(number) for kind, number in _OUTCOMES.items()}
    # A refusal decides nothing: routing sends the notice on, or says that it is exhausted. Stop rules count it.
    refused = [row for row, outcome in enumerate(outcomes) if outcome == _REFUSED] if kinds["refused"] else []
    return Work(block.parted(refused)[0], _refusals(block, refused), kinds=kinds)


def _refusals(block: Outcomes, rows: list[int]) -> Refusals | None:
    if not rows:
        return None
    scopes, notices, attempts = block.scopes, block.notices, block.attempts
    return Refusals(
        block.source,
        block.channel,
        scopes=[scopes[row] for row in rows],
        notices=[notices[row] for row in rows],
        attempts=[attempts[row] for row in rows],
    )


def _exhausted(record: Record) -> Work:
    wire = parse(routing_pb2.NoticesExhausted(), record.value)
    state = State.EXHAUSTED if unprintable_fields(wire.reason) is None else State.UNPRINTABLE
    return _all_in(state, notices_from_wire(wire.notices), record)


def _reattempted(record: Record) -> Work:
    notices = notices_from_wire(parse(routing_pb2.NoticesReattempted(), record.value).notices)
    return _all_in(State.REATTEMPTED, notices, record)


def _all_in(state: State, notices: Notices, record: Record) -> Work:
    """Return what a block of routing's says, whose notices are all in one state."""
    if is_synthetic(notices.incident_id):
        return Work()
    count = len(notices)
    block = Outcomes(
        source=str(record.partition),
        channel=0,
        at=record.at,
        scopes=_scopes(notices.incident_id, notices.cohorts),
        notices=notices.ids,
        members=notices.members,
        revisions=notices.revisions,
        states=[int(state)] * count,
        attempts=notices.attempts,
    )
    return Work(block, kinds={state.name.lower(): count})


def _superseded(record: Record) -> Work:
    wire = parse(deduplication_pb2.NoticesSuperseded(), record.value)
    if is_synthetic(wire.incident_id):
        return Work()
    ids = split_ids(wire.ids, len(wire.ids) // ID_BYTES)
    scopes = _picked_scopes(wire, len(ids))
    marks = column(wire.marks, len(ids)) if wire.marks else [_FOR_GOOD] * len(ids)
    return Work(Superseded(str(record.partition), record.at, scopes, ids, marks), kinds={"superseded": len(ids)})


def _totals(record: Record) -> Work:
    totals = decode_totals(record.value)
    for row in totals:
        if not row.counts.keys() <= _COUNTERS.get(row.stage, frozenset()):
            raise UnknownWordError("unknown-counter")
    counted = [row for row in totals if not is_synthetic(row.scope.partition("/")[0])]
    return Work(totals=counted, kinds={"totals": len(counted)})


def _observed(record: Record) -> Work:
    wire = parse(dispatch_pb2.PausesObserved(), record.value)
    if not (wire.incident_id and wire.pause_id):
        raise InvalidMessage("no-pause")
    check_names(wire.incident_id, *wire.pause_id.rsplit(".", 1))
    ids = split_ids(wire.ids, len(wire.ids) // ID_BYTES)
    attempts = column(wire.attempts, len(ids), SMALL)
    observed = Observed(wire.incident_id, wire.pause_id, _channel(wire.channel), record.partition, ids, attempts)
    return Work(observed=observed, kinds={"pauses": 1})


def _received(record: Record) -> Work:
    receipts = decode_received(record)
    return Work(receipts=receipts, source=str(record.partition), kinds={"receipts": len(receipts)})


def _picked_scopes(
    wire: dispatch_pb2.DeliveriesAttempted | deduplication_pb2.NoticesSuperseded, count: int
) -> list[str]:
    check_names(*wire.cohort_ids)
    return picked(_scopes(wire.incident_id, wire.cohort_ids), wire.cohorts, count)


def _scopes(incident_id: str, cohorts: Sequence[str]) -> list[str]:
    if not incident_id:
        raise InvalidMessage("no-incident")
    check_names(incident_id)
    scopes = {cohort: f"{incident_id}/{cohort}" for cohort in set(cohorts)}
    return [scopes[cohort] for cohort in cohorts]


def _channel(name: str) -> int:
    try:
        return int(channel_named(name))
    except KeyError:
        raise UnknownWordError("unknown-channel") from None


_READERS: dict[str, Callable[[Record], Work]] = {
    DELIVERIES_ATTEMPTED: _attempted,
    NOTICES_EXHAUSTED: _exhausted,
    NOTICES_REATTEMPTED: _reattempted,
    NOTICES_SUPERSEDED: _superseded,
    TOTALS_CHANGED: _totals,
    PAUSES_OBSERVED: _observed,
    RECEIPTS_RECEIVED: _received,
}
TOPICS = tuple(_READERS)
