"""`heraut incident`: what happened, and in which words people are told."""

import asyncio
from pathlib import Path
from typing import Any

import click
import orjson

from services.cli.client import open_client
from services.cli.console import Fault, print_json, say
from services.cli.surroundings import data_option, json_option, surroundings

__all__ = ["incident"]


@click.group()
def incident() -> None:
    """Put an incident document, or look at one."""


@incident.command("put")
@click.argument("file", type=click.File("rb"))
@click.option("--incident", "incident_id", metavar="ID", help="Its id; else the file's name without its ending.")
@data_option
@json_option
def put(file: Any, incident_id: str | None, data: Path, *, as_json: bool) -> None:
    """Put the incident document FILE (JSON; `-` = standard input): a new one, or its next version."""
    document = _read(file.read())
    # Some keep the id in the file; the service knows it by its address alone.
    named = document.pop("incidentId", None) if isinstance(document, dict) else None
    wanted = incident_id or named or (Path(file.name).stem if file.name != "<stdin>" else None)
    if not isinstance(wanted, str):
        raise Fault("--incident ID is needed with standard input", 2)
    answer = asyncio.run(_call(data, "PUT", wanted, json=document))
    if as_json:
        print_json(answer)
    else:
        version = answer.get("version") if isinstance(answer, dict) else None
        say(f"incident {wanted}" + (f", version {version}" if version else ""))


@incident.command("show")
@click.argument("incident_id", metavar="ID")
@data_option
@json_option
def show(incident_id: str, data: Path, *, as_json: bool) -> None:
    """Show an incident as it is known now."""
    answer = asyncio.run(_call(data, "GET", incident_id))
    if as_json:
        print_json(answer)
    else:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


async def _call(data: Path, method: str, incident_id: str, **options: Any) -> Any:
    async with open_client(surroundings(data)) as client:
        return await client.call(method, "intake", "incidents", incident_id, **options)


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Fault(f"the document is not JSON: {error.msg} in line {error.lineno}", 2) from None
