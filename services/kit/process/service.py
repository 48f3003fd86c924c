"""The parts of every process, opened in one order and closed in the other; `app.py` of a room adds the room's own."""

import argparse
import asyncio
import gc
import itertools
import logging
import os
import random
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from prometheus_client import CollectorRegistry

from services.core.rooms import STAGES
from services.core.transport import database_peer
from services.kit.certificate import OwnPair, listening
from services.kit.clock import SystemClock
from services.kit.config import ServiceConfig, load
from services.kit.errors import ConfigError, RetryableError
from services.kit.eventlog import (
    Entry,
    EventLog,
    GlobalTable,
    Installation,
    Retention,
    compare_partitions,
    fix_partitions,
    installation_of,
    is_on,
)
from services.kit.files import keep_private, write_atomically
from services.kit.postgres import (
    EmbeddedPostgres,
    Pool,
    check_login,
    check_migrated,
    connect_pool,
    is_retryable,
    logged_in_as,
    made_logins,
    password_of,
    role_of,
)
from services.kit.principals import Authenticator, PrincipalsFile, SpentInDatabase, authenticator_of
from services.kit.process.guard import OpenRoute, Route
from services.kit.process.health import Health
from services.kit.process.http import figures_app, serve_http, web_app
from services.kit.process.log import configure_logs
from services.kit.process.metrics import CertificateMetrics, FolderMetrics, ReadyMetrics, new_registry
from services.kit.process.run import Job, run_jobs, stop_on_signals
from services.kit.retry import backoff, pause_until
from services.kit.stage import Handler, News, Stage, StageContext, StageMetrics, StagePolicy
from services.kit.tracing import NOT_TRACED, Tracing, fault_of, open_tracing

__all__ = ["Service", "main", "open_service"]

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=ServiceConfig)
# Longer than a database or a log takes to fail over: who has heard from neither for so long says so.
PROGRESS_WITHIN = 60.0
_WATCH_SECONDS = 0.5


@dataclass(slots=True)
class Service:
    """One process of one stage: its connections, its face, and the jobs it runs."""

    config: ServiceConfig
    stage_name: str
    pool: Pool
    registry: CollectorRegistry
    metrics: StageMetrics
    health: Health
    clock: SystemClock
    principals: PrincipalsFile
    authenticator: Authenticator
    tracing: Tracing = NOT_TRACED
    jobs: dict[str, Job] = field(default_factory=dict)
    news: News = field(default_factory=News)
    _logs: list[EventLog] = field(default_factory=list)
    _installation: Installation | None = None  # of the event log, once it is needed

    @property
    def room(self) -> str:
        """Return the room that this stage belongs to."""
        return STAGES[self.stage_name]

    def new_log(self) -> EventLog:
        """Open the configured event log for this stage; it is closed with the service."""
        self._installation = self._installation or installation_of(self.config, self.room)
        log = self._installation.open(self.stage_name, self.pool)
        self._logs.append(log)
        return log

    def follow_table(self, part: str, topic: str, decode: Callable[[bytes | None], Sequence[Entry]]) -> GlobalTable:
        """Keep a small topic in memory, from now until the end; the process is ready once `part` was read whole."""
        table = GlobalTable(self.new_log(), topic, decode, self.new_log(), heard=self.news.spread)
        self.health.set_ready(part, ready=False)

        async def follow(stop: asyncio.Event) -> None:
            async with asyncio.TaskGroup() as group:
                loaded = group.create_task(self._ready_when(part, table.loaded))
                await table.run(stop)
                loaded.cancel()

        self.jobs[part] = follow
        return table

    async def _ready_when(self, part: str, loaded: asyncio.Event) -> None:
        await loaded.wait()
        self.health.set_ready(part, ready=True)

    def stage(
        self,
        topics: Sequence[str],
        handler: Handler[Any],
        *,
        foreign_topics: Sequence[str] = (),
        policy: StagePolicy | None = None,
    ) -> Stage:
        """Make the stage of this process and count it among the jobs; leases are those of the configuration.

        Of `foreign_topics`, those of other systems, it reads the ones that the configured log has.
        """
        log, lease, drain_timeout = self.new_log(), self.config.lease, self.config.drain_timeout
        foreign = [topic for topic in foreign_topics if is_on(topic, self.config.log)]
        context = StageContext(
            stage=self.stage_name,
            topics=tuple(dict.fromkeys((*topics, *foreign))),
            partitions=self.config.partitions,
            pool=self.pool,
            log=log,
            handler=handler,
            policy=replace(policy or StagePolicy(), lease=lease, drain_timeout=drain_timeout),
            metrics=self.metrics,
            tracing=self.tracing,
            news=self.news,
        )
        stage = Stage(context)
        self.jobs["stage"] = stage.run
        self.jobs["health"] = self._watch(stage)
        retention = Retention(self.pool, log, self.stage_name, stage.owned, self.config.log_retention)
        self.jobs["retention"] = retention.run
        return stage

    def _watch(self, stage: Stage) -> Job:
        """Let the process be ready as long as its stage hears from log and database."""
        self.health.expect("stage", PROGRESS_WITHIN)
        self.health.set_ready("stage", ready=False)

        async def watch(stop: asyncio.Event) -> None:
            while not stop.is_set():
                healthy = stage.healthy()
                self.health.set_ready("stage", ready=healthy)
                if healthy:
                    self.health.beat("stage")
                await pause_until(stop, _WATCH_SECONDS)

        return watch

    async def run(
        self,
        stop: asyncio.Event,
        *,
        ready_file: Path | None = None,
        routes: Sequence[Route] = (),
        open_routes: Sequence[OpenRoute] = (),
        openapi: Mapping[str, Any] | None = None,
    ) -> None:
        """Serve HTTP and run all jobs until `stop`; `ready_file` gets the bound address once the face is there."""
        tls = _tls_of(self.config)
        _collect_garbage_seldom()
        face = web_app(
            self.health,
            self.registry,
            self.authenticator,
            routes=routes,
            open_routes=open_routes,
            openapi=openapi,
            helpdesk=self.config.helpdesk,
            tracing=self.tracing,
        )
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(
                serve_http(face, self.config.http_host, self.config.http_port, tls=tls)
            )
            if self.config.metrics_port is not None:
                figures = figures_app(self.health, self.registry)
                metrics = (self.config.metrics_host, self.config.metrics_port)
                await stack.enter_async_context(serve_http(figures, *metrics, tls=tls))
            if ready_file:
                write_atomically(ready_file, url)
            await run_jobs(self.jobs, stop=stop, health=self.health, drain_timeout=self.config.drain_timeout + 5)

    async def close(self) -> None:
        """Close the logs, what recognises callers, and traces. `open_service` closes the pool."""
        await self.authenticator.close()
        for log in self._logs:
            await log.close()
        await self.tracing.close()


