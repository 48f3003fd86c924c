"""Two replicas of every service as processes of their own, with their database, broker and providers."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson
from notification.topics import COHORT

from deploy.kafka import broker
from services.cli.supervisor import argv_of
from services.core.access import Principal, Role
from services.core.rooms import ROOMS, STAGES
from services.demo.stack import without_settings
from services.demo.standins import CONTROL
from services.kit.eventlog.kafka.admin import ensure_topics
from services.kit.eventlog.kafka.client import KafkaSettings
from services.kit.postgres import LOGINS_FOLDER, make_logins
from services.kit.postgres.embedded import EmbeddedPostgres
from services.kit.postgres.migrations import migrate
from services.kit.process.children import start_child, stop_child
from services.kit.testing import make_principals
from services.kit.vault.key_files import create_keys

__all__ = ["REPLICAS", "Fleet"]

REPLICAS = 2
PARTITIONS = 8
# Seconds from the start of a process to its first answer, on two cores that fourteen processes share.
_READY_SECONDS = 60.0
_LOOK_EVERY = 0.1
_RESTART_AFTER = 0.3
_DRAIN_SECONDS = 30.0  # beyond HERAUT_DRAIN_TIMEOUT's default


class Earlier(Protocol):
    """Code of another commit."""

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes a process run it."""
        ...

    def prepare(self, environ: Mapping[str, str], *commands: str) -> None:
        """Run commands of `heraut` as they were then, with these settings."""
        ...


@dataclass(slots=True)
class Replica:
    """One process of the fleet. It has the same port each time it is started again."""

    name: str
    stage: str
    environ: dict[str, str]
    folder: Path
    process: asyncio.subprocess.Process | None = None
    lives: int = 0

    @property
    def ready_file(self) -> Path:
        """The file that the process writes its address to."""
        return self.folder / "run" / f"{self.name}.url"

    @property
    def url(self) -> str:
        """The address of the process, known after its first start."""
        return self.ready_file.read_text().strip()

    async def start(self) -> None:
        """Start the process, at the port of its first start."""
        argv = [*argv_of(self.stage), "--ready-file", str(self.ready_file)]
        self.process = await start_child(argv, environ=self.environ, log=self.folder / "logs" / f"{self.name}.log")
        self.lives += 1
        if self.lives == 1:
            async with asyncio.timeout(_READY_SECONDS):
                while not self.ready_file.exists():
                    if self.process.returncode is not None:
                        raise RuntimeError(f"{self.name} ended with {self.process.returncode}; see its log")
                    await asyncio.sleep(_LOOK_EVERY)
            self.environ["HERAUT_HTTP_PORT"] = self.url.rsplit(":", 1)[1]

    async def keep_running(self) -> None:
        """Start the process again whenever it has ended, as a supervisor would."""
        while True:
            assert self.process
            await self.process.wait()
            await asyncio.sleep(_RESTART_AFTER)
            await self.start()

    def kill(self) -> None:
        """End the process by SIGKILL."""
        assert self.process
        with suppress(ProcessLookupError):
            self.process.kill()

    async def pause(self, seconds: float) -> None:
        """Pause the process for some seconds. It does not notice: to it no time has passed."""
        assert self.process
        process = self.process
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)


