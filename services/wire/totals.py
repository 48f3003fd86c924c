"""Counts as they travel between rooms: `heraut.totals.changed.v1`, and the counts that ride along in blocks."""

from collections.abc import Iterable, Sequence

from notification.v1 import common_pb2

from services.kit.errors import InvalidMessage
from services.kit.stage import TotalsRow
from services.wire.columns import MASK, check_names, moment, parse

__all__ = ["decode_totals", "encode_totals", "highest", "totals_from_wire", "totals_to_wire"]


def totals_to_wire(row: TotalsRow) -> common_pb2.Totals:
    """Pack one row of totals."""
    incident_id, cohort_id = row.scope.split("/")
    return common_pb2.Totals(
        stage=row.stage,
        source=row.source,
        incident_id=incident_id,
        cohort_id=cohort_id,
        sequence=row.sequence,
        counts=row.counts,
        at=row.at,
    )


def totals_from_wire(wire: common_pb2.Totals) -> TotalsRow:
    """Unpack one row of totals. Raises InvalidMessage where it names no stage or scope."""
    if not (wire.stage and wire.source and wire.incident_id and wire.cohort_id):
        raise InvalidMessage("no-scope")
    check_names(wire.stage, wire.source, wire.incident_id, wire.cohort_id)
    counts = dict(wire.counts)
    if max(wire.sequence, *counts.values(), 0) > MASK:
        raise InvalidMessage("number-range")
    scope = f"{wire.incident_id}/{wire.cohort_id}"
    return TotalsRow(wire.stage, wire.source, scope, wire.sequence, counts, moment(wire.at))


def encode_totals(rows: Sequence[TotalsRow]) -> bytes:
    """Return the block for `heraut.totals.changed.v1`."""
    return common_pb2.TotalsChanged(totals=[totals_to_wire(row) for row in rows]).SerializeToString()


def decode_totals(value: bytes | None) -> list[TotalsRow]:
    """Read a block of `heraut.totals.changed.v1`. Raises InvalidMessage."""
    return [totals_from_wire(row) for row in parse(common_pb2.TotalsChanged(), value).totals]


def highest(rows: Iterable[TotalsRow]) -> list[TotalsRow]:
    """Return the row with the highest sequence of each (stage, source, scope): the one that holds."""
    found: dict[tuple[str, str, str], TotalsRow] = {}
    for row in rows:
        kept = found.get((row.stage, row.source, row.scope))
        if kept is None or row.sequence > kept.sequence:
            found[row.stage, row.source, row.scope] = row
    return list(found.values())
