"""`heraut cohort`: send a cohort, seal it, release its notices or approve that, and see where its members are."""

import asyncio
import contextlib
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import orjson
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from services.cli.client import Client, Refused, call, open_client
from services.cli.cohort_template import cohort_template
from services.cli.console import Fault, err, number, print_json, say, table
from services.cli.file_check import FileCheck, check_file
from services.cli.file_shape import for_file
from services.cli.grant_options import grant_of, grants, how_much
from services.cli.ledger_table import cohort_row, show_cohorts
from services.cli.options import Commands, data_option, json_option
from services.cli.problem_list import all_problems, print_csv, show_problems, work_in
from services.cli.problem_words import in_words
from services.cli.release_view import release_lines, rule_rows
from services.cli.upload import CohortUpload
from services.core.incident import Incident, KeyVersions
from services.wire.incident_document import InvalidDocument, parse_incident

__all__ = ["cohort"]

F = TypeVar("F", bound=Callable[..., Any])
# Counts of an answer that are not always there, and those of people who were not taken; each with its words.
_NOTED = (("unreadable", "unreadable"), ("warnings", "accepted with warnings"))
_LOST = (("rejected", "rejected"), ("unreadable", "unreadable"))
# A longer table does not fit on a screen; --json prints all problems of the answer.
_SHOWN_PROBLEMS = 20


def _names(command: F) -> F:
    """Return the command with the options --incident and --cohort, which name one cohort."""
    command = click.option("--cohort", "cohort_id", required=True, metavar="ID")(command)
    return click.option("--incident", "incident_id", required=True, metavar="ID")(command)


@click.group(cls=Commands)
def cohort() -> None:
    """Send a cohort, seal it, release it, or take it back."""


@cohort.command()
def template() -> None:
    """Print a CSV with every column and a line of each kind of record."""
    click.echo(cohort_template(), nl=False)


@cohort.command()
@click.argument("file", type=click.File("rb"))
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The incident document: without it, the categories that records name are not checked.",
)
@json_option
def check(file: IO[bytes], document: Path | None, *, as_json: bool) -> None:
    """Say what intake would say of FILE, without a server: nothing is sent. `-` = standard input."""
    incident = _document(document) if document else None
    seekable = file if file.seekable() else io.BytesIO(file.read())
    found = check_file(seekable, incident, datetime.now(UTC).date())
    if as_json:
        print_json(found.as_json())
    else:
        _show_check(found)
    if not found.is_sound:
        stopped = _advice(found.stopped, file, gzipped=found.gzipped)
        raise Fault(stopped or "not everybody would be taken: see the problems")


def _advice(lines: Sequence[str], file: IO[bytes], *, gzipped: bool) -> str:
    """Return what mends a file, with its name in the commands; standard input has none."""
    return "\n".join(lines if file.name == "<stdin>" else for_file(lines, file.name, gzipped=gzipped))


def _document(path: Path) -> Incident:
    try:
        return parse_incident("check", 1, orjson.loads(path.read_bytes()), KeyVersions())
    except orjson.JSONDecodeError as error:
        raise Fault(f"{path} is no JSON: {error}", 2) from None
    except InvalidDocument as error:
        raise Fault("\n".join(f"{path}: {p['field']}: {p['problem']}" for p in error.problems), 2) from None


def _show_check(found: FileCheck) -> None:
    answer = found.as_json()
    if not found.stopped or answer["received"]:
        _show_counts(answer)
    rows = [[p["severity"], str(p["line"]), p["memberRef"] or "", p["words"]] for p in _by_weight(answer["problems"])]
    if rows:
        table("Problems", ("severity", "line", "memberRef", "what"), rows[:_SHOWN_PROBLEMS], left=4)
    if len(rows) > _SHOWN_PROBLEMS:
        say(f"and {number(len(rows) - _SHOWN_PROBLEMS)} more; --json lists all")
    if not found.categories_checked and not found.stopped:
        say("categories were not checked: give --document")


