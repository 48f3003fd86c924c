"""No query reads a table through that grows with people: a server that knows nothing of its parameters has an index."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.core.rooms import ROOMS
from services.kit.postgres import Pool, Queries

SERVICES = Path(__file__).parents[2] / "services"
# Tables that have rows for people, or for blocks of them, which stay.
LARGE = {
    "deduplication": {"members", "notices", "homes"},
    "dispatch": {"attempts", "batches", "begun", "recalls", "taken_back"},
    "intake": {"homes", "matches", "members", "reference_blocks", "rejections", "ties", "unsettled"},
    "routing": {"addresses", "came_back", "exhausted", "recalls"},
    "tracking": {"blocks", "notices", "receipts", "refusals", "steps", "unread"},
}
# What reads every row and says so: the recount and a restore, which an operator asks for, and what a print house's
# rejection asks.
READS_ALL = {"recount", "recount_refusals", "read_odd_entries", "read_odd_notices", "set_back", "printed_batches"}


def _files(room: str) -> Iterator[Path]:
    return (
        path for path in sorted((SERVICES / room).rglob("*.sql")) if "-- name: " in path.read_text(encoding="utf-8")
    )


def _scanned(plan: dict[str, Any]) -> Iterator[str]:
    """Return the tables that a plan reads from their first row to their last, or all of an index."""
    if plan["Node Type"].endswith("Scan") and not plan.keys() & {"Index Cond", "Recheck Cond"}:
        yield plan.get("Relation Name", "")
    for part in plan.get("Plans", ()):
        yield from _scanned(part)


async def _read_through(connection: Any, query: str) -> Sequence[str]:
    try:
        await connection.execute(f"prepare asked as {query}")
    except asyncpg.PostgresSyntaxError:  # such as `set local`: what has no plan reads no table
        return []
    parameters = max(map(int, re.findall(r"\$(\d+)", query)), default=0)
    given = f"({', '.join(['null'] * parameters)})" if parameters else ""
    plan = await connection.fetchval(f"explain (format json) execute asked{given}")
    await connection.execute("deallocate asked")
    return sorted({*_scanned(json.loads(plan)[0]["Plan"])})


@pytest.mark.parametrize("room", ROOMS)
async def test_no_query_reads_a_large_table_through(owner_pool: Pool, room: str) -> None:
    """Also where a plan is made once for all parameters, as the server does for what is asked again and again."""
    found = {}
    async with owner_pool.acquire() as connection:
        await connection.execute(f"set search_path to {room}, log, vault, public; set enable_seqscan to off")
        await connection.execute("set plan_cache_mode to force_generic_plan")
        for path in _files(room):
            for name, query in Queries.load(path).items():
                tables = LARGE[room] & {*await _read_through(connection, query)}
                if tables and name not in READS_ALL:
                    found[f"{path.name}: {name}"] = sorted(tables)

    assert found == {}
