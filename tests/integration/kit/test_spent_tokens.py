"""A token that a machine signed opens once in an installation, whichever process it is shown to."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.core.access import Principal, Role
from services.core.rooms import ROOMS
from services.kit.clock import SystemClock
from services.kit.config import ServiceConfig, load
from services.kit.postgres import Pool
from services.kit.principals import (
    Account,
    Authenticator,
    PrincipalsFile,
    SpentInDatabase,
    UnknownCaller,
    authenticator_of,
)
from services.kit.testing import make_principals
from tests.conftest import RoomPool

KEY = Ed25519PrivateKey.generate()
_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
LAB = Account(Principal("lab", frozenset({Role.SOURCE}), frozenset({"lab"})), keys={"lab-1": _PEM})


def _signed(jti: str, **changed: Any) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": "lab", "sub": "lab", "aud": "heraut", "iat": now, "exp": now + 60, "jti": jti} | changed
    return jwt.encode(claims, KEY, algorithm="EdDSA", headers={"kid": "lab-1"})


def _process(path: Path, pool: Pool) -> Authenticator:
    clock = SystemClock()
    return authenticator_of(load(ServiceConfig, {}), PrincipalsFile(path, clock), clock, SpentInDatabase(pool))


async def _shown(process: Authenticator, token: str) -> str:
    try:
        return (await process.recognise(token)).name
    except UnknownCaller as error:
        return error.reason


@pytest.fixture
async def processes(room_pool: RoomPool, tmp_path: Path) -> list[Authenticator]:
    """Return what recognises callers in two processes of intake and one of tracking."""
    make_principals(tmp_path / "principals.json", LAB)
    return [_process(tmp_path / "principals.json", await room_pool(room)) for room in ("intake", "intake", "tracking")]


async def test_a_token_opens_once_whichever_process_it_is_shown_to(processes: list[Authenticator]) -> None:
    """Also where it comes to all of them at the same time, twice; another token of the machine opens again."""
    first = [await _shown(process, _signed("1")) for process in processes]
    token = _signed("2")
    at_once = await asyncio.gather(*(_shown(process, token) for process in processes * 2))

    assert ["lab", "replayed", "replayed"] == first
    assert ["lab", *["replayed"] * 5] == sorted(at_once)


async def test_an_outage_uses_no_token_up(room_pool: RoomPool, tmp_path: Path) -> None:
    """A machine that was told to come again may do so with the same token."""
    make_principals(tmp_path / "principals.json", LAB)
    pool = await room_pool("intake")
    process = _process(tmp_path / "principals.json", pool)
    token = _signed("3")
    await pool.expire_connections()
    await pool.close()
    with pytest.raises(asyncpg.InterfaceError):
        await process.recognise(token)
    process._spent = SpentInDatabase(await room_pool("intake"))

    assert ["lab", "replayed"] == [await _shown(process, token), await _shown(process, token)]


async def test_tokens_that_are_over_go(database_url: str, room_pool: RoomPool) -> None:
    """The table is as small as what came in the last minutes."""
    stored = SpentInDatabase(await room_pool("routing"))
    over = datetime.now(UTC) - timedelta(minutes=6)
    kept = [await stored.spend(bytes([at]) * 32, over) for at in range(30)]
    connection = await asyncpg.connect(database_url)
    left = await connection.fetchval("select count(*) from log.spent_tokens")
    await connection.close()

    assert ([True] * 30, 1) == (kept, left)


@pytest.mark.parametrize("room", ROOMS)
async def test_no_room_reads_or_takes_away_a_used_token(room_pool: RoomPool, room: str) -> None:
    """Who takes a room over cannot make a token that was seen good again, nor change how it is asked."""
    pool = await room_pool(room)
    for statement in (
        "select * from log.spent_tokens",
        "delete from log.spent_tokens",
        "update log.spent_tokens set until = now()",
        "insert into log.spent_tokens values ('x', now())",
        "create or replace function log.spend(token bytea, good_until timestamptz) returns boolean return true",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
