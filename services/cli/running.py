"""Commands that run things: all services on this machine, one service, the database's and the log's preparation."""

import asyncio
import os
import runpy
import sys
import time
from pathlib import Path

import click

from services.cli.console import Fault, print_json, say, table
from services.cli.foundation import (
    apply_migrations,
    database_for_now,
    embedded_database,
    ensure_keys,
    ensure_token,
    locked,
    make_topics,
    missing_providers,
    service_environ,
    wait_for_ports,
)
from services.cli.supervisor import Supervisor
from services.cli.surroundings import data_option, json_option, read_settings
from services.core.rooms import DISPATCH_STAGES, ROOMS
from services.kit.config import ServiceConfig
from services.kit.eventlog import installation_of
from services.kit.postgres import EmbeddedPostgres
from services.kit.process import stop_on_signals

__all__ = ["migrate_command", "serve", "topics", "up"]

# A child ends by itself within its drain time-out; beyond that it is stuck.
_BEYOND_DRAIN = 10.0
# The embedded server is looked after that often: half the lease, so that its death costs nobody a partition.
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
    ensure_keys(settings)
    ensure_token(settings)
    await wait_for_ports(settings, settings.drain_timeout + _BEYOND_DRAIN)
    database = await embedded_database(settings)
    try:
        await _supervise(settings, database, stop)
    finally:
        if database:
            await database[0].stop()


async def _supervise(
    settings: ServiceConfig, database: tuple[EmbeddedPostgres, str] | None, stop: asyncio.Event
) -> None:
    # With the rooms' own logins alone there is nobody who may migrate: `heraut migrate` was run before, then.
    if owner := database[1] if database else settings.database_urls.get("HERAUT_DATABASE_URL"):
        await apply_migrations(settings, owner)
    await make_topics(settings)
    environ = service_environ(settings, os.environ, database[1] if database else None)
    drain = settings.drain_timeout + _BEYOND_DRAIN
    supervisor = Supervisor.of_services(settings.data_dir, environ, port=settings.http_port, drain=drain, say=say)
    watch = asyncio.create_task(_look_after(database[0], stop)) if database else None
    for name in missing_providers(os.environ):
        say(f"{name} is not set: what goes that way waits in flight")
    started = time.monotonic()
    say(f"starting {len(supervisor.children)} services; their logs are in {settings.data_dir / 'logs'}")
    try:
        await supervisor.run(stop, lambda addresses: _show_ready(addresses, time.monotonic() - started))
    finally:
        stop.set()
        if watch:
            await watch


async def _look_after(server: EmbeddedPostgres, stop: asyncio.Event) -> None:
    """Start the embedded database again where it died: no service can do without."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), _LOOK_AFTER_DATABASE)
        except TimeoutError:
            await server.ensure_running()


def _show_ready(addresses: dict[str, str], seconds: float) -> None:
    table(f"Ready in {seconds:.1f} s", ("service", "address"), addresses.items(), left=2)
    sys.stdout.flush()
    say(f"console: {addresses['tracking']}/ (password: the token in operator.token)   stop with Ctrl-C")


@click.command()
@click.argument("room", type=click.Choice(ROOMS))
@click.option("--channel", type=click.Choice([stage.removeprefix("dispatch-") for stage in DISPATCH_STAGES]))
@click.option("--ready-file", type=click.Path(dir_okay=False), help="Where to write the address listened at.")
def serve(room: str, channel: str | None, ready_file: str | None) -> None:
    """Run one service: what a container does with `python -m services.ROOM`."""
    if (room == "dispatch") != bool(channel):
        raise click.UsageError("dispatch needs --channel, and no other service takes it")
    options = [*(["--channel", channel] if channel else []), *(["--ready-file", ready_file] if ready_file else [])]
    sys.argv = [f"services.{room}", *options]
    runpy.run_module(f"services.{room}", run_name="__main__", alter_sys=True)


@click.command("migrate")
@data_option
@json_option
def migrate_command(data: Path, *, as_json: bool) -> None:
    """Create the database, or bring it up to date. Safe to repeat."""
    settings = read_settings(data.resolve())
    applied = asyncio.run(_migrate(settings))
    if as_json:
        print_json({"applied": applied})
    else:
        say("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


async def _migrate(settings: ServiceConfig) -> list[str]:
    async with database_for_now(settings) as owner:
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: the rooms' own logins may not change the database", 2)
        return list((await apply_migrations(settings, owner)).applied)


@click.command()
@data_option
@json_option
def topics(data: Path, *, as_json: bool) -> None:
    """Create the topics on Kafka that are not there yet. Safe to repeat."""
    settings = read_settings(data.resolve())
    made = asyncio.run(make_topics(settings))
    if as_json:
        print_json({"log": settings.log, "created": made})
    elif not installation_of(settings).has_servers:
        say(f"the embedded log needs none (HERAUT_LOG is {settings.log})")
    else:
        say("\n".join(f"created {name}" for name in made) or "all topics are there")