@cohort.command()
@click.argument("file", type=click.File("rb"))
@_names
@click.option("--source", metavar="S", help="Who sends it; else the cohort's id, for a new one.")
@click.option("--declared", type=click.IntRange(min=0), metavar="N", help="How many members the source says there are.")
@click.option("--group", metavar="G", help="Whose variants of the words its people read; for a new one.")
@click.option("--auto-release", is_flag=True, help="Let notices go out without a release by hand.")
@data_option
@json_option
def submit(file: IO[bytes], incident_id: str, cohort_id: str, data: Path, **given: Any) -> None:
    """Send the records in FILE: CSV or NDJSON, either gzipped; `-` = standard input.

    Done = the records are durable. Records that cannot be taken are listed, and end the command with status 1; the
    same file again, or one with those records put right, does no harm. A warning names what was left out of a record
    that was taken.
    """
    fields = {
        "source": given["source"],
        "declaredCount": given["declared"],
        "autoRelease": given["auto_release"] or None,
        "group": given["group"],
    }
    document = {key: value for key, value in fields.items() if value is not None}
    upload = CohortUpload.look_into(file)
    if upload.advice:  # before the cohort is opened: a file that is no list leaves nothing behind
        raise Fault(_advice(upload.advice, file, gzipped=upload.gzipped), 2)
    answer = asyncio.run(_submit(data, (incident_id, cohort_id), document, file, upload))
    if given["as_json"]:
        print_json(answer)
    else:
        _show_answer(answer)
    _check_answer(answer)


async def _submit(
    data: Path, names: tuple[str, str], document: Mapping[str, Any], file: IO[bytes], upload: CohortUpload
) -> Any:
    """Open the cohort, upload the file, and return intake's answer."""
    incident_id, cohort_id = names
    async with open_client(data) as client:
        await _open_cohort(client, names, document)
        with _progress(file) as sent:
            return await client.call(
                "POST", "intake", "incidents", incident_id, "cohorts", cohort_id, "members",
                headers=upload.headers, data=upload.body(sent),
            )  # fmt: skip


async def _open_cohort(client: Client, names: tuple[str, str], document: Mapping[str, Any]) -> None:
    """Open the cohort, or change an open one to what the document says. Without a source in it the known one stays."""
    path = ("incidents", names[0], "cohorts", names[1])
    if "source" not in document:
        try:
            known = await client.call("GET", "intake", *path)
        except Refused as refused:
            if refused.answer_status != 404:
                raise
            known = {"source": names[1]}
        document = {"source": known["source"], **document}
    await client.call("PUT", "intake", *path, json=document)


@contextlib.contextmanager
def _progress(file: IO[bytes]) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much of the file is sent; the caller reports each count of bytes."""
    if not err.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn("sending"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("sending", total=_size(file))
        yield lambda count: progress.advance(task, count)


def _size(file: IO[bytes]) -> int | None:
    """Return the size of a file in bytes, None for a pipe."""
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None


def _show_answer(answer: Mapping[str, Any]) -> None:
    _show_counts(answer)
    problems = _by_weight(answer.get("problems") or [])
    if problems:
        names = ("severity", "line", "memberRef")
        rows = [
            [*("" if p.get(name) is None else str(p[name]) for name in names), in_words(p.get("field"), p["problem"])]
            for p in problems[:_SHOWN_PROBLEMS]
        ]
        table("Problems", (*names, "what"), rows, left=4)
    if len(problems) > _SHOWN_PROBLEMS or answer.get("problemsTruncated"):
        more = "more" if answer.get("problemsTruncated") else f"{number(len(problems) - _SHOWN_PROBLEMS)} more"
        say(f"and {more}; --json lists those that the answer holds")


def _show_counts(answer: Mapping[str, Any]) -> None:
    counts = [f"{number(answer[name])} {name}" for name in ("received", "accepted", "rejected")]
    counts += [f"{number(answer[name])} {words}" for name, words in _NOTED if answer.get(name)]
    say(", ".join(counts))


def _by_weight(problems: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return problems with those first that reject a record: they must be put right, a warning may."""
    return sorted(problems, key=lambda problem: problem.get("severity") == "warning")


