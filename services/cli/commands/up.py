"""`heraut up`: all services on this machine."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import click

from services.cli.console import Fault, say, table
from services.cli.options import data_option
from services.cli.prepare import (
    apply_migrations,
    compare_with,
    embedded_database,
    ensure_keys,
    ensure_principals,
    locked,
    make_topics,
    missing_providers,
    service_environs,
    wait_for_ports,
)
from services.cli.supervisor import Supervisor
from services.cli.target import TOKEN_FILE, read_settings
from services.kit.config import ServiceConfig
from services.kit.postgres import EmbeddedPostgres, made_logins
from services.kit.process import stop_on_signals, tell_systemd
from services.kit.tracing import fault_of

__all__ = ["up"]

# A service ends by itself within its drain time-out; one that takes this many seconds longer is stuck.
_BEYOND_DRAIN = 10.0
# Half the lease: a database that died is back before any partition changes its owner.
_LOOK_AFTER_DATABASE = 5.0


@click.command()
@data_option
def up(data: Path) -> None:
    """Run all services on this machine, until Ctrl-C.

    Uses the log and the database embedded in the data directory unless HERAUT_LOG=kafka or
    HERAUT_DATABASE_URL say otherwise, and starts whatever dies again.
    """
    settings = read_settings(data.resolve())
    with locked(settings.data_dir):
        asyncio.run(_up(settings))


async def _up(settings: ServiceConfig) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    if fault := fault_of(settings.otlp_url):
        raise Fault(fault, 2)
    ensure_keys(settings)
    ensure_principals(settings)
    await wait_for_ports(settings, _drain(settings))
    embedded = await embedded_database(settings)
    try:
        await _prepare_stores(settings, embedded)
        await _supervise(settings, embedded, stop)
    finally:
        if embedded:
            await embedded.stop()


async def _prepare_stores(settings: ServiceConfig, embedded: EmbeddedPostgres | None) -> None:
    """Bring database and topics up to date."""
    # Where only the rooms' own logins are configured, none of them may migrate: the operator runs `heraut migrate`.
    if owner := embedded.url if embedded else settings.database_urls.get("HERAUT_DATABASE_URL"):
        await apply_migrations(settings, owner)
        await compare_with(settings, owner)
    # So it is with the brokers: `heraut topics` is the operator's, and a room's user may make none.
    if not settings.rooms_alone:
        await make_topics(settings)


async def _supervise(settings: ServiceConfig, embedded: EmbeddedPostgres | None, stop: asyncio.Event) -> None:
    environs = service_environs(settings, os.environ, made_logins(settings.logins_folder))
    supervisor = Supervisor.of_services(
        settings.data_dir,
        environs,
        port=settings.http_port,
        metrics_port=settings.metrics_port,
        drain=_drain(settings),
        say=say,
    )
    database_watch = asyncio.create_task(_look_after(embedded, stop)) if embedded else None
    for name in missing_providers(os.environ):
        say(f"{name} is not set: what goes that way waits in flight")
    started = time.monotonic()
    say(f"starting {len(supervisor.children)} services; their logs are in {settings.data_dir / 'logs'}")
    stopping = asyncio.create_task(_say_that_it_stops(stop))
    try:
        await supervisor.run(stop, lambda addresses: _show_ready(settings, addresses, time.monotonic() - started))
    finally:
        stop.set()
        await stopping
        if database_watch:
            await database_watch


async def _say_that_it_stops(stop: asyncio.Event) -> None:
    await stop.wait()
    tell_systemd("STOPPING=1")


def _drain(settings: ServiceConfig) -> float:
    """Return how many seconds a service may take to end."""
    return settings.drain_timeout + _BEYOND_DRAIN


async def _look_after(server: EmbeddedPostgres, stop: asyncio.Event) -> None:
    """Start the embedded database again whenever it has died, until `stop`."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_AFTER_DATABASE)
        except TimeoutError:
            await server.ensure_running()


def _show_ready(settings: ServiceConfig, addresses: Mapping[str, str], seconds: float) -> None:
    table(f"Ready in {seconds:.1f} s", ("service", "address"), list(addresses.items()), left=2)
    sys.stdout.flush()
    tell_systemd(f"READY=1\nSTATUS={len(addresses)} services, console at {addresses['tracking']}/")
    say(f"console: {addresses['tracking']}/ (any name; password: what {settings.data_dir / TOKEN_FILE} says)")
    say("stop with Ctrl-C; other commands go into another terminal")
