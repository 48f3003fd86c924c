"""`heraut topics`: the topics of an event log that lies outside the database."""

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
    elif not installation_of(settings).outside_database:
        say(f"the log {settings.log} lies in the database, which needs no topics")
    else:
        say("\n".join(f"created {name}" for name in made) or "all topics are there")
