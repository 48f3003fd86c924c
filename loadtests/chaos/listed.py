"""The listed windows: e-mails of which Heraut reports that it does not know whether they went out."""

from collections import Counter
from collections.abc import Sequence

import asyncpg
from notification.topics import DELIVERIES_ATTEMPTED
from notification.v1.dispatch_pb2 import DeliveriesAttempted

from services.core.channel import MAY_END_UNKNOWN, channel_named
from services.core.ids import ID_BYTES
from services.core.status import AttemptState
from services.demo.checking.hand_over import HandOver
from services.wire.references import References

__all__ = ["drop_listed", "listed_unknown"]


async def listed_unknown(database_url: str, references: References) -> set[str]:
    """Return id and reference of each notice that once had an attempt of unknown outcome."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select block from log.log where topic = $1", DELIVERIES_ATTEMPTED)
    finally:
        await connection.close()
    listed: set[bytes] = set()
    for (block,) in rows:
        attempted = DeliveriesAttempted.FromString(block)
        ids = [attempted.ids[at : at + ID_BYTES] for at in range(0, len(attempted.ids), ID_BYTES)]
        unknown = zip(ids, attempted.outcomes, strict=True)
        listed |= {notice for notice, outcome in unknown if outcome == AttemptState.UNKNOWN}
    return {name for notice in listed for name in (notice.hex(), *references.of_all([notice]))}


def drop_listed(given: Sequence[HandOver], listed: set[str], references: References) -> tuple[list[HandOver], int]:
    """Return the hand-overs without the e-mails of listed notices that a letter repeated, and how many those were."""
    by_notice = Counter(_key(one, references) for one in given)
    kept = []
    for one in given:
        key = _key(one, references)
        if channel_named(one.channel) & MAY_END_UNKNOWN and one.notice in listed and by_notice[key] > 1:
            by_notice[key] -= 1
            continue
        kept.append(one)
    return kept, len(given) - len(kept)


def _key(one: HandOver, references: References) -> str:
    """Return the reference of a notice; some channels record its id instead."""
    return one.notice if "-" in one.notice else references.of_all([bytes.fromhex(one.notice)])[0]
