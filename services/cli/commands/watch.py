"""`heraut watch`: the running system in the terminal, until Ctrl-C."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from services.cli.console import Fault, out, print_json
from services.cli.live_view import Pace, live_view, plain_lines
from services.cli.options import data_option, json_option
from services.cli.snapshot import Snapshot, take_snapshot
from services.kit.process import stop_on_signals
from services.kit.retry import pause_until

__all__ = ["watch"]


@click.command()
@click.option("--incident", "incident_id", metavar="ID", help="Of this incident alone.")
@click.option("--every", type=click.FloatRange(min=0.5), default=2.0, show_default=True, metavar="SECONDS")
@click.option("--once", is_flag=True, help="Show it once, and end: as it is without a terminal.")
@data_option
@json_option
def watch(data: Path, *, incident_id: str | None, every: float, once: bool, as_json: bool) -> None:
    """Show how it goes, until Ctrl-C: services, channels, and where the people of each cohort are."""
    once = once or not out.is_terminal or as_json
    asyncio.run(_once(data, incident_id, as_json=as_json) if once else _watch(data, incident_id, every))


async def _once(data: Path, incident_id: str | None, *, as_json: bool) -> None:
    found = await take_snapshot(data, incident_id)
    if all(process.fault for process in found.processes):
        raise Fault("no service answers: is `heraut up` running?")
    if as_json:
        print_json(_as_json(found))
    elif out.is_terminal:
        out.print(live_view(found, None))
    else:
        click.echo("\n".join(plain_lines(found)))


def _as_json(found: Snapshot) -> dict[str, Any]:
    processes = [
        {
            "name": one.name,
            "ready": one.ready,
            "waitingFor": one.waiting_for,
            "fault": one.fault,
            "version": one.version,
        }
        for one in found.processes
    ]
    return {**dataclasses.asdict(found), "processes": processes}


async def _watch(data: Path, incident_id: str | None, every: float) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    pace = Pace()
    with Live(console=out, screen=True, auto_refresh=False, vertical_overflow="visible") as live:
        while not stop.is_set():
            found = await take_snapshot(data, incident_id)
            live.update(live_view(found, pace.saw(found)), refresh=True)
            await pause_until(stop, every)
