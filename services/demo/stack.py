"""What the demo runs on: Heraut itself as `heraut up` starts it, the providers' stand-ins, and Kafka where asked."""

import asyncio
import contextlib
import importlib.util
import os
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import orjson

from services.demo.errors import DemoError
from services.demo.topics import own_topics
from services.kit.config import LOGS, ServiceConfig, load
from services.kit.postgres import EmbeddedPostgres
from services.kit.process import start_child, stop_child

__all__ = ["Stack", "StackWish", "open_stack"]

_BROKER = Path(__file__).parents[2] / "deploy" / "kafka" / "broker.py"
# Making a database, migrating it and starting seven processes takes ten seconds on two busy cores.
_READY_SECONDS = 180.0
# Longer than a service's drain and what the supervisor allows beyond it.
_STOP_SECONDS = 60.0
_POLL = 0.1


@dataclass(frozen=True, slots=True)
class StackWish:
    """What to start."""

    log: str
    data: Path | None  # None = a fresh directory, gone again as far as nobody wants to look into it
    keep: bool
    environ: Mapping[str, str]


@dataclass(slots=True)
class Stack:
    """What runs."""

    data: Path
    records: Path
    print_dir: Path
    addresses: dict[str, str]
    token: str
    how_to_stop: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_stack(wish: StackWish, run_id: str) -> AsyncIterator[Stack]:
    """Start everything; all of it is stopped at the end, unless it is to be kept and all went well until then."""
    async with AsyncExitStack() as stack:
        data = _data_dir(wish)
        if wish.data is None:
            # The tables served their turn; what was printed and logged stays to be looked at.
            stack.push_async_callback(EmbeddedPostgres(data).destroy)
        environ = await _environ(wish, data, stack)
        records = data / "providers" / run_id
        stops: list[str] = []
        providers = await _start_standins(wish, data, records, stack, stops)
        environ |= {"HERAUT_SMTP_URL": providers["smtp"], "HERAUT_PORTAL_URL": providers["portal"]}
        addresses = await _start_up(wish, data, environ, stack, stops)
        if (servers := LOGS[wish.log]) and not wish.environ.get(servers):
            stops.append(f"{shlex.quote(sys.executable)} {_BROKER} stop --dir {shlex.quote(str(data / 'kafka'))}")
        yield Stack(data, records, Path(environ["HERAUT_PRINT_DIR"]), addresses, _token(data, environ), stops)
        if wish.keep:
            stack.pop_all()


def _data_dir(wish: StackWish) -> Path:
    if wish.data is None:
        return Path(tempfile.mkdtemp(prefix="heraut-demo-"))
    data = wish.data.resolve()
    data.mkdir(parents=True, exist_ok=True)
    return data


async def _environ(wish: StackWish, data: Path, stack: AsyncExitStack) -> dict[str, str]:
    environ = {
        "HERAUT_PRINT_DIR": str(data / "print"),
        **wish.environ,
        "HERAUT_DATA_DIR": str(data),
        "HERAUT_LOG": wish.log,
    }
    servers = LOGS[wish.log]  # the setting that says where they are
    if servers is None:
        return environ
    if not environ.get(servers):
        environ[servers] = await _start_broker(data, stack)
    elif wish.data is None:
        await stack.enter_async_context(own_topics(load(ServiceConfig, environ)))
    return environ


async def _start_broker(data: Path, stack: AsyncExitStack) -> str:
    """Start the checkout's own broker, with a directory of its own: this database belongs to those topics."""
    broker = _broker_script()
    directory = data / "kafka"
    try:
        address = await asyncio.to_thread(broker.start, directory)
    except broker.BrokerUnavailable as error:
        raise DemoError(
            f"no Kafka: {error.reason}\nor set HERAUT_KAFKA_BOOTSTRAP_SERVERS to one that runs", 2
        ) from None
    stack.push_async_callback(asyncio.to_thread, broker.stop, directory)
    return str(address)


def _broker_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("heraut_broker", _BROKER) if _BROKER.exists() else None
    if spec is None or spec.loader is None:
        raise DemoError("set HERAUT_KAFKA_BOOTSTRAP_SERVERS: outside a checkout there is no broker to start", 2)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up there
    spec.loader.exec_module(module)
    return module


async def _start_standins(
    wish: StackWish, data: Path, records: Path, stack: AsyncExitStack, stops: list[str]
) -> dict[str, str]:
    ready = data / "run" / "standins.json"
    ready.parent.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "services.demo.standins", "--records", str(records), "--ready-file", str(ready)]
    log = data / "logs" / "standins.log"
    process = await start_child(argv, environ=_without_heraut(), log=log, outlives_us=wish.keep)
    stack.push_async_callback(stop_child, process, 10.0)
    await _until_there(ready, process, log)
    stops.append(f"kill {process.pid}")
    return {str(name): str(url) for name, url in orjson.loads(ready.read_bytes()).items()}


async def _start_up(
    wish: StackWish, data: Path, environ: Mapping[str, str], stack: AsyncExitStack, stops: list[str]
) -> dict[str, str]:
    ready, log = data / "services.json", data / "logs" / "up.log"
    # An `up` that runs there already keeps its services.json: the new one will say so and end.
    before = _written_at(ready)
    argv = [sys.executable, "-m", "services.cli", "up", "--data", str(data)]
    log.unlink(missing_ok=True)
    process = await start_child(argv, environ=environ, log=log, outlives_us=wish.keep)
    stack.push_async_callback(stop_child, process, _STOP_SECONDS)
    await _until_there(ready, process, log, newer_than=before)
    stops.insert(0, f"kill {process.pid}")
    return {str(name): str(url) for name, url in orjson.loads(ready.read_bytes()).items()}


async def _until_there(file: Path, process: asyncio.subprocess.Process, log: Path, *, newer_than: int = 0) -> None:
    """Wait for the file by which a program says that it is ready. Raises DemoError with its last words."""
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
    """Return when a file was written, in ns; 0 where there is none."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _last_words(log: Path) -> list[str]:
    last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
    return [line.removeprefix("heraut: ") for line in last] or ["it said nothing"]


def _without_heraut() -> dict[str, str]:
    """Return the environment without settings: the stand-ins are no part of Heraut."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HERAUT_")}


def _token(data: Path, environ: Mapping[str, str]) -> str:
    config = load(ServiceConfig, environ)
    return config.auth_token or (data / "operator.token").read_text(encoding="utf-8").strip()
