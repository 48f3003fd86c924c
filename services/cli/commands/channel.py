"""`heraut channel`: how each channel stands, and pausing one."""

import asyncio
from pathlib import Path
from typing import Any

import click

from services.cli.client import open_client
from services.cli.console import print_json, say, table
from services.cli.limit_words import cap_words, held_back
from services.cli.options import Commands, data_option, json_option
from services.core.channel import Channel
from services.core.rooms import DISPATCH_STAGES, dispatch_stage

__all__ = ["channel"]

_STATES = ("queued", "underWay", "refused", "paused", "unknown", "rejected")
_TITLES = ("queued", "under way", "refused", "paused", "unknown", "rejected")
_COLUMNS = ("channel", *_TITLES, "left alone", "paused by", "since", "at most")
_BY_NAME = {one.label: one for one in Channel}
_name = click.argument("name", type=click.Choice(list(_BY_NAME)), metavar="CHANNEL")


@click.group(cls=Commands)
def channel() -> None:
    """See how channels stand, pause one, and let it go on."""


@channel.command("list")
@data_option
@json_option
def list_command(data: Path, *, as_json: bool) -> None:
    """List channels: what waits to be handed over, and what keeps it."""
    found = asyncio.run(_fetch(data))
    if as_json:
        print_json(found)
    else:
        table("Channels", _COLUMNS, [_cells(one) for one in found], left=1)
        for one in found:
            if words := held_back(one["heldBack"]):
                say(f"{one['channel']}: {words}")


@channel.command("pause")
@_name
@data_option
@json_option
def pause(name: str, data: Path, *, as_json: bool) -> None:
    """Stop a channel: after two seconds no hand-over begins. Everything stays open, and no other channel is tried."""
    _do(data, name, "pause", as_json=as_json)


@channel.command("resume")
@_name
@data_option
@json_option
def resume(name: str, data: Path, *, as_json: bool) -> None:
    """Let a channel go on that was paused."""
    _do(data, name, "resume", as_json=as_json)


def _do(data: Path, name: str, act: str, *, as_json: bool) -> None:
    found = asyncio.run(_post(data, name, act))
    if as_json:
        print_json(found)
    elif found["pausedBy"]:
        say(f"{name} is paused by {found['pausedBy']} since {found['since']}")
    else:
        say(f"{name} goes on")


async def _post(data: Path, name: str, act: str) -> Any:
    async with open_client(data) as client:
        return await client.call("POST", dispatch_stage(_BY_NAME[name]), "channels", name, act)


async def _fetch(data: Path) -> list[dict[str, Any]]:
    async with open_client(data) as client:
        pages = [await client.call("GET", stage, "channels") for stage in DISPATCH_STAGES]
    return [one for page in pages for one in page["channels"]]


def _cells(one: dict[str, Any]) -> list[str]:
    counts = [str(one[state]["attempts"]) for state in _STATES]
    caps = ", ".join(map(cap_words, one["caps"]))
    return [one["channel"], *counts, ", ".join(one["pauses"]), one["pausedBy"] or "", one["since"] or "", caps]
