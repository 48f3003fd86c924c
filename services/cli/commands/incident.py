"""`heraut incident`: the incident document, which says what happened and in which words people are told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from services.cli.client import call
from services.cli.console import Fault, print_json, say, table
from services.cli.document_file import as_lines, read_document, read_incident
from services.cli.options import Commands, data_option, json_option, profile_option
from services.core.policy import Policy, in_words
from services.demo.made_up.incident import made_up_incident
from services.rendering.letters.profile import Profile

__all__ = ["incident"]


@click.group(cls=Commands)
def incident() -> None:
    """Put an incident document, or look at one."""


@incident.command("template")
def template() -> None:
    """Print a whole example document: every rule of its policy stands in it, with its default."""
    document = made_up_incident(datetime.now(UTC)) | {"policy": in_words(Policy())}
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


@incident.command("put")
@click.argument("file", type=click.File("rb"))
@click.option("--incident", "incident_id", metavar="ID", help="Its id; else the file's name without its ending.")
@click.option(
    "--reissue",
    type=click.Choice(["waiting"]),
    help="Notices that were released before, and are not begun, follow this version.",
)
@data_option
@json_option
def put(file: Any, incident_id: str | None, reissue: str | None, data: Path, *, as_json: bool) -> None:
    """Put the incident document FILE (JSON; `-` = standard input): a new one, or its next version."""
    document = read_document(file.read())
    # Some users keep the id in the document; the service takes it from the URL alone.
    named = document.pop("incidentId", None) if isinstance(document, dict) else None
    wanted = incident_id or named or (Path(file.name).stem if file.name != "<stdin>" else None)
    if not isinstance(wanted, str):
        raise Fault("--incident ID is needed with standard input", 2)
    if reissue and isinstance(document, dict):
        document["reissue"] = reissue
    _show_put(wanted, call(data, "PUT", "intake", "incidents", wanted, json=document), as_json=as_json)


@incident.command("approve")
@click.argument("incident_id", metavar="ID")
@click.option("--number", type=click.IntRange(min=1), required=True, help="Of the change that you read.")
@data_option
@json_option
def approve(incident_id: str, number: int, data: Path, *, as_json: bool) -> None:
    """Let a change of the document hold that somebody else asked for; `heraut incident show` has it."""
    answer = call(data, "POST", "intake", "incidents", incident_id, "approve", json={"number": number})
    _show_put(incident_id, answer, as_json=as_json)


def _show_put(incident_id: str, answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    version = answer.get("version") if isinstance(answer, dict) else None
    say(f"incident {incident_id}" + (f", version {version}" if version else ""))
    for line in _as_warnings(answer.get("warnings") or []):
        say(line)
    if asked := answer.get("asked"):
        words = f"`heraut incident approve {incident_id} --number {asked['number']}`"
        say(f"the change waits until somebody other than {asked['askedBy']} does {words}")
    for channel in answer.get("closed") or []:
        say(f"{channel} is closed: two seconds from now nothing begins on it; heraut incident closures {incident_id}")


@incident.command("check")
@click.argument("file", type=click.File("rb"))
@profile_option
@json_option
def check(file: Any, profile: Profile, *, as_json: bool) -> None:
    """Check the incident document FILE without a server: read it, render it on every channel, look at its words.

    Status 1 where it would not be taken.
    """
    from services.rendering.linter import errors_of, lint  # noqa: PLC0415 - `heraut incident put` waits for no typesetter
    from services.rendering.proof import problems_of  # noqa: PLC0415

    read = read_incident(read_document(file.read()))
    findings = lint(read)
    problems = [{"field": one.field, "problem": one.problem} for one in errors_of(read, findings)]
    problems += problems_of(read, profile)
    warnings = [one.as_json() for one in findings]
    if as_json:
        print_json({"problems": problems, "warnings": warnings})
    else:
        for line in _as_warnings(warnings):
            say(line)
    if problems:
        raise Fault("\n".join(as_lines(problems)), 1)
    say("it can be put")


def _as_warnings(found: list[dict[str, str]]) -> list[str]:
    return [f"warning: {one['field']}: {one['problem']} ({one['rule']})" for one in found]


@incident.command("show")
@click.argument("incident_id", metavar="ID")
@data_option
@json_option
def show(incident_id: str, data: Path, *, as_json: bool) -> None:
    """Show an incident as it is known now."""
    answer = call(data, "GET", "intake", "incidents", incident_id)
    if as_json:
        print_json(answer)
    else:
        click.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode())


@incident.command("closures")
@click.argument("incident_id", metavar="ID")
@data_option
@json_option
def closures(incident_id: str, data: Path, *, as_json: bool) -> None:
    """Show which channels were closed, how many moved on, and what had begun by then."""
    answer = call(data, "GET", "tracking", "incidents", incident_id, "closures")
    if as_json:
        print_json(answer)
        return
    rows = [
        [one["channel"], one["version"], _yes(one["openAgain"]), len(one["begun"]), _yes(one["complete"])]
        for one in answer["closures"]
    ]
    if not rows:
        say(f"no channel of {incident_id} was closed")
        return
    table("Closed", ("channel", "by version", "open again", "had begun", "complete"), rows, left=1)
    for channel, count in answer["movedOn"].items():
        say(f"{count} moved on from {channel}")


def _yes(value: bool) -> str:  # noqa: FBT001 - a cell
    return "yes" if value else "no"


@incident.command("pause")
@click.argument("incident_id", metavar="ID")
@data_option
@json_option
def pause(incident_id: str, data: Path, *, as_json: bool) -> None:
    """Pause all cohorts of an incident, also those that are opened until it is resumed."""
    answer = call(data, "POST", "intake", "incidents", incident_id, "pause", json={})
    _show_pauses(answer, f"{incident_id} paused: two seconds from now nothing of it begins any more", as_json=as_json)


@incident.command("resume")
@click.argument("incident_id", metavar="ID")
@data_option
@json_option
def resume(incident_id: str, data: Path, *, as_json: bool) -> None:
    """End the pause of an incident; cohorts that were paused by themselves stay so, and are listed."""
    answer = call(data, "POST", "intake", "incidents", incident_id, "resume", json={})
    _show_pauses(answer, f"{incident_id} goes on", as_json=as_json)


def _show_pauses(answer: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    say(text)
    rows = [[one["cohortId"], one["pauseId"], one["pausedBy"] or "with its incident"] for one in answer["pauses"]]
    if rows:
        table("Paused", ("cohort", "pause", "by"), rows, left=3)


@incident.command("acts")
@click.argument("incident_id", metavar="ID")
@data_option
@json_option
def acts(incident_id: str, data: Path, *, as_json: bool) -> None:
    """Show who did what to an incident and its cohorts, from the oldest act."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        after = str(found[-1]["number"]) if found else "0"
        answer = call(data, "GET", "intake", "incidents", incident_id, "acts", params={"after": after})
        found += answer["acts"]
        more = answer["more"]
    if as_json:
        print_json(found)
    else:
        rows = [[one[key] for key in ("at", "principal", "act", "cohortId", "version", "requestId")] for one in found]
        table(
            None, ("when", "who", "did", "cohort", "version", "request"), [[*map(_cell, row)] for row in rows], left=6
        )


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
