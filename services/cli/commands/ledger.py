"""`heraut ledger`: where the members of every cohort are, and whether the equations hold."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from services.cli.client import Client, open_client
from services.cli.console import print_json, say
from services.cli.ledger_table import show_ledger
from services.cli.options import data_option, json_option

__all__ = ["ledger"]


@click.command()
@click.option("--incident", "incident_id", metavar="ID", help="Of this incident alone.")
@data_option
@json_option
def ledger(incident_id: str | None, data: Path, *, as_json: bool) -> None:
    """Show the ledger. Exit status 1 where it does not balance."""
    ledgers = asyncio.run(_fetch(data, incident_id))
    if as_json:
        print_json(ledgers[0] if incident_id else {"balanced": _balanced(ledgers), "incidents": ledgers})
    else:
        for one in ledgers:
            show_ledger(one)
        if not ledgers:
            say("no incident is known yet")
    if not _balanced(ledgers):
        sys.exit(1)


async def _fetch(data: Path, incident_id: str | None) -> list[dict[str, Any]]:
    async with open_client(data) as client:
        ids = [incident_id] if incident_id else await _known_incidents(client)
        return [await client.call("GET", "tracking", "incidents", one, "ledger") for one in ids]


async def _known_incidents(client: Client) -> list[str]:
    answer = await client.call("GET", "tracking", "incidents")
    return [one["incidentId"] for one in answer["incidents"]]


def _balanced(ledgers: Sequence[Mapping[str, Any]]) -> bool:
    return all(one["balanced"] for one in ledgers)