def _check_answer(answer: Mapping[str, Any]) -> None:
    """Raise a Fault, for exit status 1, where the answer is of people who were not taken."""
    lost = [f"{number(answer[name])} {words}" for name, words in _LOST if answer.get(name)]
    if lost:
        raise Fault(f"not everybody was taken: {', '.join(lost)}")


@cohort.command()
@_names
@data_option
@json_option
def seal(incident_id: str, cohort_id: str, data: Path, *, as_json: bool) -> None:
    """Close a cohort: nothing more comes, and its count holds."""
    answer = _post(data, (incident_id, cohort_id), "seal", {})
    _show_done(answer, f"{incident_id}/{cohort_id} sealed", as_json=as_json)


@cohort.command()
@_names
@grants
@data_option
@json_option
def release(incident_id: str, cohort_id: str, data: Path, *, as_json: bool, **options: Any) -> None:
    """Let the notices of a cohort go out, or ask for it where the incident has four eyes."""
    grant = grant_of(options)
    if not grant:
        raise click.UsageError("give --all, --canary or --pace")
    answer = _post(data, (incident_id, cohort_id), "release", grant)
    waits = answer.get("releaseAsked") or not answer["released"]
    done = "waits until somebody else does `heraut cohort approve`" if waits else f"released{how_much(answer)}"
    _show_done(answer, f"{incident_id}/{cohort_id} {done}", as_json=as_json)


@cohort.command()
@_names
@grants
@data_option
@json_option
def approve(incident_id: str, cohort_id: str, data: Path, *, as_json: bool, **options: Any) -> None:
    """Let go what somebody else asked for; with --all, --canary or --pace only if it is that."""
    answer = _post(data, (incident_id, cohort_id), "approve", grant_of(options))
    _show_done(answer, f"{incident_id}/{cohort_id} released{how_much(answer)}", as_json=as_json)


@cohort.command()
@_names
@data_option
@json_option
def pause(incident_id: str, cohort_id: str, data: Path, *, as_json: bool) -> None:
    """Stop every notice that names a fact of a cohort: two seconds from now none begins any more."""
    answer = _post(data, (incident_id, cohort_id), "pause", {})
    _show_done(answer, f"{incident_id}/{cohort_id} paused: {answer['pauseId']}", as_json=as_json)


@cohort.command()
@_names
@data_option
@json_option
def resume(incident_id: str, cohort_id: str, data: Path, *, as_json: bool) -> None:
    """End the pause of a cohort: what was released goes on."""
    answer = _post(data, (incident_id, cohort_id), "resume", {})
    _show_done(answer, f"{incident_id}/{cohort_id} goes on", as_json=as_json)


@cohort.command()
@_names
@data_option
@json_option
def cancel(incident_id: str, cohort_id: str, data: Path, *, as_json: bool) -> None:
    """Take a whole cohort back, for good: nobody who was not told yet is told by it."""
    answer = _post(data, (incident_id, cohort_id), "cancel", {})
    _show_done(answer, f"{incident_id}/{cohort_id} cancelled", as_json=as_json)


@cohort.command()
@_names
@click.option("--ref", metavar="R", help="The record's memberRef.")
@click.option("--line", type=click.IntRange(min=1), metavar="N", help="The line on which the record was rejected.")
@data_option
@json_option
def withdraw(incident_id: str, cohort_id: str, data: Path, *, ref: str | None, line: int | None, as_json: bool) -> None:
    """Take one record back: nobody who was not told yet is told by it. A later upload of it brings it back."""
    if (ref is None) == (line is None):
        raise click.UsageError("give --ref or --line, one of them")
    body: dict[str, Any] = {"memberRef": ref} if line is None else {"line": line}
    answer = _post(data, (incident_id, cohort_id), "withdrawals", body)
    done = f"{answer['was']} record withdrawn" if answer["changed"] else "the record was withdrawn before"
    maybe = "; somebody may have been told by it, or be about to be" if answer["told"] == "maybe" else ""
    _show_done(answer, f"{incident_id}/{cohort_id}: {done}{maybe}", as_json=as_json)


