"""The wire boundary that several rooms share: notices, totals, and what the global table holds.

Only codecs touch `notification.v1`. Whatever cannot be understood raises InvalidMessage.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import Any, NamedTuple, TypeVar

import orjson
from google.protobuf.message import DecodeError, Message
from notification.v1 import common_pb2, intake_pb2

from services.core.cohort import Cohort
from services.core.ids import ID_BYTES
from services.core.incident import Incident
from services.core.notices import Notices
from services.kit.document import InvalidDocument, parse_incident
from services.kit.errors import InvalidMessage

__all__ = [
    "MASK",
    "SMALL",
    "Entry",
    "TotalsRow",
    "check_names",
    "decode_incidents",
    "decode_totals",
    "encode_cohort",
    "encode_incident",
    "encode_totals",
    "indexed",
    "moment",
    "notices_from_wire",
    "notices_to_wire",
    "parse",
    "slots_from_wire",
    "slots_to_wire",
    "split_ids",
    "totals_from_wire",
    "totals_to_wire",
]

# What PostgreSQL's columns hold. A block that says more was corrupted, and must not fail in the middle of a batch.
SMALL, _INTEGER, MASK = 2**15 - 1, 2**31 - 1, 2**63 - 1
_LAST_MOMENT = 253_402_300_799_999  # ms: the end of the year 9999, where Python's clock ends
_NAME_LENGTH = 64  # characters of an id; languages and stages are shorter

M = TypeVar("M", bound=Message)
V = TypeVar("V")


class Entry(NamedTuple):
    """One row of a global table; of one key, the highest version holds."""

    key: tuple[str, ...]
    version: int
    value: Any


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """Where one stage's counts stand for one scope ("incident/cohort"); `at` = ms since 1970 of its first."""

    stage: str
    source: str
    scope: str
    sequence: int
    counts: Mapping[str, int]
    at: int


def parse(message: M, value: bytes | None) -> M:
    """Read `value` into `message`. Raises InvalidMessage("undecodable") where it is not one, or a tombstone."""
    if value is None:
        raise InvalidMessage("tombstone")
    try:
        message.ParseFromString(value)
    except DecodeError:
        raise InvalidMessage("undecodable") from None
    return message


def split_ids(packed: bytes, count: int) -> list[bytes]:
    """Cut packed ids apart. Raises InvalidMessage where there are not `count` of 16 bytes."""
    if len(packed) != count * ID_BYTES:
        raise InvalidMessage("column-length")
    return list(_ids(count).unpack(packed))


@lru_cache(maxsize=64)  # nearly all blocks are full, or of one
def _ids(count: int) -> struct.Struct:
    return struct.Struct(f"{ID_BYTES}s" * count)


def indexed(values: Sequence[str]) -> tuple[list[str], list[int]]:
    """Give the distinct values and, for each value, its position among them."""
    positions: dict[str, int] = {}
    rows = [positions.setdefault(value, len(positions)) for value in values]
    return list(positions), rows


def looked_up(names: Sequence[str], rows: Sequence[int], count: int) -> list[str]:
    """Undo `indexed`. Raises InvalidMessage where a position points nowhere, or a name can be none."""
    if len(rows) != count or (rows and max(rows) >= len(names)):
        raise InvalidMessage("column-length")
    check_names(*names)
    return list(map(list(names).__getitem__, rows))


def column(values: Iterable[int], count: int, most: int = _INTEGER) -> list[int]:
    """Give a column as a list. Raises InvalidMessage where it is not `count` long, or a number is above `most`."""
    found = list(values)
    if len(found) != count:
        raise InvalidMessage("column-length")
    if found and max(found) > most:
        raise InvalidMessage("number-range")
    return found


def slots_to_wire(slots: Sequence[int]) -> list[int]:
    """Give each slot relative to the one before: neighbours mostly, so a byte in place of nine."""
    return [*slots[:1], *map(sub, slots[1:], slots)]


def slots_from_wire(relative: Sequence[int], count: int) -> list[int]:
    """Undo `slots_to_wire`; where none are given at all, nobody's data is in the vault. Raises InvalidMessage."""
    slots = list(accumulate(relative)) if relative else [0] * count
    if len(slots) != count:
        raise InvalidMessage("column-length")
    if slots and not 0 <= min(slots) <= max(slots) <= MASK:
        raise InvalidMessage("number-range")
    return slots


def check_names(*names: str) -> None:
    """Check ids of incidents, cohorts, languages or stages. Raises InvalidMessage for what can be none of them."""
    for name in names:
        if len(name) > _NAME_LENGTH or not name.isprintable() or "/" in name:
            raise InvalidMessage("invalid-name")


def moment(at: int) -> int:
    """Give a time in ms since 1970. Raises InvalidMessage where it is none."""
    if not 0 <= at <= _LAST_MOMENT:
        raise InvalidMessage("number-range")
    return at


