"""`heraut topics`: the topics of an event log that lies outside the database."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from services.cli.console import print_json, say
from services.cli.options import data_option, json_option
from services.cli.prepare import grant_topics, make_topics
from services.cli.target import read_settings
from services.kit.eventlog import installation_of

__all__ = ["topics"]

_WORDS = {"given": "given", "taken": "taken away", "left": "left alone, as it is wider than one topic"}


@click.command()
@data_option
@json_option
def topics(data: Path, *, as_json: bool) -> None:
    """Create the topics that the event log does not have yet, and let each source write to its own. Safe to repeat.

    Of the sources' topics there are those that a principal has (`heraut principal add --topic --kafka-user`).
    """
    settings = read_settings(data.resolve())
    made = asyncio.run(make_topics(settings))
    granted = asyncio.run(grant_topics(settings))
    rights = {word: [str(right) for right in getattr(granted, word)] for word in ("given", "taken", "left")}
    if as_json:
        print_json({"log": settings.log, "created": made, "enforced": granted.enforced, **rights})
    elif not installation_of(settings).outside_database:
        say(f"the log {settings.log} lies in the database, which needs no topics")
    else:
        say("\n".join(f"created {name}" for name in made) or "all topics are there")
        _show_rights(rights, enforced=granted.enforced)


def _show_rights(rights: Mapping[str, Sequence[str]], *, enforced: bool) -> None:
    if not enforced:
        say("the brokers enforce no access rights: every client may write to every topic, as any source")
    for word, lines in rights.items():
        for line in lines:
            say(f"{_WORDS[word]}: {line}")