async def database_url(config: ServiceConfig, room: str) -> str:
    """Return where the room logs in: by its setting, or as `heraut migrate` made its login in the data directory.

    The embedded server is started where it is used. Raises ConfigError where there is no login: nobody lends the
    owner's to a service.
    """
    setting = f"HERAUT_DATABASE_URL_{room.upper()}"
    if own := config.database_urls.get(setting):
        return own
    made = made_logins(config.logins_folder).get(room)
    if made is None:
        raise ConfigError(f"{setting} is needed, or the login that `heraut migrate` makes in {config.logins_folder}")
    if config.database_urls:
        if fault := database_peer(f"{config.logins_folder / room}.url", made).fault(config.allow_plaintext):
            raise ConfigError(fault)
        return made
    # The server's address follows from where its data is, which may have been moved.
    owner = await EmbeddedPostgres(config.data_dir).ensure_running()
    return logged_in_as(owner, role_of(room), password_of(made) or "")


@asynccontextmanager
async def open_service(config: ServiceConfig, stage_name: str) -> AsyncIterator[Service]:
    """Open the connections of a process; they are closed at the end, also after an error.

    Raises ConfigError where the installation has another number of partitions, where the room's login may do more than
    its room, where the database is not migrated as far as this code needs, or further than it can bear, and where
    traces are asked for and cannot be sent.
    """
    clock = SystemClock()
    registry = new_registry()
    room = STAGES[stage_name]
    tracing = open_tracing(config.otlp_url, stage_name, room, registry, config.otlp_ca)
    pool = await _connect_when_it_is_there(await database_url(config, room), room)
    principals = PrincipalsFile(config.principals_path, clock)
    health = Health(stage_name, clock)
    ReadyMetrics(room, health, registry)
    CertificateMetrics(room, config.certificates(), registry)
    FolderMetrics(room, config.folders(), registry)
    service = Service(
        config,
        stage_name,
        pool,
        registry,
        StageMetrics(room, registry),
        health,
        clock,
        principals,
        authenticator_of(config, principals, clock, SpentInDatabase(pool)),
        tracing,
    )
    try:
        await check_login(pool, room)
        await check_migrated(pool)
        await _compare_partitions(config, room, pool)
        yield service
    finally:
        await service.close()
        await pool.close()