@dataclass(slots=True)
class Fleet:
    """All processes of a run, in one folder."""

    folder: Path
    log: str  # postgres or kafka
    settings: Mapping[str, str] = field(default_factory=dict)  # further HERAUT_* of every process
    replicas: int = REPLICAS
    of_stage: Mapping[str, int] = field(default_factory=dict)  # replicas of single stages, where they differ
    standins: Sequence[str] = ()  # further arguments of the stand-ins
    earlier: "Earlier | None" = None  # the code that all processes begin with; None = this one
    control_url: str = ""  # where they are told how to misbehave
    processes: dict[str, Replica] = field(default_factory=dict)
    database_url: str = ""  # its owner's
    logins: Mapping[str, str] = field(default_factory=dict)  # by room
    headers: dict[str, str] = field(default_factory=dict)  # by which the fleet's operator is known
    _standins: asyncio.subprocess.Process | None = None
    _broker_port: int = 0
    _keepers: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def print_dir(self) -> Path:
        """The folder of the letters."""
        return self.folder / "print"

    @property
    def records(self) -> Path:
        """The folder of the stand-ins' records."""
        return self.folder / "providers"

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The fleet's database server."""
        return EmbeddedPostgres(self.folder)

    def urls(self, stage: str) -> list[str]:
        """Return the addresses of a service's replicas."""
        return [replica.url for replica in self.processes.values() if replica.stage == stage]

    async def start(self) -> None:
        """Start everything, and wait until each service is ready."""
        for name in ("run", "logs", "print", "providers"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        create_keys(self.folder / "keys")
        operator = Principal("operator", frozenset({Role.OPERATOR}))
        tokens = make_principals(self.folder / "principals.json", operator)
        self.headers = {"Authorization": f"Bearer {tokens['operator']}"}
        self.database_url = await self.postgres.ensure_running()
        self.logins = make_logins(self.folder / LOGINS_FOLDER, self.database_url, ROOMS)
        environ = self._environ() | await self._start_standins() | await self._start_broker() | dict(self.settings)
        await self._make_tables_and_topics(environ)
        environ |= self.earlier.environ if self.earlier else {}
        for stage in STAGES:
            for number in range(1, self.of_stage.get(stage, self.replicas) + 1):
                name = f"{stage}-{number}"
                self.processes[name] = Replica(name, stage, dict(environ), self.folder)
        await asyncio.gather(*(replica.start() for replica in self.processes.values()))
        self._keepers = [asyncio.create_task(replica.keep_running()) for replica in self.processes.values()]
        await self._wait_until_ready()

    async def stop_services(self) -> None:
        """Ask the services to end, and kill those that do not."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        running = [replica.process for replica in self.processes.values() if replica.process]
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
        await asyncio.gather(*(stop_child(process, 15.0) for process in running))

    async def stop(self) -> None:
        """Stop everything."""
        await self.stop_services()
        if self._standins:
            await stop_child(self._standins, 5.0)
        if self.log == "kafka":
            await asyncio.to_thread(broker.stop, self.folder / "kafka")
        await self.postgres.stop()

    async def kill_database(self) -> None:
        """Kill PostgreSQL and start it again; it recovers from its write-ahead log."""
        if pid := self.postgres.server_pid:
            os.kill(pid, signal.SIGKILL)
        await self.postgres.ensure_running()

    async def restart_broker(self) -> None:
        """Stop the broker and start it again on the same port and data."""
        folder = self.folder / "kafka"
        await asyncio.to_thread(broker.stop, folder)
        await asyncio.to_thread(broker.start, folder, self._broker_port)

    def _environ(self) -> dict[str, str]:
        return {
            **without_settings(os.environ),
            "HERAUT_LOG": self.log,
            **{f"HERAUT_DATABASE_URL_{room.upper()}": url for room, url in self.logins.items()},
            "HERAUT_DATA_DIR": str(self.folder),
            "HERAUT_KEYS_DIR": str(self.folder / "keys"),
            "HERAUT_HTTP_HOST": "127.0.0.1",
            "HERAUT_HTTP_PORT": "0",
            "HERAUT_PARTITIONS": str(PARTITIONS),
            "HERAUT_PRINT_DIR": str(self.print_dir),
            "HERAUT_LETTER_FORMAT": "ndjson",
            "HERAUT_REFUSED_AFTER": "1s",  # the stand-ins are never ill
        }

    async def _start_standins(self) -> dict[str, str]:
        ready = self.folder / "run" / "standins.json"
        argv = [sys.executable, "-m", "services.demo.standins", "--records", str(self.records), "--control-port", "0"]
        argv += [*self.standins, "--ready-file", str(ready)]
        self._standins = await start_child(argv, environ=os.environ, log=self.folder / "logs" / "standins.log")
        async with asyncio.timeout(_READY_SECONDS):
            while not ready.exists():
                await asyncio.sleep(_LOOK_EVERY)
        addresses: dict[str, str] = orjson.loads(ready.read_bytes())  # by the settings that name them
        self.control_url = addresses.pop(CONTROL)
        return addresses

    async def _start_broker(self) -> dict[str, str]:
        if self.log != "kafka":
            return {}
        bootstrap = await asyncio.to_thread(broker.start, self.folder / "kafka")
        self._broker_port = int(bootstrap.rsplit(":", 1)[1])
        return {"HERAUT_KAFKA_BOOTSTRAP_SERVERS": bootstrap}

    async def _make_tables_and_topics(self, environ: Mapping[str, str]) -> None:
        if self.earlier:
            as_owner = {**environ, "HERAUT_DATABASE_URL": self.database_url}
            await asyncio.to_thread(
                self.earlier.prepare, as_owner, "migrate", *(["topics"] if self._broker_port else [])
            )
            return
        await migrate(self.database_url, room_urls=self.logins)
        if bootstrap := environ.get("HERAUT_KAFKA_BOOTSTRAP_SERVERS"):
            await ensure_topics(KafkaSettings(bootstrap_servers=bootstrap), PARTITIONS, 1, (COHORT,))

    async def restart(self, name: str) -> None:
        """End a process as an operator would, and return once what its keeper started in its place is ready."""
        replica = self.processes[name]
        lives, process = replica.lives, replica.process
        assert process
        await stop_child(process, _DRAIN_SECONDS)
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as http:
            while replica.lives == lives or not await _is_ready(http, replica.url):
                await asyncio.sleep(_LOOK_EVERY)

    async def _wait_until_ready(self) -> None:
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as http:
            waiting = list(self.processes.values())
            while waiting:
                waiting = [replica for replica in waiting if not await _is_ready(http, replica.url)]
                await asyncio.sleep(_LOOK_EVERY)


async def _is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/readyz", timeout=aiohttp.ClientTimeout(total=2)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
