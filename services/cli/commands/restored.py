"""`heraut restored`: what is to be done first with a database that was set back to a backup."""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import click

from services.cli.console import Fault, print_json, say, table
from services.cli.options import data_option, json_option
from services.cli.prepare import database_for_now
from services.cli.target import read_settings
from services.dispatch.restored import Afterwards, Doubt, Found, doubt_all, read_found
from services.kit.config import ServiceConfig

__all__ = ["restored"]

_COLUMNS = ("channel", "paused", "provider", "listed as unknown", "asked first", "held by a pause")


@click.command()
@data_option
@json_option
def restored(data: Path, *, as_json: bool) -> None:
    """Pause all channels of a database that was restored, and see to what may have gone out since its backup.

    What a provider cannot tell of is listed as unknown; one that can be asked is asked first; print files are read by
    dispatch before anything begins. Run it before the services are started, and again before a channel is resumed, for
    what came into the queues meanwhile. Safe to repeat. `deploy/restore.md` has the steps around it.
    """
    doubts, found = asyncio.run(_restored(read_settings(data.resolve())))
    if as_json:
        print_json({"channels": list(map(_shown, doubts)), "letters": found._asdict()})
        return
    table("Restored", _COLUMNS, [_cells(one) for one in doubts], left=3)
    for line in _to_do(doubts, found):
        say(line)


def _shown(one: Doubt) -> dict[str, Any]:
    return {
        "channel": one.channel.label,
        "paused": one.paused,
        "providers": list(one.providers),
        "afterwards": one.afterwards,
        "unknown": one.unknown,
        "asked": one.asked,
        "setAside": one.set_aside,
        "unnamed": one.unnamed,
    }


def _cells(one: Doubt) -> list[str]:
    counts = [str(count) for count in (one.unknown, one.asked, one.set_aside)]
    return [one.channel.label, "now" if one.paused else "before", ", ".join(one.providers), *counts]


def _to_do(doubts: Sequence[Doubt], found: Found) -> Iterator[str]:
    for one in doubts:
        if one.afterwards is Afterwards.READ:
            yield f"{one.channel.label}: dispatch reads its print files before anything begins"
        if one.unnamed:
            yield (
                f"{one.channel.label}: of {one.unnamed} finished print files nothing here says whose letters they have;"
                " the log of dispatch names them"
            )
        if one.set_aside:
            yield (
                f"{one.channel.label}: {one.set_aside} are held by a pause; resume what was resumed since the backup,"
                " and run this again before the channel goes on"
            )
    if found.letters:
        yield (
            f"{found.letters} letters were found in print files that the database knew nothing of; {found.settled} are"
            f" settled, {found.strangers} are of people whom it does not know: their sources send again"
        )
    yield "nothing goes out until `heraut channel resume`; `heraut unknown list` has who may have been told"


async def _restored(settings: ServiceConfig) -> tuple[list[Doubt], Found]:
    async with database_for_now(settings) as owner:
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: a room's own login may not do this", 2)
        connection = await asyncpg.connect(owner, server_settings={"search_path": "dispatch"})
        try:
            async with connection.transaction():
                doubts = await doubt_all(connection, secrets.token_hex(8), datetime.now(UTC))
                return doubts, await read_found(connection)
        finally:
            await connection.close()