async def _connect_when_it_is_there(url: str, room: str) -> Pool:
    """Connect, and wait for a database that is just starting, so that services may start in any order."""
    deadline = time.monotonic() + PROGRESS_WITHIN
    for attempt in itertools.count():
        try:
            return await connect_pool(url, room)
        except Exception as error:
            if not is_retryable(error) or time.monotonic() > deadline:
                raise
            logger.warning("the database is not there yet", extra={"error_class": type(error).__name__})
        await asyncio.sleep(backoff(attempt, base=0.1, cap=2.0, random=random.random))
    raise AssertionError


async def _compare_partitions(config: ServiceConfig, room: str, pool: Pool) -> None:
    """See that HERAUT_PARTITIONS is what database and log go by; a first start fixes it. Raises ConfigError.

    Raises RetryableError where a first start cannot ask the log. Later ones need not wait for it.
    """
    async with pool.acquire() as connection:
        is_fixed = await compare_partitions(connection, config.partitions)
        try:
            await installation_of(config, room).compare_partitions()
        except RetryableError as error:
            if not is_fixed:
                raise
            logger.warning("the log is away, its partitions were not compared: %s", error)
        if not is_fixed:
            await fix_partitions(connection, config.partitions)


def _tls_of(config: ServiceConfig) -> ssl.SSLContext | None:
    if config.tls_cert is None or config.tls_key is None:
        return None
    own = OwnPair(config.tls_cert, config.tls_key, "HERAUT_TLS_CERT, HERAUT_TLS_KEY")
    return listening(own, config.tls_client_ca)


def _collect_garbage_seldom() -> None:
    """Let the collector of cycles run seldom, and never over the objects that exist now: they stay until the end.

    A block makes rows by the ten thousand, none of them in a cycle. With Python's default, a run every 700 objects,
    the collector takes 8 % of all CPU time. It has to come at last all the same: what a library leaves in a cycle may
    hold the bytes of a whole block. Some millions of objects are some hundred blocks.
    """
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def main(
    room: str,
    config_class: type[C],
    run: Callable[[C, asyncio.Event, Path | None], Awaitable[None]],
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Be `python -m services.<room>`: read the configuration, run until SIGTERM. Return the exit status.

    0 = stopped as asked, 1 = a fault ended it (logged), 2 = the configuration is wrong.
    """
    parser = argparse.ArgumentParser(prog=f"python -m services.{room}")
    parser.add_argument("--check-config", action="store_true", help="say whether the configuration is right, and end")
    parser.add_argument("--ready-file", type=Path, help="where to write the address that is listened at")
    arguments = parser.parse_args(argv)
    try:
        config = _settings(config_class, environ)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log before there is a configuration
        return 2
    if arguments.check_config:
        for peer in [*config.peers(), *config.callers()]:
            print(peer.way())  # noqa: T201 - it is what was asked for
        return 0
    keep_private()
    configure_logs(room, config.log_level)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would have people in the open, and keys
    return _run(room, run, config, arguments.ready_file)


def _settings(config_class: type[C], environ: Mapping[str, str]) -> C:
    """Return the settings of a process that listens. Raises ConfigError."""
    config = load(config_class, environ)
    faults = [fault for caller in config.callers() if (fault := caller.fault(config.allow_plaintext))]
    if fault := fault_of(config.otlp_url):
        faults.append(fault)
    if (config.tls_cert is None) != (config.tls_key is None):
        faults.append("HERAUT_TLS_CERT and HERAUT_TLS_KEY: a service needs both")
    if config.tls_client_ca is not None and config.tls_cert is None:
        faults.append("HERAUT_TLS_CLIENT_CA: needs HERAUT_TLS_CERT, or nobody is asked")
    if config.tls_client_ca is None and config.tls_clients == "required":
        faults.append("HERAUT_TLS_CLIENTS=required needs HERAUT_TLS_CLIENT_CA")
    if faults:
        raise ConfigError("\n".join(faults))
    return config


def _run(
    room: str, run: Callable[[C, asyncio.Event, Path | None], Awaitable[None]], config: C, ready_file: Path | None
) -> int:
    async def process() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        await run(config, stop, ready_file)

    try:
        uvloop.run(process())
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - in plain lines, as all faults of the settings
        return 2
    except Exception:
        logging.getLogger(room).exception("ended by a fault")
        return 1
    return 0
