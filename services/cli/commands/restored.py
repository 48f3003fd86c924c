"""`heraut restored`: what is to be done first with a database that was set back to a backup."""

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import click

from services.cli.console import Fault, print_json, say, table
from services.cli.options import data_option, json_option
from services.cli.prepare import database_for_now
from services.cli.target import read_settings
from services.core.rooms import ROOMS, STAGES
from services.dispatch.restored import Afterwards, Doubt, Found, doubt_all, read_found
from services.kit.config import ServiceConfig
from services.kit.eventlog import EventLog, installation_of
from services.kit.postgres import connect_pool
from services.kit.stage import Ahead, go_on_behind

__all__ = ["restored"]

_COLUMNS = ("channel", "paused", "provider", "listed as unknown", "asked first", "held by a pause")


@click.command()
@data_option
@json_option
def restored(data: Path, *, as_json: bool) -> None:
    """Pause all channels of a database that was restored, and see to what may have gone out since its backup.

    What a provider cannot tell of is listed as unknown; one that can be asked is asked first; print files are read by
    dispatch before anything begins. On Kafka, what the log has of after the backup counts no more. Run it before the
    services are started, and again before a channel is resumed, for what came into the queues meanwhile. Safe to
    repeat. `deploy/restore.md` has the steps around it.
    """
    settings = read_settings(data.resolve())
    doubts, found = asyncio.run(_restored(settings))
    if not as_json:
        table("Restored", _COLUMNS, [_cells(one) for one in doubts], left=3)
    ahead = asyncio.run(_go_on_behind(settings))  # all is paused by now, whatever is wrong with the log
    if as_json:
        log = [one._asdict() | {"at": list(one.at)} for one in ahead]
        print_json({"channels": list(map(_shown, doubts)), "letters": found._asdict(), "log": log})
        return
    for line in (*_log_lines(ahead), *_to_do(doubts, found)):
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


def _log_lines(ahead: Sequence[Ahead]) -> Iterator[str]:
    """Say what of the log counts no more, a line each source and topic."""
    places: defaultdict[tuple[str, str], list[Ahead]] = defaultdict(list)
    for one in ahead:
        places[one.source, one.at.topic].append(one)
    for (source, topic), of_it in places.items():
        partitions = ", ".join(str(one.at.partition) for one in of_it)
        if not topic:
            yield f"{source}, partitions {partitions}: the log has blocks of a later restore, which count no more"
            continue
        blocks = sum((one.last or 0) - one.first + 1 for one in of_it)
        yield f"{topic}/{partitions}: {blocks} blocks of {source} are of after the backup, and count no more"


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


async def _go_on_behind(settings: ServiceConfig) -> list[Ahead]:
    """Have the rooms go on beside a log outside the database; return what of it counts no more."""
    if not installation_of(settings).outside_database:
        return []
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(database_for_now(settings))
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: a room's own login may not do this", 2)
        pools = {room: await connect_pool(owner, room, max_size=1) for room in ROOMS}
        for pool in pools.values():
            stack.push_async_callback(pool.close)
        connection = await asyncpg.connect(owner)
        stack.push_async_callback(connection.close)

        def open_log(stage: str) -> EventLog:
            room = STAGES[stage]
            return installation_of(settings, room).open(stage, pools[room])

        return await go_on_behind(connection, open_log, settings.partitions, time.time_ns() // 1_000_000)
