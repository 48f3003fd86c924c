"""`heraut topics`: the topics of an event log that lies outside the database."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from services.cli.console import print_json, say
from services.cli.options import data_option, json_option
from services.cli.prepare import grant_rooms, grant_topics, make_topics
from services.cli.target import read_settings
from services.core.rooms import ROOMS
from services.kit.config import ServiceConfig
from services.kit.eventlog import Granted, installation_of

__all__ = ["topics"]

_WORDS = {"given": "given", "taken": "taken away", "left": "left alone, as it is wider than one topic"}


@click.command()
@data_option
@json_option
def topics(data: Path, *, as_json: bool) -> None:
    """Create the topics that the event log does not have yet, and give rights to them. Safe to repeat.

    Of the sources' topics there are those that a principal has (`heraut principal add --topic --kafka-user`); each
    source may write to its own. The user of each room (HERAUT_KAFKA_SASL_USERNAME_<ROOM>) may read and write what the
    contracts of the topics give the room, and nothing else.
    """
    settings = read_settings(data.resolve())
    made = asyncio.run(make_topics(settings))
    granted = asyncio.run(_grant(settings))
    rights = {word: [str(right) for right in getattr(granted, word)] for word in ("given", "taken", "left")}
    if as_json:
        print_json({"log": settings.log, "created": made, "enforced": granted.enforced, **rights})
    elif not installation_of(settings).outside_database:
        say(f"the log {settings.log} lies in the database, which needs no topics")
    else:
        say("\n".join(f"created {name}" for name in made) or "all topics are there")
        _show_rights(rights, enforced=granted.enforced)
        if alone := [room for room in ROOMS if room not in settings.kafka_users]:
            say(f"without a user of the brokers that is theirs alone: {', '.join(alone)}")


async def _grant(settings: ServiceConfig) -> Granted:
    """Give rights to sources and rooms; return what became of both."""
    sources, rooms = await grant_topics(settings), await grant_rooms(settings)
    return Granted(
        enforced=sources.enforced and rooms.enforced,
        given=sources.given + rooms.given,
        taken=sources.taken + rooms.taken,
        left=sources.left + rooms.left,
    )


def _show_rights(rights: Mapping[str, Sequence[str]], *, enforced: bool) -> None:
    if not enforced:
        say("the brokers enforce no access rights: every client may write to every topic, as any source")
    for word, lines in rights.items():
        for line in lines:
            say(f"{_WORDS[word]}: {line}")
