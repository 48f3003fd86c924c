"""`heraut print`: what the print house said of each job, who lies in rejected ones, and what is done about them."""

import asyncio
from pathlib import Path
from typing import Any

import click

from services.cli.client import call, open_client
from services.cli.console import number, print_json, say, table
from services.cli.decided import after, decided_cells
from services.cli.options import Commands, data_option, json_option
from services.core.channel import Channel
from services.core.rooms import dispatch_stage

__all__ = ["print"]

_STAGE = dispatch_stage(Channel.LETTER)
_COLUMNS = (
    *("job", "state", "files", "letters", "waiting files", "since", "not printed", "why"),
    *("decided", "waits for"),
)
_LETTERS = ("incidentId", "cohortId", "noticeId", "attempt", "batchId", "since")
_job = click.argument("job", metavar="JOB")
_posted = click.option("--even-if-posted", is_flag=True, help="Although the print house also said that it was posted.")


@click.group(cls=Commands)
def print() -> None:  # noqa: A001 - the command's name
    """See what the print house said of jobs, and decide about those that it rejected.

    Letters over Notify are in no job: `heraut rejected list`.
    """


@print.command("jobs")
@click.option("--all", "every", is_flag=True, help="Those too of which everything is known.")
@data_option
@json_option
def jobs(data: Path, *, every: bool, as_json: bool) -> None:
    """List jobs (print runs) of which something is left to be heard or to be done, the latest first."""
    found = call(data, "GET", _STAGE, "print-jobs", params={"all": "true"} if every else {})["jobs"]
    if as_json:
        print_json(found)
    elif not found:
        say("no job was printed" if every else "the print house has all jobs, and rejected none")
    else:
        table("Print jobs", _COLUMNS, [_cells(one) for one in found], left=2)


@print.command("letters")
@_job
@data_option
@json_option
def letters(job: str, data: Path, *, as_json: bool) -> None:
    """List whose letters in JOB (a job, or one of its files) were rejected and are not decided about."""
    found = asyncio.run(_fetch(data, job))
    if as_json:
        print_json(found)
    elif not found:
        say(f"nobody's letter in {job} waits for a decision")
    else:
        table("Not printed", _LETTERS, [[str(one[key]) for key in _LETTERS] for one in found], left=len(_LETTERS))


@print.command("again")
@_job
@_posted
@data_option
@json_option
def again(job: str, data: Path, *, even_if_posted: bool, as_json: bool) -> None:
    """Have what was rejected of JOB printed again, as a new attempt in a new file. Mend the cause first."""
    _decide(data, job, "print-again", "are printed again", even_if_posted=even_if_posted, as_json=as_json)


@print.command("give-up")
@_job
@_posted
@data_option
@json_option
def give_up(job: str, data: Path, *, even_if_posted: bool, as_json: bool) -> None:
    """Give what was rejected of JOB to the next channel of each person; who has none is left for their source."""
    _decide(data, job, "give-up", "go to their next channel", even_if_posted=even_if_posted, as_json=as_json)


def _decide(data: Path, job: str, act: str, words: str, *, even_if_posted: bool, as_json: bool) -> None:
    params = {"evenIfPosted": "true"} if even_if_posted else {}
    found = call(data, "POST", _STAGE, "print-jobs", job, act, params=params)
    if as_json:
        print_json(found)
    else:
        say(f"{number(found['letters'])} letters of {job} {words}{after(found)}")


async def _fetch(data: Path, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after: str | None = "0"
    async with open_client(data) as client:
        while after is not None:
            page = await client.call("GET", _STAGE, "print-jobs", job, "letters", params={"after": after})
            found += page["letters"]
            after = page["next"]
    return found


def _cells(one: dict[str, Any]) -> list[str]:
    state = f"{one['state']}, contradictory" if one["contradictory"] else one["state"]
    figures = [number(one[key]) for key in ("files", "letters", "filesWaiting")]
    return [
        one["job"], state, *figures, one["waitsSince"] or "", number(one["unprinted"]),
        ", ".join(one["reasons"]), *decided_cells(one["decided"]),
    ]  # fmt: skip
