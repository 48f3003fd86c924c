"""Counts what a pause holds back here: whoever bears such a notice is held, and not on the way."""

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
    """What one transaction sets aside more, or less, by partition and scope. It is written last, behind all rows."""

    def __init__(self) -> None:
        self._by_partition: dict[int, Counter[str]] = {}

    def add(self, one: Round, rows: Iterable[int], sign: int) -> None:
        """Count these rows of a round as set aside (+1), or as set aside no more (-1)."""
        scopes = self._by_partition.setdefault(one.partition, Counter())
        for cohort, count in Counter(one.notices.cohorts[row] for row in rows).items():
            scopes[f"{one.notices.incident_id}/{cohort}"] += sign * count

    async def written(self, connection: Connection, channel: Channel) -> list[Output]:
        """Move the totals of a channel; return the block that tells of them. Each partition of a channel counts."""
        moved = []
        for partition, scopes in sorted(self._by_partition.items()):
            deltas = {scope: {SET_ASIDE: count} for scope, count in sorted(scopes.items()) if count}
            source = f"{channel.label}-{partition}"
            moved += await move_totals(connection, deltas, source, COUNTERS["dispatch"], stage=dispatch_stage(channel))
        return [Output(TOTALS_CHANGED, 0, encode_totals(moved))] if moved else []
