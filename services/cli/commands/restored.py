"""`heraut restored`: what is to be done first with a database that was set back to a backup."""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import click

from services.cli.console import Fault, print_json, say, table
from services.cli.options import data_option, json_option
from services.cli.prepare import database_for_now
from services.cli.target import read_settings
from services.dispatch.restored import Doubt, doubt_all
from services.kit.config import ServiceConfig

__all__ = ["restored"]


@click.command()
@data_option
@json_option
def restored(data: Path, *, as_json: bool) -> None:
    """Pause all channels of a database that was restored, and list as unknown what may have gone out since its backup.

    Run it before the services are started, and again before a channel is resumed, for what came into the queues
    meanwhile. Safe to repeat. `deploy/restore.md` has the steps around it.
    """
    found = asyncio.run(_restored(read_settings(data.resolve())))
    shown = [{"channel": one.channel.label, "paused": one.paused, "unknown": one.unknown} for one in found]
    if as_json:
        print_json(shown)
        return
    rows = [[one.channel.label, "now" if one.paused else "before", str(one.unknown)] for one in found]
    table("Restored", ("channel", "paused", "listed as unknown"), rows, left=2)
    say("nothing goes out until `heraut channel resume`; `heraut unknown list` has who may have been told")


async def _restored(settings: ServiceConfig) -> list[Doubt]:
    async with database_for_now(settings) as owner:
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: a room's own login may not do this", 2)
        connection = await asyncpg.connect(owner, server_settings={"search_path": "dispatch"})
        try:
            async with connection.transaction():
                return await doubt_all(connection, secrets.token_hex(8), datetime.now(UTC))
        finally:
            await connection.close()
