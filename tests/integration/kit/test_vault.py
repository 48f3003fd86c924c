"""A sealed payload opens for exactly whom it was sealed for."""

from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kit.keys import KeyRing
from services.kit.vault import MISSING, OpenRequest, SealRequest, TamperedError, Vault
from tests.conftest import RoomPool

IDS = st.binary(min_size=16, max_size=16)
ROWS = [SealRequest(bytes([n]) * 16, n, bytes([100 + n]) * 16, f"payload {n}".encode()) for n in range(1, 6)]


def _asked(row: SealRequest, incident_id: str = "lab") -> OpenRequest:
    return OpenRequest(row.member, row.version, row.pseudonym, incident_id)


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    """Give a fresh key ring."""
    return KeyRing.create(tmp_path / "keys.json")


@pytest.fixture
async def stored(room_pool: RoomPool, keys: KeyRing) -> "asyncpg.Pool[asyncpg.Record]":
    """Store the rows as intake; gives the pool of dispatch."""
    intake = await room_pool("intake")
    vault = Vault(keys)
    async with intake.acquire() as connection, connection.transaction():
        await vault.store(connection, vault.seal("lab", ROWS))
    return await room_pool("dispatch")


async def test_what_intake_sealed_dispatch_opens(stored: "asyncpg.Pool[asyncpg.Record]", keys: KeyRing) -> None:
    """Payloads come back in the order asked for, and what is not there is missing, not an error."""
    wanted = [_asked(ROWS[3]), OpenRequest(b"?" * 16, 1, b"?" * 16, "lab"), _asked(ROWS[0])]
    async with stored.acquire() as connection:
        found = await Vault(keys).fetch(connection, wanted)

    assert [b"payload 4", MISSING, b"payload 1"] == found


@pytest.mark.parametrize(
    "asked",
    [
        OpenRequest(ROWS[0].member, 1, ROWS[1].pseudonym, "lab"),
        OpenRequest(ROWS[0].member, 1, ROWS[0].pseudonym, "another incident"),
    ],
)
async def test_nothing_opens_for_somebody_else(
    stored: "asyncpg.Pool[asyncpg.Record]", keys: KeyRing, asked: OpenRequest
) -> None:
    """Another pseudonym or incident does not open a payload, and the error says nothing of the person."""
    async with stored.acquire() as connection:
        with pytest.raises(TamperedError) as caught:
            await Vault(keys).fetch(connection, [asked])

    assert "payload" not in str(caught.value).removeprefix("the payload")


async def test_rows_swapped_in_the_database_do_not_open(
    stored: "asyncpg.Pool[asyncpg.Record]", keys: KeyRing, database_url: str
) -> None:
    """Somebody who exchanges two people's rows gets an error and no letter."""
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "update vault.payloads as mine set sealed = other.sealed from vault.payloads as other"
        " where mine.version = 1 and other.version = 2"
    )
    await owner.close()
    async with stored.acquire() as connection:
        with pytest.raises(TamperedError):
            await Vault(keys).fetch(connection, [_asked(ROWS[0])])


async def test_a_destroyed_key_erases(stored: "asyncpg.Pool[asyncpg.Record]", keys: KeyRing, database_url: str) -> None:
    """Once the wrapped key is gone the payloads are missing for good."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("delete from vault.keys")
    await owner.close()
    async with stored.acquire() as connection:
        assert [MISSING] == await Vault(keys).fetch(connection, [_asked(ROWS[0])])


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(IDS, st.integers(1, 2**31 - 1), IDS, st.binary(max_size=400)), max_size=8))
def test_nothing_of_the_plaintext_shows(keys: KeyRing, rows: list[tuple[bytes, int, bytes, bytes]]) -> None:
    """Sealed rows are as long as their payloads and overhead, and every nonce is used once."""
    sealed = Vault(keys).seal("lab", [SealRequest(*row) for row in rows])

    nonces = {packed[54:66] for packed in sealed.rows}
    assert len(rows) == len(nonces)
    assert [54 + 12 + len(row[3]) + 16 for row in rows] == [len(packed) for packed in sealed.rows]
