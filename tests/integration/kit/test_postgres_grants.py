"""What the rooms' roles may do to the tables that they share is exactly what is written here."""

import asyncpg
import pytest

from services.core.rooms import ROOMS
from services.kit.postgres.migrations import migrate

OWN = {"SELECT", "INSERT", "UPDATE", "DELETE"}
SHARED = {
    ("log", "log"): {room: {"SELECT", "INSERT", "DELETE"} for room in ROOMS},  # DELETE: each room helps to prune
    ("log", "head"): {room: {"SELECT", "INSERT", "UPDATE"} for room in ROOMS},
    ("log", "reader"): {room: {"SELECT", "INSERT", "UPDATE"} for room in ROOMS},
    ("log", "installation"): {room: {"SELECT", "INSERT"} for room in ROOMS},  # what was said first stays
    ("log", "timeline"): {room: {"SELECT"} for room in ROOMS},
    ("log", "timeline_head"): {room: {"SELECT"} for room in ROOMS},
    ("public", "heraut_migrations"): {room: {"SELECT"} for room in ROOMS},  # whether the database is where code is
    ("vault", "keys"): {"intake": {"INSERT"}, "dispatch": {"SELECT"}},
    ("vault", "pages"): {"intake": {"INSERT"}, "dispatch": {"SELECT"}},
}
GRANTED = """
select relnamespace::regnamespace::text as schema, relname::text as name, grantee::regrole::text as role, privilege_type
from pg_class cross join lateral aclexplode(relacl) as grants
where relkind in ('r', 'p', 'v') and relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
  and grantee <> relowner
"""


async def _granted(url: str) -> dict[tuple[str, str], dict[str, set[str]]]:
    """Return table -> room -> privileges, of everybody but the owner; `-` is everybody."""
    connection = await asyncpg.connect(url)
    try:
        found: dict[tuple[str, str], dict[str, set[str]]] = {}
        for schema, name, role, privilege in await connection.fetch(GRANTED):
            found.setdefault((schema, name), {}).setdefault(role.removeprefix("heraut_"), set()).add(privilege)
        return found
    finally:
        await connection.close()


async def test_grants_on_shared_tables_are_exactly_these(database_url: str) -> None:
    """A right that nobody wrote down here is a hole in a wall."""
    granted = await _granted(database_url)

    assert {table: rooms for table, rooms in granted.items() if table[0] not in ROOMS} == SHARED


async def test_a_rooms_tables_are_its_own(database_url: str) -> None:
    """In its own schema a room reads and writes rows, makes no tables, and has no company."""
    others = {table: rooms for table, rooms in (await _granted(database_url)).items() if table not in SHARED}

    assert set(ROOMS) == {schema for schema, _ in others}
    assert others == {(schema, name): {schema: OWN} for schema, name in others}


@pytest.mark.parametrize("table", ["vault.pages", "log.log"])
async def test_a_right_that_was_given_by_hand_is_taken_away(database_url: str, table: str) -> None:
    """Migrating again restores the walls."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"grant all on {table} to heraut_routing; grant all on schema vault to heraut_routing")
    await connection.close()
    await migrate(database_url, room_urls={})

    assert {table: rooms for table, rooms in (await _granted(database_url)).items() if table in SHARED} == SHARED
