"""A database is brought to where the code is: safely again, by several at once, on somebody's own server."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from services.core.rooms import ROOMS
from services.kit.errors import ConfigError
from services.kit.postgres import migrations
from services.kit.postgres.logins import check_login, logged_in_as, role_of
from services.kit.postgres.migrations import MigrationError, migrate
from services.kit.postgres.pool import connect_pool
from services.kit.postgres.scram import verifier
from tests.logins import own_login, own_logins

PASSWORD = "p@ss/ 'quoted'"  # every character that a URL or a statement might trip over


@pytest.fixture
async def empty_url(postgres_server: str) -> AsyncIterator[str]:
    """Return an empty database of the test's own."""
    name = f"empty_{secrets.token_hex(4)}"
    await _execute(postgres_server, f'create database "{name}"')
    yield postgres_server.replace("/heraut?", f"/{name}?")
    await _execute(postgres_server, f'drop database "{name}" with (force)')


async def _execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_every_room_gets_its_stage_tables_once(empty_url: str) -> None:
    """The first run makes everything, the next one finds it."""
    first = await migrate(empty_url, room_urls={})
    again = await migrate(empty_url, room_urls={})

    assert "kit/0001_pre_log_and_vault.sql" == first.applied[0]
    assert {f"{room}/0000_pre_stage.sql" for room in ROOMS} < set(first.applied)
    assert ([], len(first.applied)) == (again.applied, again.present)


async def test_two_at_once_make_one_database(empty_url: str) -> None:
    """Containers that start together may all migrate: one does, the others wait and find it done."""
    reports = await asyncio.gather(*(migrate(empty_url, room_urls={}) for _ in range(3)))

    assert 1 == sum(bool(report.applied) for report in reports)


