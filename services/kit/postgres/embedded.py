"""The PostgreSQL that comes with Heraut: real PostgreSQL from a wheel, run by us, for one machine.

The wheel's own Python is not used: it adds a system user, loosens the permissions of parent folders when it is
root, and stops the server at exit. Here the server outlives the process that started it, also one that was killed,
and the next start attaches to it or restarts it. It listens on a Unix socket in a folder of its own, and nowhere else.

Nobody logs in without a password, its owner included: his is made at the first start, and lies in the data directory
in a file that only we may read. Who lost it gets another at the next start, as whoever can start the server may do
anything with it.

PostgreSQL refuses to run as root. Started by root it runs as a user of its own, who may not be able to walk to
the data directory; then the cluster lies in a folder of root's that he can reach, and `<data>/postgres/elsewhere`
says where. That is decided once: a cluster never moves, also when the permissions around it change.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg

from services.kit.errors import HerautError
from services.kit.postgres.logins import FOLDER as LOGINS_FOLDER
from services.kit.postgres.logins import fresh_password, logged_in_as, password_of, write_login
from services.kit.postgres.programs import ServerUser, can_enter, installed, is_shared, root_home, run_as, server_user
from services.kit.postgres.scram import verifier

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "memory_for_us"]

_SUPERUSER = "heraut"
_DATABASE = "heraut"
_SOCKET = ".s.PGSQL.5432"
_LONGEST_SOCKET = 107  # bytes of a path in `sun_path` (unix(7))
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./-]+", re.ASCII)
# Not TMPDIR: two processes with different environments must mean the same folder.
_SOCKET_PARENTS = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - a folder of our own in it, 0700, owner checked
# A crash recovery of a few gigabytes of log, on a slow disk.
_START_SECONDS = 300.0
# Longer than a checkpoint of all shared buffers; beyond it the server is told to drop everything and recover later.
_STOP_SECONDS = 60.0
# Through the socket alone, and for nobody without a password.
_ACCESS = "local all all scram-sha-256\n"
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # two replicas of seven services with eight connections each, and tests
    # After each checkpoint every page is logged whole once more, and new people touch pages of indexes at random: at
    # ten millions, the million after a checkpoint costs 25 us of CPU a person more. More log, longer recovery.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "10min",
    "wal_compression": "pglz",  # the wheel has no lz4
    "jit": "off",  # short statements: compiling them costs more than it saves
    "max_parallel_workers_per_gather": "0",  # the other core is ours; and /dev/shm is 64 MB in a container
    "log_min_error_statement": "panic",  # statements may hold rows; rows may hold what no log should
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",  # no DETAIL lines, which repeat values
    "idle_in_transaction_session_timeout": "60s",
}


class EmbeddedPostgresError(HerautError):
    """The server cannot be made, started or stopped; the message says why, or where its log is."""


class EmbeddedPostgres:
    """The server of one data directory.

    Where it is not `durable` (a test's), what it has survives its processes being killed, but no power cut.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._data_dir = data_dir.resolve()
        self._inside = self._data_dir / "postgres"
        self._pointer = self._inside / "elsewhere"
        self._logins = self._data_dir / LOGINS_FOLDER

    async def ensure_running(self) -> str:
        """Start the server, or attach to it, and return the URL of its owner.

        Safe to call from several processes at once. The URL stays the same over restarts. Raises
        EmbeddedPostgresError.
        """
        return await asyncio.to_thread(self._ensure_running)

    async def stop(self) -> None:
        """Stop the server if it runs: sessions are ended, data is on disk."""
        await asyncio.to_thread(self._stop)

    async def destroy(self) -> None:
        """Stop the server and delete its data."""
        await self.stop()
        for folder in (self._socket_dir, self._home, self._inside, self._logins):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where the owner logs in. Raises EmbeddedPostgresError before the first start."""
        password = self._password
        if password is None:
            raise EmbeddedPostgresError(f"the database of {self._data_dir} was not started yet")
        return logged_in_as(self._place, _SUPERUSER, password)

    @property
    def _place(self) -> str:
        return f"postgresql:///{_DATABASE}?host={quote(str(self._socket_dir), safe='')}"

    @property
    def _password(self) -> str | None:
        try:
            return password_of((self._logins / "owner.url").read_text(encoding="utf-8").strip())
        except FileNotFoundError:
            return None

    @property
    def server_pid(self) -> int | None:
        """The running server's process id, or None. A stranger that got the number of a dead server is not it."""
        try:
            pid = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if _works_in(pid, self._cluster) else None

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self._home / "server.log"

    @property
    def _home(self) -> Path:
        """The folder of cluster and log."""
        try:
            return Path(self._pointer.read_text().strip())
        except (FileNotFoundError, NotADirectoryError):
            return self._inside
        except PermissionError:
            raise EmbeddedPostgresError(
                f"{self._inside} belongs to another user: run as that one, or as root"
            ) from None

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    @property
    def _socket_dir(self) -> Path:
        """The folder of the socket: beside the cluster, where nobody else can make one first.

        Where the data directory lies too deep for a socket, or has signs in its name that mean something in a list of
        folders, it is in a folder of all users.
        """
        beside = self._home / "socket"
        if len(f"{beside / _SOCKET}") <= _LONGEST_SOCKET and _PLAIN_PATH.fullmatch(str(beside)):
            return beside
        parent = next((folder for folder in _SOCKET_PARENTS if folder.is_dir()), _SOCKET_PARENTS[0])
        return parent / f"heraut-postgres-{_short_hash(str(self._cluster))}"

    def _ensure_running(self) -> str:
        self._data_dir.mkdir(parents=True, exist_ok=True)
        with _locked(self._data_dir / ".postgres.lock"):
            if not self._cluster.exists():
                self._make()
            if self.server_pid is not None and not (self._socket_dir / _SOCKET).exists() and self._says_ready():
                self._stop()  # the folder of sockets was cleaned, so this server cannot be reached any more
            if self._password is None:
                self._stop()  # it gets another password before it is started
            self._wait_until_it_answers()
        return self.url

    def _make(self) -> None:
        """Choose a place for the cluster and make it there; it has its name once it is whole."""
        if self._pointer.exists():
            raise EmbeddedPostgresError(f"the database lay in {self._home}, as {self._pointer} says, and is gone")
        user = server_user(None)
        home = self._inside
        if user and not can_enter(user, self._data_dir):
            # The name is random, so that an emptied data directory does not find the cluster of the one before.
            home = root_home() / f"{_short_hash(str(self._data_dir))}-{secrets.token_hex(4)}"
        _own_folder(home, user)
        self._init(home, user)
        if home != self._inside:
            _own_folder(self._inside, None)
            self._pointer.with_suffix(".new").write_text(f"{home}\n")
            self._pointer.with_suffix(".new").replace(self._pointer)

    def _init(self, home: Path, user: ServerUser | None) -> None:
        partial = home / "cluster.new"
        shutil.rmtree(partial, ignore_errors=True)  # the rest of an initdb that was killed
        options = (
            # In one go, not a file at a time: on a busy disk that takes seconds longer.
            "--sync-method=syncfs" if self._durable else "--no-sync",
            *("--auth=reject", "--encoding=UTF8", "--no-locale", "--locale-provider=builtin"),
            *("--builtin-locale=C.UTF-8", "--no-instructions"),
        )
        done = run_as(user, [installed(user) / "initdb", "-D", partial, "-U", _SUPERUSER, *options])
        if done.returncode:
            raise EmbeddedPostgresError(f"initdb failed: {done.stderr.strip()[-500:]}")
        with (partial / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude = 'heraut.conf'\n")
        partial.rename(home / "cluster")

    def _configure(self, user: ServerUser | None) -> None:
        """Write our settings, anew at every start, so that they follow the code; ALTER SYSTEM goes above them."""
        settings = {**_SETTINGS, "shared_buffers": _shared_buffers(durable=self._durable)}
        settings["unix_socket_directories"] = str(self._socket_dir)
        settings |= {} if self._durable else {"fsync": "off", "full_page_writes": "off"}
        settings["hba_file"] = str(self._cluster / "heraut_hba.conf")
        for name, text in (
            ("heraut_hba.conf", _ACCESS),
            ("heraut.conf", "".join(f"{name} = '{value}'\n" for name, value in settings.items())),
        ):
            (self._cluster / name).write_text(text)
            if user:
                os.chown(self._cluster / name, user.uid, user.gid)

    def _start(self) -> None:
        """Start the server in a session of its own: it outlives us, and a Ctrl-C at our terminal is not for it."""
        user = server_user(self._cluster)
        if user and not can_enter(user, self._cluster):
            raise EmbeddedPostgresError(f"the user that PostgreSQL runs as cannot walk to {self._cluster} any more")
        if user and self._socket_dir.exists() and is_shared(self._socket_dir.lstat().st_uid):
            shutil.rmtree(self._socket_dir)  # of a server that had no user of its own yet, or of a stranger
        _own_folder(self._socket_dir, user)
        self._configure(user)
        self._forget_stranger()
        if self._password is None:
            self._give_password(user)
        # Exit status 0: the server is ready. Otherwise it may be recovering still, or it refused because processes of a
        # killed server hold its memory for a moment. Either way `_wait_until_it_answers` tries again.
        patience = str(int(_START_SECONDS))
        pg_ctl = [installed(user) / "pg_ctl", "start", "-D", self._cluster, "-l", self.log_file]
        run_as(user, [*pg_ctl, "-s", "-w", "-t", patience])

    def _give_password(self, user: ServerUser | None) -> None:
        """Give the owner a password, without a server that anybody could reach meanwhile."""
        password = fresh_password()
        statement = f"alter role {_SUPERUSER} password '{verifier(password)}'"
        single = [installed(user) / "postgres", "--single", "-j", "-D", self._cluster, "postgres"]
        done = run_as(user, single, stdin=f"{statement};\n\n")
        if done.returncode:
            raise EmbeddedPostgresError(f"the owner got no password: {done.stderr.strip()[-500:]}")
        write_login(self._logins, "owner", logged_in_as(self._place, _SUPERUSER, password))

    def _forget_stranger(self) -> None:
        """Remove the pid file of a dead server whose number a stranger has now: PostgreSQL would not dare to.

        Only where no process works in the cluster: the last ones may outlive a killed server by a moment.
        """
        with suppress(OSError, ValueError):
            pid = int((self._cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            os.kill(pid, 0)  # raises where no process has the number: then PostgreSQL itself removes the file
            processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
            if processes and not any(_works_in(process, self._cluster) for process in processes):
                (self._cluster / "postmaster.pid").unlink()

    def _says_ready(self) -> bool:
        """Tell whether the running server once was ready: its socket should be there."""
        try:
            return (self._cluster / "postmaster.pid").read_text().rstrip().endswith("ready")
        except OSError:
            return False

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not asyncio.run(self._answers()):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"PostgreSQL does not answer; its log is {self.log_file}")
            if self.server_pid is None:
                self._start()
            time.sleep(0.1)

    async def _answers(self) -> bool:
        if self.server_pid is None:
            return False
        try:
            connection = await asyncpg.connect(self.url.replace(f"/{_DATABASE}?", "/postgres?"), timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            return False
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", _DATABASE):
                await connection.execute(f'create database "{_DATABASE}"')
        finally:
            await connection.close()
        return True

    def _stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT):  # PostgreSQL's fast, then its immediate shutdown
            pid = self.server_pid
            if pid is None:
                return
            with suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + _STOP_SECONDS
            while self.server_pid == pid and time.monotonic() < deadline:
                time.sleep(0.02)
        if self.server_pid is not None:
            raise EmbeddedPostgresError(f"PostgreSQL does not stop; its log is {self.log_file}")


def _own_folder(folder: Path, user: ServerUser | None) -> None:
    """Make a folder that only its user (and root) can enter.

    Raises EmbeddedPostgresError where another user's is there.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    found = folder.lstat()
    owner = user.uid if user else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {owner, os.geteuid()}:
        raise EmbeddedPostgresError(f"{folder} belongs to another user: run as that one, or as root")
    if user and found.st_uid != owner:
        os.chown(folder, user.uid, user.gid)
    folder.chmod(0o700)


def _shared_buffers(*, durable: bool) -> str:
    """Return a quarter of the memory, at most 4 GB: all indexes of some twenty million people (180 bytes a person).

    Entries come in random order, so what does not fit costs a read and a write a person for each index. A server that
    is thrown away has 64 MB: each database that it creates or drops looks through all buffers.
    """
    return f"{max(32, min(4096, memory_for_us() // 4 // 2**20)) if durable else 64}MB"


def memory_for_us(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Return the bytes of memory that this machine has, or those that a container leaves us (cgroup v2)."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # no such group, or "max"
        memory = min(memory, int(limit.read_text(encoding="ascii")))
    return memory


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _works_in(pid: int, cluster: Path) -> bool:
    """Tell whether a process works in this cluster: each of PostgreSQL's has it as its working directory."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == cluster
    except OSError:  # not ours to look at, a zombie, or no /proc: then the pid file is all there is
        return not Path("/proc/self").exists()
