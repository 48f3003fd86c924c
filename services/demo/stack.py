"""What the demo runs on: Heraut as `heraut up` starts it, the providers' stand-ins, and the event log's servers."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import orjson

from services.demo.broker import how_to_stop_broker, start_broker, stop_broker
from services.demo.errors import DemoError
from services.demo.topics import delete_topics, refuse_topics
from services.kit.config import LOGS, ServiceConfig, load
from services.kit.postgres import EmbeddedPostgres
from services.kit.process import start_child, stop_child

__all__ = ["Stack", "StackWish", "open_stack", "without_settings"]

# To make a database, migrate it and start seven processes takes ten seconds on two busy cores.
_READY_SECONDS = 180.0
# Longer than a service's drain and what the supervisor allows beyond it.
_STOP_UP_SECONDS = 60.0
_STOP_STANDINS_SECONDS = 10.0
_POLL = 0.1


class _LogServers(NamedTuple):
    """How the demo starts and stops a log's servers. Each function takes the directory of their data."""

    start: Callable[[Path], Awaitable[str]]  # returns where they are, for the log's setting
    stop: Callable[[Path], Awaitable[None]]
    how_to_stop: Callable[[Path], str]


# By the word of HERAUT_LOG. The demo starts nothing for a log without an entry: its setting has to be given.
_LOG_SERVERS: Mapping[str, _LogServers] = MappingProxyType(
    {"kafka": _LogServers(start_broker, stop_broker, how_to_stop_broker)}
)


@dataclass(frozen=True, slots=True)
class StackWish:
    """What to start. Without `data` there is a fresh directory; print files and logs in it stay at the end."""

    log: str
    data: Path | None
    keep: bool  # leave everything running at the end
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs, and where. `records` is the folder of the providers' records."""

    data: Path
    records: Path
    print_dir: Path
    addresses: Mapping[str, str]
    token: str
    how_to_stop: Sequence[str]


@asynccontextmanager
async def open_stack(wish: StackWish, run_id: str) -> AsyncIterator[Stack]:
    """Start everything, and stop it at the end. With `wish.keep` it stays where the context ends without an error.

    Raises DemoError where something does not start.
    """
    servers = _servers_to_start(wish)
    async with AsyncExitStack() as cleanup:
        data = _data_dir(wish)
        if wish.data is None:
            cleanup.push_async_callback(EmbeddedPostgres(data).destroy)
        environ = await _environ(wish, data, servers, cleanup)
        records = data / "providers" / run_id
        standins = await _start(_standins(data, records), wish, cleanup)
        environ |= standins.addresses  # by the settings that name them
        up = await _start(_up(data, environ), wish, cleanup)
        stops = [f"kill {up.pid}", f"kill {standins.pid}"]
        if servers:
            stops.append(servers.how_to_stop(data / wish.log))
        yield Stack(
            data,
            records,
            Path(environ["HERAUT_PRINT_DIR"]),
            up.addresses,
            (data / "operator.token").read_text(encoding="utf-8").strip(),
            stops,
        )
        if wish.keep:
            cleanup.pop_all()


def _data_dir(wish: StackWish) -> Path:
    if wish.data is None:
        return Path(tempfile.mkdtemp(prefix="heraut-demo-"))
    data = wish.data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    return data


def _servers_to_start(wish: StackWish) -> _LogServers | None:
    """Return how to start the log's servers; None where it lies in the database, or its setting says where it is.

    Raises DemoError for a log that the demo has no servers for.
    """
    setting = LOGS[wish.log]
    if setting is None or wish.environ.get(setting):
        return None
    if wish.log not in _LOG_SERVERS:
        raise DemoError(f"set {setting}: the demo cannot start the log {wish.log} by itself", 2)
    return _LOG_SERVERS[wish.log]


async def _environ(wish: StackWish, data: Path, servers: _LogServers | None, cleanup: AsyncExitStack) -> dict[str, str]:
    """Return the environment of `up`. Start the log's servers where there are any to start."""
    environ = {
        "HERAUT_PRINT_DIR": str(data / "print"),
        # The stand-ins are never ill: nobody needs to wait a minute for the next channel.
        "HERAUT_REFUSED_AFTER": "1s",
        **wish.environ,
        "HERAUT_DATA_DIR": str(data),
        "HERAUT_LOG": wish.log,
    }
    setting = LOGS[wish.log]
    if setting and servers:
        # A directory of its own: the topics belong to the database in this data directory.
        environ[setting] = await servers.start(data / wish.log)
        cleanup.push_async_callback(servers.stop, data / wish.log)
    elif setting and wish.data is None:
        config = load(ServiceConfig, environ)
        await refuse_topics(config)
        cleanup.push_async_callback(delete_topics, config)
    return environ


@dataclass(frozen=True, slots=True)
class _Program:
    """A program to start. It writes its addresses to the file `ready` once it is ready."""

    argv: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    ready: Path
    patience: float  # seconds that it may take to end


class _Started(NamedTuple):
    pid: int
    addresses: dict[str, str]


def _standins(data: Path, records: Path) -> _Program:
    ready = data / "run" / "standins.json"
    ready.parent.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "services.demo.standins", "--records", str(records), "--ready-file", str(ready)]
    environ = without_settings(os.environ)  # the stand-ins are no part of Heraut
    return _Program(argv, environ, data / "logs" / "standins.log", ready, _STOP_STANDINS_SECONDS)


def _up(data: Path, environ: Mapping[str, str]) -> _Program:
    log = data / "logs" / "up.log"
    log.unlink(missing_ok=True)  # its last lines are shown where this `up` does not start
    argv = [sys.executable, "-m", "services.cli", "up", "--data", str(data)]
    return _Program(argv, environ, log, data / "services.json", _STOP_UP_SECONDS)


async def _start(program: _Program, wish: StackWish, cleanup: AsyncExitStack) -> _Started:
    """Start a program and return its addresses; `cleanup` stops it. Raises DemoError with the program's last words."""
    # The file of a program that runs already stays as it is: the new program says so in its log and ends.
    before = _written_at(program.ready)
    process = await start_child(program.argv, environ=program.environ, log=program.log, outlives_us=wish.keep)
    cleanup.push_async_callback(stop_child, process, program.patience)
    await _until_written(program.ready, process, program.log, newer_than=before)
    addresses = {str(name): str(url) for name, url in orjson.loads(program.ready.read_bytes()).items()}
    return _Started(process.pid, addresses)


async def _until_written(file: Path, process: asyncio.subprocess.Process, log: Path, *, newer_than: int) -> None:
    """Wait until a program wrote a file after the time `newer_than`. Raises DemoError where it ends before that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_READY_SECONDS):
            while process.returncode is None:
                if _written_at(file) > newer_than:
                    return
                await asyncio.sleep(_POLL)
    words = _last_words(log)
    if process.returncode is None:
        words.insert(0, f"not ready after {_READY_SECONDS:.0f} s; its log is {log}")
    raise DemoError("\n".join(words), process.returncode or 1)


def _written_at(file: Path) -> int:
    """Return the time at which a file was written, in ns since 1970; 0 where there is none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _last_words(log: Path) -> list[str]:
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
    return [line.removeprefix("heraut: ") for line in last] or ["it said nothing"]


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the settings of Heraut."""
    return {name: value for name, value in environ.items() if not name.startswith("HERAUT_")}
