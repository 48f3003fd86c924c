"""The walls between rooms are the database's own."""

import asyncpg
import pytest

from services.core.rooms import ROOMS
from tests.conftest import RoomPool

FORBIDDEN = [
    ("intake", "select sealed from vault.pages"),
    ("intake", "select wrapped from vault.keys"),
    ("dispatch", "insert into vault.pages (page, key_id, ends, sealed) values (1, gen_random_uuid(), '{0}', '')"),
    ("dispatch", "delete from vault.pages"),
    *((room, "select page from vault.pages") for room in ("deduplication", "routing", "tracking")),
    *((room, f"select stage from {other}.owner") for room in ROOMS for other in ROOMS if room != other),
    ("tracking", "update log.log set block = ''"),
    ("tracking", "create table public.mine (id int)"),
]


@pytest.mark.parametrize(("room", "statement"), FORBIDDEN)
async def test_a_room_cannot_reach_what_is_not_its_own(room_pool: RoomPool, room: str, statement: str) -> None:
    """A room that is taken over by an attacker still cannot read another's data, nor open the vault."""
    pool = await room_pool(room)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_works_as_its_own_role_in_its_own_schema(room_pool: RoomPool, room: str) -> None:
    """Unqualified names are the room's own tables."""
    pool = await room_pool(room)

    assert f"heraut_{room}" == await pool.fetchval("select current_user::text")
    assert room == await pool.fetchval("select current_schema::text")
