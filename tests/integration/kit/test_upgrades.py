"""A database is upgraded while services run: what is added comes before the code, what is taken away after it."""

import shutil
from pathlib import Path

import asyncpg
import pytest
from notification.topics import MEMBERS_ACCEPTED, TOPICS

from services.kit.errors import ConfigError
from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import Pool, migrations, walls
from services.kit.postgres.migrations import MigrationError, Side, check_migrated, migrate
from services.kit.postgres.walls import policies
from tests.conftest import RoomPool

ADDED, TAKEN = "kit/0002_pre_wider.sql", "kit/0003_post_narrower.sql"


class _Code:
    """Migrations as one release or the next has them."""

    def __init__(self, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._url, self._folder, self._monkeypatch = url, folder, monkeypatch
        self._older = migrations._KIT

    def newer(self, *names: str) -> None:
        """Go on with code that has these migrations as well."""
        folder = shutil.copytree(self._older, self._folder / "kit", dirs_exist_ok=True)
        for name in names:
            text = "create table public.wider (name text)" if "wider" in name else "drop table public.wider"
            (folder / "migrations" / name.partition("/")[2]).write_text(text)
        self._monkeypatch.setattr(migrations, "_KIT", folder)

    def older(self) -> None:
        """Go on with the code of before."""
        self._monkeypatch.setattr(migrations, "_KIT", self._older)

    async def migrate(self, side: Side | None = None) -> tuple[list[str], list[str]]:
        """Return what was applied, and what waits."""
        report = await migrate(self._url, room_urls={}, side=side)
        return report.applied, report.waiting


@pytest.fixture
def code(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Code:
    """Return the migrations of a database that is up to date."""
    return _Code(database_url, tmp_path, monkeypatch)


@pytest.fixture
async def pool(room_pool: RoomPool) -> Pool:
    """Return connections of a service that starts."""
    return await room_pool("routing")


async def test_each_side_is_applied_by_itself(code: _Code) -> None:
    """The first says what waits; without a side all is done, in the order of the numbers."""
    code.newer(ADDED, TAKEN)

    assert ([ADDED], [TAKEN]) == await code.migrate(Side.PRE)
    assert ([], [TAKEN]) == await code.migrate(Side.PRE)
    assert ([TAKEN], []) == await code.migrate(Side.POST)
    assert ([], []) == await code.migrate()


async def test_what_is_taken_away_comes_last(code: _Code) -> None:
    """Whoever skips a step is told which, and nothing is done."""
    code.newer(ADDED, TAKEN)
    with pytest.raises(MigrationError, match=rf"{ADDED} did not run yet: `heraut migrate --pre` comes first"):
        await code.migrate(Side.POST)

    assert ([ADDED, TAKEN], []) == await code.migrate()


async def test_code_of_before_runs_on_until_something_is_taken_away(code: _Code, pool: Pool) -> None:
    """Then it is refused, at its start and as what migrates, with the name of what ran."""
    code.newer(ADDED, TAKEN)
    await code.migrate(Side.PRE)
    code.older()
    await check_migrated(pool)
    assert ([], []) == await code.migrate()
    code.newer(ADDED, TAKEN)
    await code.migrate(Side.POST)
    await check_migrated(pool)
    code.older()

    with pytest.raises(ConfigError, match=f"ahead of this code: {TAKEN} ran"):
        await check_migrated(pool)
    with pytest.raises(MigrationError, match=f"ahead of this code: {TAKEN} ran"):
        await code.migrate()


async def test_new_code_waits_for_what_it_needs(code: _Code, pool: Pool) -> None:
    """A service that came before its migration does not start; what comes after the code it does not ask for."""
    code.newer(ADDED, TAKEN)
    with pytest.raises(ConfigError, match=f"the database lacks {ADDED}: `heraut migrate --pre`"):
        await check_migrated(pool)
    await code.migrate(Side.PRE)

    await check_migrated(pool)


async def test_rights_and_rules_of_both_hold_in_between(
    code: _Code, database_url: str, room_pool: RoomPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code of before writes what the next contracts do not let it write any more, until it is gone."""
    intake = await room_pool("intake")
    owner = await asyncpg.connect(database_url)
    await owner.execute("grant select on vault.pages to heraut_routing")
    fewer = policies([spec for spec in TOPICS if spec.name != MEMBERS_ACCEPTED])
    monkeypatch.setattr(walls, "policies", lambda: fewer)
    await code.migrate(Side.PRE)
    let_in = await _let_in(intake)
    in_between = await owner.fetchval("select has_table_privilege('heraut_routing', 'vault.pages', 'select')")
    await code.migrate(Side.POST)
    afterwards = await owner.fetchval("select has_table_privilege('heraut_routing', 'vault.pages', 'select')")
    await owner.close()

    assert (True, True) == (let_in, in_between)
    assert (False, False) == (await _let_in(intake), afterwards)


async def test_code_of_before_takes_no_right_of_newer_code(code: _Code, database_url: str) -> None:
    """It cannot know what that one needs: `heraut up` of before may run beside it, and migrates at its start."""
    code.newer(ADDED)
    await code.migrate(Side.PRE)
    owner = await asyncpg.connect(database_url)
    await owner.execute("grant select on vault.pages to heraut_routing")
    code.older()
    await code.migrate()
    kept = await owner.fetchval("select has_table_privilege('heraut_routing', 'vault.pages', 'select')")
    await owner.close()

    assert kept


async def _let_in(pool: Pool) -> bool:
    try:
        async with pool.acquire() as connection, connection.transaction():
            await append_outputs(connection, "intake", [Output(MEMBERS_ACCEPTED, 0, b"members")])
    except asyncpg.InsufficientPrivilegeError:
        return False
    return True
