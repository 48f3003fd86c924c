"""`heraut migrate`: the database and its migrations."""

import asyncio
from pathlib import Path

import click

from services.cli.console import Fault, print_json, say
from services.cli.options import data_option, json_option
from services.cli.prepare import apply_migrations, database_for_now
from services.cli.target import read_settings
from services.kit.config import ServiceConfig
from services.kit.postgres import MigrationReport, Side

__all__ = ["migrate"]


@click.command()
@click.option("--pre", "side", flag_value=Side.PRE.value, help="Only what has to be there before the new code runs.")
@click.option("--post", "side", flag_value=Side.POST.value, help="Only what earlier code must not be there for.")
@data_option
@json_option
def migrate(side: str | None, data: Path, *, as_json: bool) -> None:
    """Create the database, or bring it up to date. Safe to repeat.

    While services run, do it in three steps: --pre, which only adds; replace the code, one process after the other;
    --post, which takes away what only earlier code needed.

    Each room gets a login of its own: the one that HERAUT_DATABASE_URL_<ROOM> names, else one that is made, with its
    URL in `logins` of the data directory.
    """
    settings = read_settings(data.resolve())
    report = asyncio.run(_migrate(settings, Side(side) if side else None))
    if as_json:
        print_json({"applied": report.applied, "waiting": report.waiting})
        return
    say("\n".join(f"applied {name}" for name in report.applied) or "there is nothing to apply")
    for name in report.waiting:
        say(f"waits for `heraut migrate --post`, once no earlier code runs: {name}")


async def _migrate(settings: ServiceConfig, side: Side | None) -> MigrationReport:
    async with database_for_now(settings) as owner:
        if owner is None:
            raise Fault("HERAUT_DATABASE_URL is needed: the rooms' own logins may not change the database", 2)
        return await apply_migrations(settings, owner, side)
