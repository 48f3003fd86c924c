"""Counts that travel as totals: one row per (scope, source), moved in the transaction of what it counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.kit.postgres import Connection, Queries

__all__ = ["TotalsRow", "move_totals", "sum_totals"]


_QUERIES = Queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """The counts of one source for one scope, which is what the room counts for; `at` is in ms since 1970."""

    stage: str
    source: str
    scope: str
    sequence: int
    counts: Mapping[str, int]
    at: int


async def move_totals(
    connection: Connection,
    deltas: Mapping[str, Mapping[str, int]],
    source: str,
    counters: Sequence[str],
    *,
    stage: str = "",
) -> list[TotalsRow]:
    """Move the totals of `source` by `deltas` (scope -> counter -> change); returns the rows as they are now.

    `counters` is the room's tuple of names, whose order is the order in the row; it may only grow at its end.
    Every scope named gets its next sequence, changed or not, so a reader that keeps the highest keeps the latest.
    Rows are locked in the order of their scopes until the commit. `stage` is written into the rows given back.
    """
    if not deltas:
        return []
    place = {name: index for index, name in enumerate(counters)}
    flat: list[int] = []
    for changes in deltas.values():
        row = [0] * len(counters)
        for name, change in changes.items():
            row[place[name]] += change
        flat += row
    rows = await connection.fetch(_QUERIES["move_totals"], source, list(deltas), flat, len(counters))
    return [
        TotalsRow(stage, source, scope, sequence, dict(zip(counters, counts, strict=True)), first_at)
        for scope, sequence, counts, first_at in rows
    ]


async def sum_totals(connection: Connection, prefix: str, counters: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return what all sources of the room counted: scope -> counter -> count, of scopes that begin with `prefix`."""
    totals: dict[str, dict[str, int]] = {}
    for scope, place, count in await connection.fetch(_QUERIES["sum_totals"], prefix):
        totals.setdefault(scope, {})[counters[place - 1]] = count
    return totals
