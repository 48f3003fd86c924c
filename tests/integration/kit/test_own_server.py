"""A PostgreSQL of somebody's own, of another version than the embedded one, where each room logs in as itself."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from notification.topics import INCIDENTS_CHANGED

from services.core.rooms import ROOMS
from services.kit.eventlog import Output, append_outputs
from services.kit.postgres import check_login, connect_pool
from services.kit.postgres.migrations import migrate
from services.kit.postgres.programs import ServerUser, run_as, server_user
from tests.logins import own_logins

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
OWNER_PASSWORD = "made up"


@pytest.fixture
def server() -> Iterator[str]:
    """Run the distribution's PostgreSQL on a free port of the loopback address; returns host, port and database."""
    if not PROGRAMS:
        pytest.skip("no PostgreSQL of the distribution's (Debian: postgresql)")
    user = server_user(None)
    folder = _folder(user)
    try:
        yield _started(PROGRAMS[-1].parent, folder, user)
    finally:
        run_as(user, [PROGRAMS[-1].parent / "pg_ctl", "-D", folder / "cluster", "-m", "immediate", "stop"])
        shutil.rmtree(folder)


def _folder(user: ServerUser | None) -> Path:
    """Return a new folder that the server's user can reach: a test's own may be closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="heraut-own-server-"))
    if user:
        shutil.chown(folder, user.uid, user.gid)
    return folder


def _started(programs: Path, folder: Path, user: ServerUser | None) -> str:
    (folder / "password").write_text(OWNER_PASSWORD)
    (folder / "password").chmod(0o644)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    cluster = ["-D", folder / "cluster"]
    identity = ["-U", "heraut", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
    made = run_as(user, [programs / "initdb", *cluster, *identity, "-N", "-E", "UTF8", "--locale=C"])
    assert made.returncode == 0, made.stderr
    started = run_as(user, [programs / "pg_ctl", *cluster, "-l", folder / "log", "-w", "-o", options, "start"])
    assert started.returncode == 0, started.stderr
    return f"127.0.0.1:{port}/postgres"


async def test_each_room_logs_in_as_itself(server: str) -> None:
    """After the migration a room's URL is all that it needs, and a second one finds nothing to do."""
    owner = f"postgresql://heraut:{OWNER_PASSWORD.replace(' ', '%20')}@{server}"
    rooms = {room: f"postgresql://heraut_{room}:secret-of-{room}@{server}" for room in ROOMS}
    first = await migrate(owner, room_urls=rooms)
    second = await migrate(owner, room_urls=rooms)

    assert (True, []) == (len(first.applied) > len(ROOMS), second.applied)
    assert {room: (f"heraut_{room}", room) for room in ROOMS} == {room: await _who(url) for room, url in rooms.items()}


async def test_the_walls_stand_there_too(server: str) -> None:
    """An owner who is no superuser raises them; a room taken over forges no release, and becomes nobody else."""
    superuser = await asyncpg.connect(f"postgresql://heraut:{OWNER_PASSWORD.replace(' ', '%20')}@{server}")
    await superuser.execute("create role keeper login createrole password 'kept'")
    await superuser.execute("create database x owner keeper")
    await superuser.close()
    owner = f"postgresql://keeper:kept@{server.replace('/postgres', '/x')}"
    logins = own_logins(owner)
    await migrate(owner, room_urls=logins)
    pool = await connect_pool(logins["tracking"], "tracking")
    try:
        await check_login(pool, "tracking")
        async with pool.acquire() as connection:
            for source in ("tracking", "intake"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await append_outputs(connection, source, [Output(INCIDENTS_CHANGED, 0, b"forged")])
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("set role keeper")
    finally:
        await pool.close()


async def _who(url: str) -> tuple[str, str]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow("select current_user::text, current_schema()::text")
        assert row
        return row[0], row[1]
    finally:
        await connection.close()
