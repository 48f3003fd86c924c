"""Counts what a pause holds back here: whoever bears such a notice is held, and not on the way; and what moved on."""

from collections import Counter
from collections.abc import Iterable

from notification.topics import TOTALS_CHANGED

from services.core.channel import Channel
from services.core.ledger import COUNTERS, SET_ASIDE
from services.core.rooms import dispatch_stage
from services.dispatch.domain import Round
from services.kit.eventlog import Output
from services.kit.postgres import Connection
from services.kit.stage import move_totals
from services.wire.totals import encode_totals

__all__ = ["Moved"]


class Moved:
    """What one transaction counts more, or less, by partition and scope. It is written last, behind all rows."""

    def __init__(self) -> None:
        self._by_partition: dict[int, dict[str, Counter[str]]] = {}

    def add(self, one: Round, rows: Iterable[int], sign: int, counter: str = SET_ASIDE) -> None:
        """Count these rows of a round: as set aside (+1), as set aside no more (-1), or under another counter."""
        scopes = self._by_partition.setdefault(one.partition, {})
        for cohort, count in Counter(one.notices.cohorts[row] for row in rows).items():
            scopes.setdefault(f"{one.notices.incident_id}/{cohort}", Counter())[counter] += sign * count

    async def written(self, connection: Connection, channel: Channel) -> list[Output]:
        """Move the totals of a channel; return the block that tells of them. Each partition of a channel counts."""
        moved = []
        for partition, scopes in sorted(self._by_partition.items()):
            deltas = {scope: counts for scope, counts in sorted(scopes.items()) if any(counts.values())}
            source = f"{channel.label}-{partition}"
            moved += await move_totals(connection, deltas, source, COUNTERS["dispatch"], stage=dispatch_stage(channel))
        return [Output(TOTALS_CHANGED, 0, encode_totals(moved))] if moved else []
