"""A real PostgreSQL on the loopback address that is reached over TCP, and speaks TLS: Debian's package.

The server that comes with Heraut can do neither: its wheel is built without TLS, and it listens at a socket alone.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.kit.postgres.programs import ServerUser, run_as, server_user

__all__ = ["OWNER", "PostgresUnavailable", "Server", "running"]

OWNER = "heraut"
_START_SECONDS = 60.0
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
    server = Server(folder, _free_port(), user)
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
            process.send_signal(signal.SIGINT)  # its fast shutdown
            process.wait(30)
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


def _wait(process: "subprocess.Popen[bytes]", server: Server, password: str) -> None:
    """Wait until the database of the owner's name is there."""
    psql = [_programs() / "psql", "-h", server.folder, "-p", str(server.port), "-U", OWNER, "-d", "postgres"]
    make = [*psql, "-c", f"create database {OWNER}"]
    deadline = time.monotonic() + _START_SECONDS
    environ = {"PGPASSWORD": password, "PATH": os.environ.get("PATH", "")}
    while subprocess.run([str(part) for part in make], env=environ, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise PostgresUnavailable((server.folder / "server.log").read_text(errors="replace")[-500:])
        time.sleep(0.1)


def _give(path: Path, content: bytes, user: ServerUser | None) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    if user:
        os.chown(path, *user)
    return path


def _programs() -> Path:
    """Return the folder of the newest server's programs; where there is none and we are root, it is installed."""
    if found := _newest():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "postgresql"]):
            subprocess.run(command, check=False, capture_output=True, env=quiet)
    if found := _newest():
        return found
    raise PostgresUnavailable("there is no PostgreSQL that speaks TLS: install the package postgresql")


def _newest() -> Path | None:
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in found), key=lambda path: int(path.parent.name), default=None)


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _end_with_parent() -> None:
    """Ask the kernel for a SIGINT, its fast shutdown, when the parent ends."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
