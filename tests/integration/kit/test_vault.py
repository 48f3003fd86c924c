"""A sealed payload opens for exactly whom it was sealed for."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from services.core.synthetic import SYNTHETIC_INCIDENT
from services.kit.postgres import Pool
from services.kit.vault.key_files import create_keys
from services.kit.vault.vault import OpenRequest, Payloads, Unopened, Vault
from tests.conftest import RoomPool

ROWS = [(bytes([n]) * 16, n, bytes([100 + n]) * 16, f"payload {n}".encode()) for n in range(1, 6)]


def _of(rows: Sequence[tuple[bytes, int, bytes, bytes]]) -> Payloads:
    members, versions, pseudonyms, plaintexts = zip(*rows, strict=True)
    return Payloads(members, versions, pseudonyms, plaintexts)


class Stored(NamedTuple):
    """Two pages of payloads, as dispatch sees them."""

    pool: Pool
    vault: Vault
    slots: list[int]

    def asked(self, row: int) -> OpenRequest:
        """Ask for a row as its owner."""
        return (self.slots[row], *ROWS[row][:3])

    async def fetch(self, *wanted: OpenRequest, incident_id: str = "lab") -> list[bytes | Unopened]:
        """Ask for these."""
        async with self.pool.acquire() as connection:
            return await self.vault.fetch(connection, incident_id, wanted)


@pytest.fixture
async def stored(room_pool: RoomPool, tmp_path: Path) -> Stored:
    """Store the rows as intake, three and two of them side by side."""
    keys = create_keys(tmp_path / "keys")
    intake = await room_pool("intake")
    async with intake.acquire() as connection, connection.transaction():
        first, second = await Vault(keys).store(connection, "lab", [_of(ROWS[:3]), _of(ROWS[3:])])
    return Stored(await room_pool("dispatch"), Vault(keys), [*first, *second])


async def test_what_intake_sealed_dispatch_opens(stored: Stored) -> None:
    """Payloads come back in the order asked for, and what is not there is missing, not an error."""
    nowhere = (0, b"?" * 16, 1, b"?" * 16)
    beyond = (stored.slots[-1] + 1, b"?" * 16, 1, b"?" * 16)

    found = await stored.fetch(stored.asked(3), nowhere, stored.asked(0), beyond, stored.asked(2))

    assert [b"payload 4", Unopened.MISSING, b"payload 1", Unopened.MISSING, b"payload 3"] == found


@pytest.mark.parametrize("row", range(5))
async def test_one_alone_is_found_wherever_it_lies(stored: Stored, row: int) -> None:
    """First, last, or in the middle of its page, of which no more is read."""
    assert [ROWS[row][3]] == await stored.fetch(stored.asked(row))


async def test_intake_takes_synthetic_people_out_and_nobody_else(stored: Stored, room_pool: RoomPool) -> None:
    """Whatever pages it names, the sealed data of others stays, and with that of nobody goes its key."""
    intake = await room_pool("intake")
    async with intake.acquire() as connection, connection.transaction():
        ((slot,),) = await stored.vault.store(connection, SYNTHETIC_INCIDENT, [_of(ROWS[:1])])
        page = await stored.vault.last_page(connection)
        await stored.vault.forget_synthetic(connection, range(page + 1))
    nobody = await stored.fetch((slot, *ROWS[0][:3]), incident_id=SYNTHETIC_INCIDENT)
    keys = await stored.pool.fetchval("select count(*) from vault.keys")

    assert ([Unopened.MISSING], 1) == (nobody, keys)
    assert [row[3] for row in ROWS] == await stored.fetch(*map(stored.asked, range(len(ROWS))))


async def test_a_slot_beyond_the_end_of_its_page_is_missing(stored: Stored) -> None:
    """Asked for alone as well, where nothing of the page is read."""
    beyond = (stored.slots[2] + 1, *ROWS[2][:3])

    assert [Unopened.MISSING] == await stored.fetch(beyond)


async def test_nothing_opens_for_somebody_else(stored: Stored) -> None:
    """Another pseudonym or incident does not open a payload, and whoever else is asked for is not affected."""
    slot, member, version, _ = stored.asked(0)

    found = await stored.fetch((slot, member, version, ROWS[1][2]), stored.asked(1))

    assert [Unopened.TAMPERED, b"payload 2"] == found
    assert [Unopened.TAMPERED] == await stored.fetch(stored.asked(0), incident_id="another incident")


async def test_pages_swapped_in_the_database_do_not_open(stored: Stored, database_url: str) -> None:
    """Somebody who exchanges people's data gets refusals and no letter."""
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "update vault.pages as mine set sealed = other.sealed, ends = other.ends, key_id = other.key_id"
        " from vault.pages as other where mine.page <> other.page"
    )
    await owner.close()

    assert [Unopened.TAMPERED] * 2 == await stored.fetch(stored.asked(0), stored.asked(3))


async def test_bounds_that_somebody_changed_open_nothing(stored: Stored, database_url: str) -> None:
    """A page that was tampered with refuses its own people, and fails no query that others are asked for in."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("update vault.pages set ends = '{9,5,2,0}' where page = $1", stored.slots[0] >> 16)
    await owner.close()

    found = await stored.fetch(stored.asked(0), stored.asked(2), stored.asked(3))

    assert [Unopened.TAMPERED, Unopened.TAMPERED, b"payload 4"] == found


async def test_a_destroyed_key_erases(stored: Stored, database_url: str) -> None:
    """Once the wrapped key is gone the payloads are missing for good."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("delete from vault.keys")
    await owner.close()

    assert [Unopened.MISSING] == await stored.fetch(stored.asked(0))
