"""`heraut rejected`: what providers took and rejected afterwards, whose it is, and what is done about it."""

import asyncio
from pathlib import Path
from typing import Any

import click

from services.cli.client import call, open_client
from services.cli.console import number, print_json, say, table
from services.cli.decided import after, decided_cells
from services.cli.options import Commands, data_option, json_option
from services.core.channel import Channel
from services.core.rooms import DISPATCH_STAGES, dispatch_stage

__all__ = ["rejected"]

_COLUMNS = ("channel", "incidentId", "notices", "since", "decided", "waits for")
_NOTICES = ("channel", "incidentId", "cohortId", "noticeId", "attempt", "since")
_BY_NAME = {one.label: one for one in Channel}
_channel = click.argument("channel", type=click.Choice(list(_BY_NAME)), metavar="CHANNEL")
_incident = click.argument("incident", metavar="INCIDENT")


@click.group(cls=Commands)
def rejected() -> None:
    """See what providers took and rejected afterwards, through no fault of its recipients, and decide about it.

    Letters in files of a print house are in its jobs: `heraut print jobs`.
    """


@rejected.command("list")
@data_option
@json_option
def list_command(data: Path, *, as_json: bool) -> None:
    """List channels and incidents of which something was rejected, and what still waits after a decision."""
    found = asyncio.run(_fetch_all(data))
    if as_json:
        print_json(found)
    elif not found:
        say("no provider rejected anything that it had taken")
    else:
        table("Rejected", _COLUMNS, [_cells(one) for one in found], left=2)


@rejected.command("notices")
@_channel
@_incident
@data_option
@json_option
def notices(channel: str, incident: str, data: Path, *, as_json: bool) -> None:
    """List whose notices of INCIDENT were rejected on CHANNEL and are not decided about."""
    found = asyncio.run(_fetch(data, channel, incident))
    if as_json:
        print_json(found)
    elif not found:
        say(f"nobody's notice of {incident} waits for a decision on {channel}")
    else:
        table("Rejected", _NOTICES, [[str(one[key]) for key in _NOTICES] for one in found], left=len(_NOTICES))


@rejected.command("again")
@_channel
@_incident
@data_option
@json_option
def again(channel: str, incident: str, data: Path, *, as_json: bool) -> None:
    """Hand over again, as new attempts, what was rejected of INCIDENT on CHANNEL. Mend the cause first."""
    _decide(data, channel, incident, "again", "are handed over again", as_json=as_json)


@rejected.command("give-up")
@_channel
@_incident
@data_option
@json_option
def give_up(channel: str, incident: str, data: Path, *, as_json: bool) -> None:
    """Give it to the next channel of each person; who has none is left for their source."""
    _decide(data, channel, incident, "give-up", "go to their next channel", as_json=as_json)


def _decide(data: Path, channel: str, incident: str, act: str, words: str, *, as_json: bool) -> None:
    found = call(data, "POST", dispatch_stage(_BY_NAME[channel]), "rejected", incident, act)
    if as_json:
        print_json(found)
    else:
        say(f"{number(found['notices'])} notices of {incident} {words}{after(found)}")


def _cells(one: dict[str, Any]) -> list[str]:
    return [*(str(one[key]) for key in _COLUMNS[:4]), *decided_cells(one["decided"])]


async def _fetch_all(data: Path) -> list[dict[str, Any]]:
    async with open_client(data) as client:
        pages = [await client.call("GET", stage, "rejected") for stage in DISPATCH_STAGES]
    return [one for page in pages for one in page["rejected"]]


async def _fetch(data: Path, channel: str, incident: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = "0"
    async with open_client(data) as client:
        while after is not None:
            page = await client.call(
                "GET", dispatch_stage(_BY_NAME[channel]), "rejected", incident, params={"after": after}
            )
            found += page["notices"]
            after = page["next"]
    return found
