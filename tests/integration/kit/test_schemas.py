"""A room's schema.sql says what its migrations together make: a reader needs to read it alone."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from services.core.rooms import ROOMS

SERVICES = Path(__file__).parents[3] / "services"
# Everything that a statement of a schema can say: tables, columns, constraints, indexes, sequences. Not the places of
# columns: one that a later migration adds is last.
CATALOG = """
select 'table', relname::text, relkind::text, relpersistence::text, coalesce(reloptions::text, ''), ''
from pg_class where relnamespace = $1::regnamespace
union all
select 'column', attrelid::regclass::text || '.' || attname,
       format_type(atttypid, atttypmod) || ' ' || attstorage::text, attnotnull::text,
       attidentity::text || attgenerated::text, coalesce(pg_get_expr(adbin, adrelid), '')
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum where attnum > 0 and not attisdropped
  and attrelid in (select oid from pg_class where relnamespace = $1::regnamespace and relkind in ('r', 'p', 'v'))
union all
select 'constraint', conname::text, conrelid::regclass::text, pg_get_constraintdef(oid), '', ''
from pg_constraint where connamespace = $1::regnamespace
union all
select 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid), '', '', ''
from pg_index where indrelid in (select oid from pg_class where relnamespace = $1::regnamespace)
union all
select 'sequence', seqrelid::regclass::text, seqtypid::regtype::text, seqstart || ' ' || seqincrement, seqmax::text, ''
from pg_sequence where seqrelid in (select oid from pg_class where relnamespace = $1::regnamespace)
"""


@pytest.fixture
async def empty(postgres_server: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Return a connection to an empty database of the test's own."""
    name = f"schemas_{secrets.token_hex(4)}"
    owner = await asyncpg.connect(postgres_server)
    await owner.execute(f'create database "{name}"')
    connection = await asyncpg.connect(postgres_server.replace("/heraut?", f"/{name}?"))
    yield connection
    await connection.close()
    await owner.execute(f'drop database "{name}"')
    await owner.close()


async def _catalog(connection: "asyncpg.Connection[asyncpg.Record]", room: str) -> set[tuple[str, ...]]:
    return {tuple(row) for row in await connection.fetch(CATALOG, room)}


@pytest.mark.parametrize("room", ROOMS)
async def test_a_schema_is_what_its_migrations_make(
    database_url: str, empty: "asyncpg.Connection[asyncpg.Record]", room: str
) -> None:
    """The stage's tables and the room's schema.sql give the same tables, columns and indexes as all migrations."""
    own = SERVICES / room / "schema.sql"
    await empty.execute(f'create schema "{room}"; set search_path to "{room}"')
    for file in (SERVICES / "kit" / "stage" / "schema.sql", own):
        if file.exists():
            await empty.execute(file.read_text(encoding="utf-8"))
    migrated = await asyncpg.connect(database_url)
    await migrated.execute(f'set search_path to "{room}"')

    made, said = await _catalog(migrated, room), await _catalog(empty, room)
    await migrated.close()

    assert (set(), set()) == (made - said, said - made)
    assert {"table", "column", "constraint", "index"} <= {kind for kind, *_ in made}