def _post(data: Path, names: tuple[str, str], action: str, body: Mapping[str, Any]) -> Any:
    return call(data, "POST", "intake", "incidents", names[0], "cohorts", names[1], action, json=body)


def _show_done(answer: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        say(text)


@cohort.command()
@_names
@data_option
@json_option
def status(incident_id: str, cohort_id: str, data: Path, *, as_json: bool) -> None:
    """Show where the members of a cohort are, how its release goes, and who paused it."""
    row, going, stands = asyncio.run(_status(data, incident_id, cohort_id))
    if as_json:
        print_json({**row, "release": {**going, "pausedBy": stands["pausedBy"], "stopped": stands["stopped"]}})
        return
    show_cohorts(None, [row])
    for line in release_lines(going, stands):
        say(line)
    if rows := rule_rows(going):
        table("Stop rules", ("rule", "channel", "share", "stops above", "so far"), rows, left=5)
    if work := work_in(row):
        say(f"{work}: heraut cohort problems --incident {incident_id} --cohort {cohort_id}")


async def _status(data: Path, incident_id: str, cohort_id: str) -> tuple[dict[str, Any], Any, Any]:
    """Return the cohort's row of the ledger, how its release goes, and how it stands with intake."""
    path = ("incidents", incident_id, "cohorts", cohort_id)
    async with open_client(data) as client:
        row = cohort_row(await client.call("GET", "tracking", "incidents", incident_id, "ledger"), cohort_id)
        going = await client.call("GET", "tracking", *path, "release")
        return row, going, await client.call("GET", "intake", *path)


@cohort.command()
@_names
@click.option("--complaints", type=click.IntRange(min=0), metavar="N", help="Complaints.")
@click.option("--bounced", type=click.IntRange(min=0), metavar="N", help="Mails that came back.")
@click.option("--returned", type=click.IntRange(min=0), metavar="N", help="Letters that came back.")
@data_option
@json_option
def figures(incident_id: str, cohort_id: str, data: Path, *, as_json: bool, **counts: int | None) -> None:
    """Say how many complaints, bounces and returned letters there are so far, in all; stop rules look at them."""
    said = {name: count for name, count in counts.items() if count is not None}
    if not said:
        raise click.UsageError("give --complaints, --bounced or --returned")
    answer = _post(data, (incident_id, cohort_id), "figures", said)
    noted = ", ".join(f"{number(answer[name])} {name}" for name in counts)
    _show_done(answer, f"{incident_id}/{cohort_id}: {noted}", as_json=as_json)


@cohort.command()
@_names
@click.option("--csv", "as_csv", is_flag=True, help="All of them as CSV, for a spreadsheet.")
@data_option
@json_option
def problems(incident_id: str, cohort_id: str, data: Path, *, as_csv: bool, as_json: bool) -> None:
    """List whose records are rejected, held, or told apart from others, and why.

    Records are named by the memberRefs of their source. Sent again, corrected, they go off the list; so do those that
    `heraut cohort withdraw` takes back.
    """
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, one of them")
    answer = asyncio.run(_problems(data, ("incidents", incident_id, "cohorts", cohort_id, "problems"), as_csv=as_csv))
    if as_json:
        print_json(answer)
    elif not as_csv:
        show_problems(answer["problems"])


async def _problems(data: Path, path: tuple[str, ...], *, as_csv: bool) -> Any:
    async with open_client(data) as client:
        if as_csv:
            return await print_csv(client.pieces("GET", "intake", *path, params={"format": "csv"}))
        return await all_problems(lambda query: client.call("GET", "intake", *path, params=query))
