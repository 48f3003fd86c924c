"""Columns of notices as they travel from deduplication to routing to dispatch."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from notification.topics import TOPIC
from notification.v1 import common_pb2

from services.core.channel import CHANNELS, Channel
from services.core.ids import ID_BYTES
from services.core.notices import Notices
from services.kit.errors import InvalidMessage
from services.wire.columns import (
    LAST_MOMENT,
    MASK,
    SMALL,
    V,
    check_names,
    column,
    indexed,
    looked_up,
    moment,
    picked,
    slots_from_wire,
    slots_to_wire,
    split_ids,
)

__all__ = ["ROUTED_TOPICS", "notices_from_wire", "notices_to_wire"]


def _routed_topic(channel: Channel) -> str:
    topic = f"heraut.notices.routed.{channel.label}.v1"
    if topic not in TOPIC:
        raise LookupError(f"the channel {channel.label} has no topic: add proto/topics/{topic}.yaml, `make contracts`")
    return topic


# The topic of each channel's attempts.
ROUTED_TOPICS: Final[Mapping[Channel, str]] = MappingProxyType(
    {channel: _routed_topic(channel) for channel in CHANNELS}
)


def notices_to_wire(notices: Notices) -> common_pb2.Notices:
    """Pack columns of notices."""
    language_names, languages = indexed(notices.languages)
    cohort_ids, cohorts = indexed(notices.cohorts)
    carrier_sets, carriers = _carriers_to_wire(notices, cohort_ids)
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
        carrier_sets=carrier_sets,
        carriers=carriers,
        contact_since=_since_to_wire(notices),
    )


def notices_from_wire(wire: common_pb2.Notices) -> Notices:
    """Unpack columns of notices. Raises InvalidMessage where they do not fit together."""
    ids = split_ids(wire.ids, len(wire.ids) // ID_BYTES)
    count = len(ids)
    if not wire.incident_id or not wire.incident_version:
        raise InvalidMessage("no-incident")
    check_names(wire.incident_id)
    cohorts = looked_up(wire.cohort_ids, wire.cohorts, count)
    members, versions = split_ids(wire.members, count), column(wire.versions, count)
    return Notices(
        incident_id=wire.incident_id,
        incident_version=wire.incident_version,
        ids=ids,
        members=members,
        versions=versions,
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
        cohorts=cohorts,
        accepted_at=_moments(wire.accepted_at, count),
        attempts=column(wire.attempts, count, SMALL),
        tried=column(wire.tried, count),
        carriers=_carriers_from_wire(wire, cohorts),
        contact_since=_since_from_wire(wire.contact_since, members, versions),
    )


def _carriers_to_wire(notices: Notices, cohort_ids: list[str]) -> tuple[list[common_pb2.CohortSet], list[int]]:
    """Pack which cohorts' facts each notice names; adds to `cohort_ids` those that bear none of these notices.

    A block nearly always has one set: then it costs nothing a notice.
    """
    sets, rows = indexed(notices.carriers)
    positions = {cohort_id: at for at, cohort_id in enumerate(cohort_ids)}
    packed = [[positions.setdefault(one, len(positions)) for one in ids] for ids in sets]
    cohort_ids += list(positions)[len(cohort_ids) :]
    return [common_pb2.CohortSet(cohorts=ids) for ids in packed], rows if len(sets) > 1 else []


def _carriers_from_wire(wire: common_pb2.Notices, cohorts: Sequence[str]) -> list[tuple[str, ...]]:
    """Undo `_carriers_to_wire`; where nothing is said, each notice names the facts of its bearer's cohort alone."""
    if not wire.carrier_sets:
        alone = {cohort_id: (cohort_id,) for cohort_id in set(cohorts)}
        return list(map(alone.__getitem__, cohorts))
    names = wire.cohort_ids
    sets = [tuple(looked_up(names, one.cohorts, len(one.cohorts))) for one in wire.carrier_sets]
    if not all(sets):
        raise InvalidMessage("no-cohort")
    return picked(sets, wire.carriers or [0] * len(cohorts), len(cohorts))


def _since_to_wire(notices: Notices) -> dict[int, int]:
    """Pack since when bearers have their contact data; of nearly all notices nothing is said."""
    if not notices.contact_since:
        return {}
    bearers = enumerate(zip(notices.members, notices.versions, strict=True))
    return {row: notices.contact_since[one] for row, one in bearers if one in notices.contact_since}


def _since_from_wire(
    rows: Mapping[int, int], members: Sequence[bytes], versions: Sequence[int]
) -> dict[tuple[bytes, int], int]:
    """Undo `_since_to_wire`. Raises InvalidMessage."""
    if any(row >= len(members) for row in rows):
        raise InvalidMessage("column-length")
    return {(members[row], versions[row]): first for row, first in rows.items()}


def _moments(relative: Sequence[int], count: int) -> list[int]:
    """Return times in ms since 1970; on the wire all but the first are relative to the first."""
    first, *others = column(relative, count, LAST_MOMENT) or [0]
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
