"""`heraut topics`: the topics on the servers of the event log."""

import asyncio
from pathlib import Path

import click

from services.cli.console import print_json, say
from services.cli.options import data_option, json_option
from services.cli.prepare import make_topics
from services.cli.target import read_settings
from services.kit.eventlog import installation_of

__all__ = ["topics"]


@click.command()
@data_option
@json_option
def topics(data: Path, *, as_json: bool) -> None:
    """Create the topics that the event log does not have yet. Safe to repeat."""
    settings = read_settings(data.resolve())
    made = asyncio.run(make_topics(settings))
    if as_json:
        print_json({"log": settings.log, "created": made})
    elif not installation_of(settings).has_servers:
        say(f"the embedded log needs none (HERAUT_LOG is {settings.log})")
    else:
        say("\n".join(f"created {name}" for name in made) or "all topics are there")
