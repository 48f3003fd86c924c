"""What a person takes on the disks: tables with their indexes, the event log, write-ahead log, print files.

    python -m loadtests.disk [--people 200000] [--log postgres|kafka] [--uploads 4]

The same people and processes as `loadtests.throughput`; letters as data. What was there after a warm-up is taken off.
Connections are those of the seven processes, one of each service, when all is handed over.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import orjson

from loadtests.chaos.fleet import Fleet
from loadtests.cohort_files import warm_up, write_cohorts
from loadtests.throughput import INCIDENT, measure
from services.demo.made_up.people import each_person
from services.kit.config import DEFAULT_LOG, LOGS

_SIZES = """\
select n.nspname || '.' || c.relname, pg_total_relation_size(c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema')
"""
_WAL = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
_CONNECTIONS = """\
select application_name, count(*) from pg_stat_activity where application_name like 'heraut-%' group by 1 order by 1
"""
_LEAST = 1.0  # bytes a person: what is less says nothing


async def run(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Send the people, and return the figures."""
    load = write_cohorts(folder / "cohorts", each_person(arguments.seed, kinds={}), arguments.people, arguments.uploads)
    fleet = Fleet(folder / "fleet", arguments.log, replicas=1)
    fleet.folder.mkdir()
    try:
        await fleet.start()
        await measure(fleet, "warm", warm_up(folder, load, 5_000), None)
        before = await _sizes(fleet)
        result = await measure(fleet, INCIDENT, load, None)
        after = await _sizes(fleet)
        connections = await _connections(fleet)
    finally:
        await fleet.stop()
    grown = {name: (size - before.get(name, 0)) / result.told for name, size in after.items()}
    kept = {name: round(size, 1) for name, size in sorted(grown.items(), key=lambda one: -one[1]) if size >= _LEAST}
    return {"log": arguments.log, "people": result.told, "bytesAPerson": kept, "connections": connections}


async def _sizes(fleet: Fleet) -> dict[str, int]:
    connection = await asyncpg.connect(fleet.database_url)
    try:
        await connection.execute("checkpoint")
        found = {str(name): int(size) for name, size in await connection.fetch(_SIZES)}
        written = await connection.fetchval(_WAL)
    finally:
        await connection.close()
    folders = {"print files": fleet.print_dir, "kafka": fleet.folder / "kafka"}
    sizes = {name: _size_of(folder) for name, folder in folders.items() if folder.exists()}
    return found | sizes | {"write-ahead log, written": int(written)}


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


async def _connections(fleet: Fleet) -> Mapping[str, int]:
    connection = await asyncpg.connect(fleet.database_url)
    try:
        return {str(name): int(count) for name, count in await connection.fetch(_CONNECTIONS)}
    finally:
        await connection.close()


def main() -> int:
    """Measure in a fresh folder, which is removed, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--log", choices=[*LOGS], default=DEFAULT_LOG)
    parser.add_argument("--uploads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="heraut-disk-"))
    folder.chmod(0o755)
    try:
        figures = asyncio.run(run(arguments, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
