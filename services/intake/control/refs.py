"""The memberRefs of records, opened where their owner is shown them."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Final

import asyncpg
import orjson
from cryptography.exceptions import InvalidTag

from services.core.incident import Incident
from services.intake.context import Context
from services.intake.errors import NotFoundError
from services.intake.records.sealed_refs import RefPlace, found_among
from services.kit.postgres import Connection
from services.wire.incident_document import parse_incident

__all__ = ["Refs", "find_incident", "read_refs", "refs_of", "wanted_refs"]

logger = logging.getLogger(__name__)

_BLOCKS_AT_ONCE: Final = 16  # of references: some megabytes

Refs = Mapping[bytes, tuple[str, int]]  # by record: its memberRef, and the line on which it came


async def find_incident(context: Context, connection: Connection, incident_id: str) -> Incident:
    """Return an incident as it stands. Raises NotFoundError."""
    incident = await context.store.show_incident(connection, incident_id)
    if incident is None:
        raise NotFoundError("incident")
    return parse_incident(incident_id, incident.version, orjson.loads(incident.document), incident.key_versions)


async def read_refs(
    context: Context,
    connection: Connection,
    incident: Incident,
    cohort_id: str,
    wanted: Mapping[int, Collection[bytes]],
) -> Refs:
    """Return what is found of the memberRefs of a cohort's records; `wanted` has the records by block."""
    hashes, found, numbers = context.hashes.of(incident), dict[bytes, tuple[str, int]](), sorted(wanted)
    ids = hashes.members(cohort_id)
    for begin in range(0, len(numbers), _BLOCKS_AT_ONCE):
        blocks = await context.store.sealed_refs(connection, numbers[begin : begin + _BLOCKS_AT_ONCE])
        for number, sealed in blocks.items():
            try:
                refs, lines = hashes.refs.open(RefPlace(cohort_id, number), sealed)
            except InvalidTag:
                logger.error("a block of references does not open", extra={"block": number})  # noqa: TRY400 - its traceback says nothing
                continue
            found |= found_among(refs, lines, wanted[number], ids)
            await asyncio.sleep(0)  # a block has thousands: other requests get their turn
    return found


async def refs_of(context: Context, connection: Connection, incident: Incident, rows: Iterable[asyncpg.Record]) -> Refs:
    """Return the memberRefs of records of several cohorts; rows have `cohort_id`, `ref_block` and `member`."""
    found: dict[bytes, tuple[str, int]] = {}
    by_cohort = itemgetter("cohort_id")
    for cohort_id, theirs in groupby(sorted(rows, key=by_cohort), by_cohort):
        wanted = wanted_refs((row["ref_block"], row["member"]) for row in theirs)
        found |= await read_refs(context, connection, incident, cohort_id, wanted)
    return found


def wanted_refs(places: Iterable[tuple[int, bytes]]) -> dict[int, set[bytes]]:
    """Return the records that are looked for in each block."""
    wanted: dict[int, set[bytes]] = {}
    for block, record in places:
        wanted.setdefault(block, set()).add(record)
    return wanted
