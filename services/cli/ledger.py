"""`heraut ledger`: where every record is, and whether it all adds up."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from services.cli.client import Client, open_client
from services.cli.console import Fault, out, print_json, say, table
from services.cli.surroundings import data_option, json_option, surroundings

__all__ = ["cohort_row", "ledger", "show_cohorts", "show_ledger"]

# Header and key of each term of the ledger's equations (interfaces: the ledger).
_TERMS = {
    "declared": "declared", "missing": "missing", "received": "received", "rejected": "rejected",
    "accepted": "accepted", "notified": "notified", "merged": "merged", "suppressed": "suppressed",
    "held": "held", "in flight": "inFlight", "exhausted": "exhausted",
}  # fmt: skip

_COLUMN_WIDTH = 14  # ten digits with their spaces, or a cohort's name


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
    async with open_client(surroundings(data)) as client:
        ids = [incident_id] if incident_id else await _known_incidents(client)
        return [await client.call("GET", "tracking", "incidents", one, "ledger") for one in ids]


async def _known_incidents(client: Client) -> list[str]:
    answer = await client.call("GET", "tracking", "incidents")
    return [one["incidentId"] for one in answer["incidents"]]


def _balanced(ledgers: Sequence[Mapping[str, Any]]) -> bool:
    return all(one["balanced"] for one in ledgers)


def show_ledger(one: Mapping[str, Any]) -> None:
    """Print the ledger of an incident: a line for each cohort, and their sum."""
    total = {"cohortId": "all", **one["totals"], "balanced": one["balanced"]}
    show_cohorts(f"Ledger of {one['incidentId']}", [*one["cohorts"], total])


def show_cohorts(title: str | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print cohorts of a ledger: a column each on a terminal where they fit side by side, else a line each."""
    lines = [_cells(row) for row in rows]
    names = ("cohort", "source", *_TERMS, "balanced")
    if out.is_terminal and len(rows) * _COLUMN_WIDTH + 12 <= out.width:
        # The equations read downwards; sources are too long to stand above figures.
        turned = [list(row) for row in zip(names, *lines, strict=True) if row[0] != "source"]
        table(title, turned[0], turned[1:])
    else:
        table(title, names, lines, left=2)


def _cells(row: Mapping[str, Any]) -> list[Any]:
    balanced = "yes" if row.get("balanced") else "NO"
    if out.is_terminal:
        balanced = f"[green]{balanced}[/]" if row.get("balanced") else f"[bold red]{balanced}[/]"
    return [row["cohortId"], row.get("source") or "", *(row.get(key) for key in _TERMS.values()), balanced]


def cohort_row(one: Mapping[str, Any], cohort_id: str) -> dict[str, Any]:
    """Return a cohort's line of a ledger. Raises Fault where it has none."""
    for row in one["cohorts"]:
        if row["cohortId"] == cohort_id:
            return dict(row)
    raise Fault(f"{one['incidentId']} has no cohort {cohort_id}", 2)
