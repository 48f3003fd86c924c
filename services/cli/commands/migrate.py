"""`heraut migrate`: the database and its migrations."""

import asyncio
from pathlib import Path

import click

from services.cli.console import Fault, print_json, say
from services.cli.options import data_option, json_option
from services.cli.prepare import apply_migrations, database_for_now
from services.cli.target import read_settings
from services.kit.config import ServiceConfig

__all__ = ["migrate"]


@click.command()
@data_option
@json_option
def migrate(data: Path, *, as_json: bool) -> None:
    """Create the database, or bring it up to date. Safe to repeat.

    Each room gets a login of its own: the one that HERAUT_DATABASE_URL_<ROOM> names, else one that is made, with its
    URL in `logins` of the data directory.
    """
    settings = read_settings(data.resolve())
    applied = asyncio.run(_migrate(settings))
    if as_json:
        print_json({"applied": applied})
    else:
        say("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


async def _migrate(settings: ServiceConfig) -> list[str]:
    async with database_for_now(settings) as owner:
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: the rooms' own logins may not change the database", 2)
        return list((await apply_migrations(settings, owner)).applied)
