"""The supervisor of `up`: one child process per service, started again when it dies, and all ended together."""

import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson

from services.cli.console import Fault
from services.cli.target import SERVICE_NAMES, SERVICES_FILE
from services.core.rooms import DISPATCH_STAGES
from services.kit.files import write_atomically
from services.kit.process import start_child, stop_child
from services.kit.retry import backoff

__all__ = ["Child", "Supervisor", "argv_of"]

# The first wait is half a second, so that a passing fault costs little. The longest is half a minute, so that a service
# is back soon after its fault was mended. A service that ran for a minute begins with the first wait again.
_BACKOFF_BASE, _BACKOFF_CAP, _HEALTHY_AFTER = 0.5, 30.0, 60.0
_LOOK_EVERY = 0.2  # seconds between two looks at readiness: a person is waiting
_WRONG_CONFIGURATION = 2  # the exit status of a service whose settings are wrong: starting it again cannot help

Say = Callable[[str], None]


def argv_of(service: str) -> list[str]:
    """Return the program and arguments of a service: the same as in a container."""
    if service in DISPATCH_STAGES:
        return [sys.executable, "-m", "services.dispatch", "--channel", service.removeprefix("dispatch-")]
    return [sys.executable, "-m", f"services.{service}"]


@dataclass(slots=True)
class Child:
    """One service: its process, and how often it was started again."""

    service: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    ready_file: Path
    port: int
    say: Say
    drain: float  # seconds that it may take to end by itself
    metrics_port: int | None = None  # where its metrics have a bind of their own
    url: str | None = None
    restarts: int = 0
    ready: bool = False
    process: asyncio.subprocess.Process | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Keep the service running until `stop`. Raises Fault where the service says that its settings are wrong."""
        failures = 0
        while not stop.is_set():
            started = time.monotonic()
            status = await self._live(stop)
            if stop.is_set():
                return
            if status == _WRONG_CONFIGURATION:
                raise Fault(f"{self.service} cannot start:\n{self._last_words()}", 2)
            failures = 1 if time.monotonic() - started > _HEALTHY_AFTER else failures + 1
            self.restarts += 1
            wait = backoff(failures, base=_BACKOFF_BASE, cap=_BACKOFF_CAP, random=random.random)
            self.say(f"{self.service} ended with status {status}; again in {wait:.1f} s (see {self.log})")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)

    async def _live(self, stop: asyncio.Event) -> int | None:
        """Start the process once and return its exit status, or None where `stop` came first."""
        self.ready = False
        self.ready_file.unlink(missing_ok=True)
        environ = {**self.environ, "HERAUT_HTTP_PORT": str(self.port)}
        if self.metrics_port is not None:
            environ["HERAUT_METRICS_PORT"] = str(self.metrics_port)
        argv = [*self.argv, "--ready-file", str(self.ready_file)]
        self.process = process = await start_child(argv, environ=environ, log=self.log)
        ended, stopped = asyncio.ensure_future(process.wait()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return process.returncode
        finally:
            stopped.cancel()
            await stop_child(process, self.drain)

    async def ask_if_ready(self, http: aiohttp.ClientSession) -> None:
        """Ask the service whether it is ready, and note its address."""
        if self.url is None and self.ready_file.exists():
            self.url = self.ready_file.read_text(encoding="utf-8").strip()
            # It gets the same port when it is started again, so that services.json stays true.
            self.port = int(self.url.rsplit(":", 1)[1])
        if self.url is None:
            return
        try:
            # Nothing is sent but the question, to a child of ours: whose certificate it shows does not matter.
            async with http.get(f"{self.url}/readyz", ssl=False) as answer:
                self.ready = answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            self.ready = False

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        # The service tells faults of its settings in plain lines; the lines of its log are JSON.
        plain = [line for line in lines if not line.startswith("{")]
        return "\n".join(plain[-8:]) or f"see {self.log}"


@dataclass(slots=True)
class Supervisor:
    """All services of a data directory."""

    data: Path
    children: list[Child] = field(default_factory=list)

    @classmethod
    def of_services(
        cls,
        data: Path,
        environs: Mapping[str, Mapping[str, str]],
        *,
        port: int,
        metrics_port: int | None = None,
        drain: float,
        say: Say,
    ) -> "Supervisor":
        """Return a supervisor of all services, each with an environment of its own.

        The first service listens at `port` and each other one at the next; with 0 all take any free port. So with
        `metrics_port`, where metrics have a bind of their own.
        """
        supervisor = cls(data)
        for at, service in enumerate(SERVICE_NAMES):
            supervisor.children.append(
                Child(
                    service=service,
                    argv=argv_of(service),
                    environ=environs[service],
                    log=data / "logs" / f"{service}.log",
                    ready_file=data / "run" / f"{service}.url",
                    port=port + at if port else 0,
                    metrics_port=metrics_port + at if metrics_port else metrics_port,
                    say=say,
                    drain=drain,
                )
            )
        return supervisor

    async def run(self, stop: asyncio.Event, when_ready: Callable[[dict[str, str]], None]) -> None:
        """Run all services until `stop`. Raises the first fault of a service, after all have ended.

        `when_ready` is called once, with the services' addresses, after services.json was written.
        """
        (self.data / SERVICES_FILE).unlink(missing_ok=True)
        (self.data / "run").mkdir(exist_ok=True)
        tasks = [asyncio.create_task(child.run(stop), name=child.service) for child in self.children]
        watch = asyncio.create_task(self._watch(stop, when_ready), name="readiness")
        try:
            # A task ends because of `stop`, or by a fault; a fault of one service ends all.
            await asyncio.wait({*tasks, watch}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            stop.set()
            results = await asyncio.gather(*tasks, watch, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _watch(self, stop: asyncio.Event, when_ready: Callable[[dict[str, str]], None]) -> None:
        """Wait until all services are ready at the same time, then write services.json and call `when_ready`."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            while self._waiting_for():
                if stop.is_set():
                    return
                await asyncio.sleep(_LOOK_EVERY)
                await asyncio.gather(*(child.ask_if_ready(http) for child in self.children))
        addresses = {child.service: child.url or "" for child in self.children}
        write_atomically(self.data / SERVICES_FILE, orjson.dumps(addresses, option=orjson.OPT_INDENT_2).decode())
        when_ready(addresses)

    def _waiting_for(self) -> list[str]:
        """Return the services that are not ready."""
        return [child.service for child in self.children if not child.ready]
