"""`heraut unknown`: hand-overs that began and of which nobody can tell how they ended."""

import asyncio
from pathlib import Path
from typing import Any

import click

from services.cli.client import open_client
from services.cli.console import print_json, say, table
from services.cli.options import Commands, data_option, json_option
from services.core.rooms import DISPATCH_STAGES

__all__ = ["unknown"]

_COLUMNS = ("channel", "incidentId", "cohortId", "noticeId", "attempt", "since", "nextChannelAt")


@click.group(cls=Commands)
def unknown() -> None:
    """Look at hand-overs of which nobody can tell how they ended."""


@unknown.command("list")
@click.option("--incident", "incident_id", metavar="ID", help="Of this incident alone.")
@data_option
@json_option
def list_command(incident_id: str | None, data: Path, *, as_json: bool) -> None:
    """List them: their people may have been told, or not. Each goes to its next channel, at the time that is shown."""
    found = [one for one in asyncio.run(_fetch(data)) if incident_id in {None, one["incidentId"]}]
    if as_json:
        print_json(found)
    elif not found:
        say("of every hand-over it is known how it ended")
    else:
        table("Unknown outcomes", _COLUMNS, [[str(one[key]) for key in _COLUMNS] for one in found], left=len(_COLUMNS))


async def _fetch(data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with open_client(data) as client:
        for stage in DISPATCH_STAGES:
            after: str | None = "0"
            while after is not None:
                page = await client.call("GET", stage, "unknowns", params={"after": after})
                found += page["unknowns"]
                after = page["next"]
    return found