def notices_to_wire(notices: Notices) -> common_pb2.Notices:
    """Pack columns of notices."""
    language_names, languages = indexed(notices.languages)
    cohort_ids, cohorts = indexed(notices.cohorts)
    first = notices.accepted_at[0] if notices.accepted_at else 0
    return common_pb2.Notices(
        incident_id=notices.incident_id,
        incident_version=notices.incident_version,
        ids=b"".join(notices.ids),
        members=b"".join(notices.members),
        versions=notices.versions,
        slots=slots_to_wire(notices.slots),
        pseudonyms=b"".join(notices.pseudonyms),
        revisions=notices.revisions,
        supersedes={row: before for row, before in enumerate(notices.supersedes) if before},
        exposed=notices.exposed,
        confirmed=notices.confirmed,
        told_exposed={row: told for row, told in enumerate(notices.told_exposed) if told},
        told_confirmed={row: told for row, told in enumerate(notices.told_confirmed) if told},
        channels=bytes(notices.channels),
        flags=bytes(notices.flags),
        language_names=language_names,
        languages=languages,
        cohort_ids=cohort_ids,
        cohorts=cohorts,
        accepted_at=[first, *(at - first for at in notices.accepted_at[1:])] if notices.accepted_at else [],
        attempts=notices.attempts or [0] * len(notices),
        tried=bytes(notices.tried or [0] * len(notices)),
    )


def notices_from_wire(wire: common_pb2.Notices) -> Notices:
    """Unpack columns of notices. Raises InvalidMessage where they do not fit together."""
    ids = split_ids(wire.ids, len(wire.ids) // ID_BYTES)
    count = len(ids)
    if not wire.incident_id or not wire.incident_version:
        raise InvalidMessage("no-incident")
    check_names(wire.incident_id)
    return Notices(
        incident_id=wire.incident_id,
        incident_version=wire.incident_version,
        ids=ids,
        members=split_ids(wire.members, count),
        versions=column(wire.versions, count),
        slots=slots_from_wire(wire.slots, count),
        pseudonyms=split_ids(wire.pseudonyms, count),
        revisions=column(wire.revisions, count),
        supersedes=_sparse(wire.supersedes, count, b""),
        exposed=column(wire.exposed, count, MASK),
        confirmed=column(wire.confirmed, count, MASK),
        told_exposed=_sparse(wire.told_exposed, count, 0),
        told_confirmed=_sparse(wire.told_confirmed, count, 0),
        channels=column(wire.channels, count),
        flags=column(wire.flags, count),
        languages=looked_up(wire.language_names, wire.languages, count),
        cohorts=looked_up(wire.cohort_ids, wire.cohorts, count),
        accepted_at=_moments(wire.accepted_at, count),
        attempts=column(wire.attempts, count, SMALL),
        tried=column(wire.tried, count),
    )


def _moments(relative: Sequence[int], count: int) -> list[int]:
    """Give times in ms since 1970; on the wire all but the first are relative to the first."""
    first, *others = column(relative, count, _LAST_MOMENT) or [0]
    if count == 0:
        return []
    if not any(others):
        return [moment(first)] * count
    times = [first, *(first + more for more in others)]
    moment(min(times))
    moment(max(times))
    return times


def _sparse(rows: Mapping[int, V], count: int, empty: V) -> list[V]:
    full = [empty] * count
    for row, value in rows.items():
        if row >= count:
            raise InvalidMessage("column-length")
        full[row] = value
    return full


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
    """Give the block for `heraut.totals.changed.v1`."""
    return common_pb2.TotalsChanged(totals=[totals_to_wire(row) for row in rows]).SerializeToString()


def decode_totals(value: bytes | None) -> list[TotalsRow]:
    """Read a block of `heraut.totals.changed.v1`. Raises InvalidMessage."""
    return [totals_from_wire(row) for row in parse(common_pb2.TotalsChanged(), value).totals]


def encode_incident(incident_id: str, version: int, document: bytes) -> bytes:
    """Give the block for `heraut.incidents.changed.v1`; `document` is in its normal form."""
    change = intake_pb2.IncidentChanged(incident_id=incident_id, version=version, document=document)
    return intake_pb2.IncidentsChanged(incidents=[change]).SerializeToString()


def encode_cohort(cohort: Cohort) -> bytes:
    """Give the block for `heraut.incidents.changed.v1`."""
    change = intake_pb2.CohortChanged(
        incident_id=cohort.incident_id,
        cohort_id=cohort.cohort_id,
        version=cohort.version,
        source=cohort.source,
        declared=cohort.declared,
        auto_release=cohort.auto_release,
        sealed=cohort.sealed,
        released=cohort.released,
    )
    return intake_pb2.IncidentsChanged(cohorts=[change]).SerializeToString()


def decode_incidents(value: bytes | None) -> list[Entry]:
    """Read a block of `heraut.incidents.changed.v1` into rows of the global table. Raises InvalidMessage.

    Keys: ("incident", id, version) never changes; ("incident", id) and ("cohort", incident, cohort) are the newest.
    """
    block = parse(intake_pb2.IncidentsChanged(), value)
    entries = []
    for change in block.incidents:
        incident = _incident(change)
        entries.append(Entry(("incident", incident.incident_id, str(incident.version)), 1, incident))
        entries.append(Entry(("incident", incident.incident_id), incident.version, incident))
    for changed in block.cohorts:
        cohort = _cohort(changed)
        entries.append(Entry(("cohort", cohort.incident_id, cohort.cohort_id), cohort.version, cohort))
    return entries


def _incident(change: intake_pb2.IncidentChanged) -> Incident:
    try:
        return parse_incident(change.incident_id, change.version, orjson.loads(change.document))
    except (orjson.JSONDecodeError, InvalidDocument):
        raise InvalidMessage("incident-document") from None


def _cohort(change: intake_pb2.CohortChanged) -> Cohort:
    return Cohort(
        incident_id=change.incident_id,
        cohort_id=change.cohort_id,
        version=change.version,
        source=change.source,
        declared=change.declared if change.HasField("declared") else None,
        auto_release=change.auto_release,
        sealed=change.sealed,
        released=change.released,
    )
