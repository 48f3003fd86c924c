"""`heraut identity`: who may be one person under two identities, and what an operator says of it."""

from pathlib import Path
from typing import Any

import click

from services.cli.client import call
from services.cli.console import print_json, say
from services.cli.identity_list import all_identities, show_conflicts, show_ties
from services.cli.options import Commands, data_option, json_option

__all__ = ["identity"]

_STATES = ("proposed", "made", "refused", "undone")
_incident = click.option("--incident", "incident_id", required=True, metavar="ID")
_tie = click.argument("tie", type=click.IntRange(min=1), metavar="NUMBER")


@click.group(cls=Commands)
def identity() -> None:
    """See who comes under two identities, and tie them or part them."""


@identity.command("list")
@_incident
@click.option("--state", type=click.Choice(_STATES), help="Ties that stand there, alone.")
@data_option
@json_option
def show(incident_id: str, data: Path, *, state: str | None, as_json: bool) -> None:
    """List pairs of identities that are, or may be, one person, and records of one that contradict each other."""

    def page(query: dict[str, str]) -> Any:
        return call(data, "GET", "intake", "incidents", incident_id, "identities", params=query)

    found = all_identities(page, {"state": state} if state else {})
    if as_json:
        print_json(found)
        return
    if "ties" in found:
        show_ties(found["ties"])
    if "conflicts" in found:
        show_conflicts(found["conflicts"])


@identity.command("tie")
@_tie
@_incident
@data_option
@json_option
def tie(tie: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Say that a listed pair is one person: from now on both are told as one."""
    _settle(data, incident_id, "tie", tie, as_json=as_json)


@identity.command("untie")
@_tie
@_incident
@data_option
@json_option
def untie(tie: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Say that a tied pair is two people. What was told stays told; who was told through the other is told now."""
    _settle(data, incident_id, "untie", tie, as_json=as_json)


@identity.command("refuse")
@_tie
@_incident
@data_option
@json_option
def refuse(tie: int, incident_id: str, data: Path, *, as_json: bool) -> None:
    """Say that a proposed pair is two people: it is never tied by itself."""
    _settle(data, incident_id, "refuse", tie, as_json=as_json)


def _settle(data: Path, incident_id: str, action: str, tie: int, *, as_json: bool) -> None:
    said = {"action": action, "tie": tie}
    answer = call(data, "POST", "intake", "incidents", incident_id, "identities", json=said)
    if as_json:
        print_json(answer)
    else:
        say(f"{incident_id}: tie {tie} is {answer['state']}" + ("" if answer["changed"] else ", as it was"))