async def test_a_migration_waits_for_its_turn_longer_than_for_a_lock(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time-out that protects live tables does not cut short the wait for another migration."""
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "100ms")  # less, and a busy server's own locks would end it
    waited = "select 1 from pg_locks where locktype = 'advisory' and clock_timestamp() - waitstart > interval '200ms'"
    holder = await asyncpg.connect(empty_url)
    await holder.execute("select pg_advisory_lock($1)", migrations._ADVISORY_LOCK)
    waiting = asyncio.create_task(migrate(empty_url, room_urls={}))
    while not await holder.fetchval(waited):
        assert not waiting.done()
    await holder.close()

    assert (await waiting).applied


async def test_a_changed_migration_is_refused(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was applied is history: a file that differs from it is an error that names it."""
    monkeypatch.setattr(migrations, "_KIT", shutil.copytree(migrations._KIT, tmp_path / "kit"))
    await migrate(empty_url, room_urls={})
    with (tmp_path / "kit" / "migrations" / "0001_pre_log_and_vault.sql").open("a") as file:
        file.write("-- an afterthought\n")

    with pytest.raises(MigrationError, match=r"kit/0001_pre_log_and_vault\.sql was changed"):
        await migrate(empty_url, room_urls={})


async def test_a_failing_migration_leaves_nothing_and_tells_no_row(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a migration is none, and the error names the file without the values of rows."""
    monkeypatch.setattr(migrations, "_KIT", shutil.copytree(migrations._KIT, tmp_path / "kit"))
    (tmp_path / "kit" / "migrations" / "0002_pre_broken.sql").write_text(
        "create table public.half (name text primary key);"
        "insert into public.half values ('Jansen'); insert into public.half values ('Jansen');"
    )

    with pytest.raises(MigrationError, match=r"kit/0002_pre_broken\.sql") as caught:
        await migrate(empty_url, room_urls={})

    assert "Jansen" not in str(caught.value)
    assert await _execute(empty_url, "select to_regclass('public.half')") is None


async def test_rooms_log_in_with_their_own_passwords(empty_url: str) -> None:
    """Each room logs in as its URL says, and with no other password."""
    own = logged_in_as(empty_url, "heraut_intake", PASSWORD)
    given = logged_in_as(empty_url, 'dispatch "login"', PASSWORD)
    await migrate(empty_url, room_urls={"intake": own, "dispatch": given})
    await migrate(empty_url, room_urls={"intake": own, "dispatch": given})
    try:
        for room, url in (("intake", own), ("dispatch", given)):
            pool = await connect_pool(url, room)
            assert f"heraut_{room}" == await pool.fetchval("select current_user::text")
            await check_login(pool, room)
            await pool.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connect_pool(logged_in_as(empty_url, "heraut_intake", "another"), "intake")
    finally:
        await migrate(empty_url, room_urls=own_logins(empty_url))  # roles are the server's, and other tests log in


@pytest.mark.parametrize("room", ROOMS)
async def test_a_room_that_is_taken_over_becomes_nobody_else(database_url: str, room: str) -> None:
    """Neither the owner, nor another room, nor a superuser with a shell."""
    connection = await asyncpg.connect(own_login(database_url, room), server_settings={"role": role_of(room)})
    others = ["none", "heraut", *(role_of(other) for other in ROOMS if other != room)]
    became = []
    for other in others:
        with suppress(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f'set role "{other}"')
        became.append(await connection.fetchval("select current_user::text"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("copy (select 1) to program 'true'")
    await connection.close()

    assert {role_of(room)} == set(became)


async def test_a_room_may_not_log_in_as_the_owner(empty_url: str) -> None:
    """The owner's login is for commands: given to a room, it would be no wall at all."""
    with pytest.raises(MigrationError, match="HERAUT_DATABASE_URL_ROUTING logs in as the owner"):
        await migrate(empty_url, room_urls={"routing": empty_url})


@pytest.mark.parametrize(("login", "wider"), [("heraut", "without limits"), ("heraut_intake", "heraut_intake")])
async def test_a_login_that_may_do_more_than_its_room_is_refused(database_url: str, login: str, wider: str) -> None:
    """A service says so at its start, and does not work with it."""
    owner = await asyncpg.connect(database_url)
    await owner.execute("grant heraut_routing to heraut_intake")
    url = database_url if login == "heraut" else own_login(database_url, "intake")
    pool = await connect_pool(url, "routing")
    try:
        with pytest.raises(ConfigError, match=f"HERAUT_DATABASE_URL_ROUTING logs in as .*{wider}"):
            await check_login(pool, "routing")
    finally:
        await owner.execute("revoke heraut_routing from heraut_intake")
        await owner.close()
        await pool.close()


async def test_an_owner_without_superpowers_is_enough(postgres_server: str, empty_url: str) -> None:
    """A database and the right to make roles are all that an operator has to give."""
    database = empty_url.partition("@/")[2].partition("?")[0]
    await _execute(postgres_server, f"create role owner_{database} login createrole password '{verifier(PASSWORD)}'")
    await _execute(postgres_server, f'alter database "{database}" owner to owner_{database}')
    for room in ROOMS:  # made by another owner before: here, by the tests that ran first
        await _execute(postgres_server, f"do $$ begin create role heraut_{room}; exception when others then end $$")
        await _execute(postgres_server, f"grant heraut_{room} to owner_{database} with admin option")
    url = logged_in_as(empty_url, f"owner_{database}", PASSWORD)
    try:
        assert (await migrate(url, room_urls=own_logins(url))).applied
        pool = await connect_pool(own_login(url, "tracking"), "tracking")
        assert "heraut_tracking" == await pool.fetchval("select session_user::text")
        await pool.close()
    finally:
        await _execute(postgres_server, f'alter database "{database}" owner to heraut')
        await _execute(empty_url, f"drop owned by owner_{database}")


@pytest.mark.parametrize("password", ["pässword", "line\nbreak"])
async def test_a_password_that_cannot_be_hashed_here_is_refused(empty_url: str, password: str) -> None:
    """It is said before anything is done, and not repeated."""
    with pytest.raises(MigrationError, match="printable ASCII") as caught:
        await migrate(empty_url, room_urls={"intake": logged_in_as(empty_url, "heraut_intake", password)})

    assert password not in str(caught.value)
